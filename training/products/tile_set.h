#pragma once

// The innermost loops of the products, one set per instruction set. All sets round alike: a number is one chain of
// fused products and sums, whatever the width of a vector. No library types: files compiled for one instruction set
// include this (see core/kernels/README.md).

#include <stdint.h>

namespace bitline::training::products {

constexpr int kMostRows = 8, kMostVectors = 8;  // of any set's tiles
constexpr int kDotLanes = 16, kDotTaps = 6;     // of `dot`, on every instruction set

/// Where a tile brings a vector of its outputs: row r to at + r * row_stride, overwriting or adding.
struct TileTarget {
    float* at = nullptr;
    int64_t row_stride = 0;
    bool add = false;
};

/// Output of row r and vector v, lane by lane = sum over k of panel[k * rows + r] * source[v][offset[k] + lane]
using CorrelateTile = void (*)(int64_t depth, const float* panel, const int64_t* offset, const float* const* source,
                               const TileTarget* target);

/// A walk over the positions of a block of samples.
struct Walk {
    int64_t samples = 1, rows = 1, cols = 1;
    int64_t sample_step = 0, row_step = 0, col_step = 1;  // in the source
};

/// sum[r * sum_stride + lane] += sum over positions of source[offset[r] + position] * gradient[lane], the gradient
/// going on by `gradient_stride` from one position to the next.
using OuterTile = void (*)(const Walk& walk, const float* source, const int64_t* offset, const float* gradient,
                           int64_t gradient_stride, float* sum, int64_t sum_stride);

/// sum[t * kDotLanes + lane] += sum over i of gradient[i * kDotLanes + lane] * source[offset[t] + i * kDotLanes + lane]
using DotTile = void (*)(int64_t steps, const float* source, const int64_t* offset, const float* gradient, float* sum);

/// to[col * to_stride + row] = from[row * from_stride + col]
using Transpose = void (*)(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to,
                           int64_t to_stride);

struct TileSet {
    const char* name = "";                                          // that of a kernel of core/kernels
    int lanes = 1;                                                  // floats of a vector
    int rows = 1;                                                   // of the largest tile of `correlate`
    int vectors[kMostRows + 1] = {};                                // of the largest tile of so many rows
    CorrelateTile correlate[kMostRows + 1][kMostVectors + 1] = {};  // [rows][vectors]
    int outer_rows = 1, outer_vectors = 1;                          // of the largest tile of `outer`
    OuterTile outer[kMostRows + 1][kMostVectors + 1] = {};          // [rows][vectors]
    DotTile dot[kDotTaps + 1] = {};                                 // [taps]
    Transpose transpose = nullptr;
};

}  // namespace bitline::training::products
