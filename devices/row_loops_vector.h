#pragma once

// The loops of row_loops.h, written so that compilers vectorise them. Included by files with and without instruction
// flags, so the rules of core/kernels/README.md hold: raw pointers, no library type, an unnamed namespace.

#include "core/fixed_exp.h"
#include "devices/row_loops.h"

namespace bitline {
namespace {

void look_up(const double* table, const uint16_t* levels, size_t n, double* out) {
    for (size_t i = 0; i < n; ++i) out[i] = table[levels[i]];
}

void add_deviations(const double* table, const uint16_t* levels, const float* xi, size_t n, double* out) {
    for (size_t i = 0; i < n; ++i) out[i] += table[levels[i]] * static_cast<double>(xi[i]);
}

int64_t clip(double top, size_t n, double* values) {
    int64_t count = 0;
    for (size_t i = 0; i < n; ++i) {
        count += values[i] < -0.5 ? 1 : 0;
        count += values[i] < top + 0.5 ? 0 : 1;
        const double positive = values[i] < 0 ? 0 : values[i];
        values[i] = positive < top ? positive : top;
    }
    return count;
}

void fall_by_power(const double* exponent, double length, size_t n, double* values) {
    constexpr double kLargest = 700;
    for (size_t i = 0; i < n; ++i) {
        const double power = -exponent[i] * length;
        const double above = power > -kLargest ? power : -kLargest;
        values[i] *= fixed_exp_within(above < kLargest ? above : kLargest);
    }
}

void find_variances(const double* values, double square, double linear, size_t n, float* variance) {
    for (size_t i = 0; i < n; ++i)
        variance[i] = static_cast<float>(square * values[i] * values[i] + linear * values[i]);
}

void round(const double* values, size_t n, int32_t* out) {
    for (size_t i = 0; i < n; ++i) out[i] = static_cast<int32_t>(values[i] + 0.5);
}

constexpr RowLoops kLoops = {look_up, add_deviations, clip, fall_by_power, find_variances, round};

}  // namespace
}  // namespace bitline
