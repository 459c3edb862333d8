#include "training/tensor.h"

#include <algorithm>

#include "core/parallel.h"

namespace bitline::training {

void for_chunks(int64_t samples, const std::function<void(int64_t, int64_t, int64_t)>& body) {
    parallel_for(chunks(samples), [&](int64_t chunk) {
        const int64_t first = chunk * kChunk;
        body(chunk, first, std::min(kChunk, samples - first));
    });
}

void add_parts(const std::vector<float>& partial, int64_t parts, std::vector<float>& sum) {
    const size_t size = sum.size();
    std::copy_n(partial.begin(), size, sum.begin());
    for (size_t p = 1; p < static_cast<size_t>(parts); ++p)
        for (size_t i = 0; i < size; ++i) sum[i] += partial[p * size + i];
}

}  // namespace bitline::training
