#pragma once

// Loops over the cells of one row, the inner parts of cell_law.cpp. They are compiled once for every processor and once
// for those with wider vectors, and give the same bits: each cell sees the same operations in the same order.

#include <cstddef>
#include <cstdint>

namespace bitline {

struct RowLoops {
    /// out[i] = table[levels[i]].
    void (*look_up)(const double* table, const uint16_t* levels, size_t n, double* out);
    /// out[i] += table[levels[i]] * xi[i].
    void (*add_deviations)(const double* table, const uint16_t* levels, const float* xi, size_t n, double* out);
    /// Clips to 0 .. top; returns how many lay so far outside that rounding would not bring them back.
    int64_t (*clip)(double top, size_t n, double* values);
    /// values[i] *= exp(-exponent[i] * length), the power of e at most 700 either way.
    void (*fall_by_power)(const double* exponent, double length, size_t n, double* values);
    /// variance[i] = square * values[i]^2 + linear * values[i].
    void (*find_variances)(const double* values, double square, double linear, size_t n, float* variance);
    /// out[i] = values[i] rounded; none is negative.
    void (*round)(const double* values, size_t n, int32_t* out);
};

/// For every processor.
extern const RowLoops kPlainRowLoops;

/// For the kernel in use (core/kernels/kernels.h): `scalar` asks for the plain ones.
const RowLoops& row_loops();

#if defined(__x86_64__)
/// For processors that run the kernel avx2.
extern const RowLoops kAvx2RowLoops;
#endif

}  // namespace bitline
