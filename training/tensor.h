#pragma once

// Batches of real numbers on their way through a network that is being trained.

#include <cstdint>
#include <functional>
#include <vector>

#include "core/network.h"

namespace bitline::training {

/// (samples x elements of `shape`), float32, samples outermost.
struct Tensor {
    Shape shape;  // per sample, without the batch
    int64_t samples = 0;
    std::vector<float> values;

    int64_t elements() const { return element_count(shape); }  // per sample
    float* sample(int64_t s) { return values.data() + s * elements(); }
    const float* sample(int64_t s) const { return values.data() + s * elements(); }

    /// Values are left as they are: whoever resizes overwrites them.
    void resize(const Shape& new_shape, int64_t new_samples) {
        shape = new_shape;
        samples = new_samples;
        values.resize(static_cast<size_t>(new_samples * elements()));
    }
};

/// Samples that one piece of parallel work holds. Fixed, so that sums over a batch, added up piece by piece in their
/// order, have the same bits for any number of threads.
inline constexpr int64_t kChunk = 8;

inline int64_t chunks(int64_t samples) { return (samples + kChunk - 1) / kChunk; }

/// Calls body(chunk, first sample, count) for every chunk of a batch, in parallel.
void for_chunks(int64_t samples, const std::function<void(int64_t chunk, int64_t first, int64_t count)>& body);

/// sum[i] = partial[0][i] + partial[1][i] + ... for (parts x sum.size()) partial sums, in this order.
void add_parts(const std::vector<float>& partial, int64_t parts, std::vector<float>& sum);

}  // namespace bitline::training
