#pragma once

// Padded copies of images, and the memory they lie in.

#include <cstdint>
#include <memory>

#include "training/products/geometry.h"
#include "training/products/tile_set.h"

namespace bitline::training::products {

constexpr int64_t kSlack = 16;  // a vector may read so many numbers beyond what it needs

/// Memory that grows and is kept: one per thread and use. Not initialised.
class Buffer {
 public:
    float* get(int64_t count);

 private:
    struct Free {
        void operator()(float* memory) const;
    };
    std::unique_ptr<float[], Free> memory_;
    int64_t size_ = 0;
};

/// The padded copy of `channels` channels of `samples` samples: element (channel, phases, row, col, lane) with `lanes`
/// samples side by side, of which those beyond `samples` are 0. `sample_stride` is that of the source.
void copy_padded(const Correlation& correlation, const TileSet& tiles, int64_t channels, int64_t samples, int64_t lanes,
                 const float* source, int64_t sample_stride, float* to);

}  // namespace bitline::training::products
