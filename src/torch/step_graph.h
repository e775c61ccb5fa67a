// Kernels that were queued once, to be queued again as one.
#pragma once

#include "torch/queue.h"

namespace steer {

class StepGraph {
  public:
    StepGraph() = default;
    ~StepGraph() { reset(); }
    StepGraph(const StepGraph&) = delete;
    StepGraph& operator=(const StepGraph&) = delete;

    bool is_captured() const { return ready_ != nullptr; }
    void reset() {
        if (ready_ != nullptr) cudaGraphExecDestroy(ready_);
        ready_ = nullptr;
    }

    // queue_all(stream) -> cudaError_t. What other threads do with the device meanwhile is not captured.
    template<class QueueAll> void capture(QueueAll queue_all) {
        cudaStream_t stream = nullptr;
        cudaGraph_t graph = nullptr;
        check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream to capture on");
        cudaError_t error = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
        if (error == cudaSuccess) {
            error = queue_all(stream);
            const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
            if (error == cudaSuccess) error = ended;
        }
        if (error == cudaSuccess) error = cudaGraphInstantiate(&ready_, graph, 0);
        if (graph != nullptr) cudaGraphDestroy(graph);
        cudaStreamDestroy(stream);
        check_cuda(error, "capturing a step");
    }

    void launch(cudaStream_t queue) const { check_cuda(cudaGraphLaunch(ready_, queue), "queueing a step"); }

  private:
    cudaGraphExec_t ready_ = nullptr;
};

} // namespace steer
