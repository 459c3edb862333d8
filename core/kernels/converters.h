#pragma once

// Converters as vector parts see them. Raw pointers only; see README.md.

#include <stdint.h>

namespace bitline::kernels {

/// Arrays of one number per column, or per padded column where the vector part says so; offsets include the anchor.
struct Converters {
    const float* step32 = nullptr;
    const float* offset32 = nullptr;
    const double* step64 = nullptr;
    const double* offset64 = nullptr;
    double anchor = 0;
    int32_t lo = 0, hi = 0;
    bool one_bit = false, wide = false;
};

}  // namespace bitline::kernels
