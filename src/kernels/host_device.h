// For arithmetic that both sides share: compiled for the device by nvcc, for the host by everyone.
#pragma once

#ifdef __CUDACC__
#define STEER_HOST_DEVICE __host__ __device__
#else
#define STEER_HOST_DEVICE
#endif
