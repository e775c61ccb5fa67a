// numpy.save of an array of rows, as SHARP and scripts write it; the file says nothing of layers.
#include "files/npy.h"
#include "steer/vector_io.h"

#include <utility>

namespace steer {

VectorPtr load_numpy_vector(const ByteSource& source, const VectorOptions& options) {
    const NumpyArray array = read_npy(source);
    Vector draft;
    draft.name = choose_name(options, source.name());
    const StoredSites sites = set_matrix(draft, array.values, array.shape, MatrixRows::unknown, options, source.name());
    set_sites(draft, sites, options, source.name());
    return finish_vector(std::move(draft), source.name(), STEER_ERR_FORMAT);
}

} // namespace steer
