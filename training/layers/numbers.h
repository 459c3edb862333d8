#pragma once

// Loops over the numbers of a batch.

#include <cstdint>

#include "training/tensor.h"

namespace bitline::training {

/// Calls body(first, count) for the numbers of each chunk of a batch, in parallel.
template <class Body>
void for_numbers(const Tensor& tensor, Body body) {
    const int64_t elements = tensor.elements();
    for_chunks(tensor.samples,
               [&](int64_t, int64_t first, int64_t count) { body(first * elements, count * elements); });
}

/// y[i] = f(x[i])
template <class F>
void map_numbers(const Tensor& x, Tensor& y, F f) {
    for_numbers(x, [&](int64_t first, int64_t count) {
        const float* from = x.values.data() + first;
        float* to = y.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
    });
}

/// x_gradient[i] += f(v[i], gradient[i]); v is the input or the output, whichever the derivative is simpler in.
template <class F>
void add_gradient(const Tensor& v, const Tensor& gradient, Tensor& x_gradient, F f) {
    for_numbers(v, [&](int64_t first, int64_t count) {
        const float* at = v.values.data() + first;
        const float* g = gradient.values.data() + first;
        float* to = x_gradient.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] += f(at[i], g[i]);
    });
}

/// Sum of term(0) .. term(count - 1): sixteen float32 sums side by side, which vectorise, then one in double. The order
/// depends on the count alone.
template <class Term>
double sum_of(int64_t count, Term term) {
    constexpr int64_t kLanes = 16;
    double sum = 0;
    int64_t i = 0;
    if (count >= kLanes) {
        float lanes[kLanes] = {};
        for (; i + kLanes <= count; i += kLanes)
            for (int64_t l = 0; l < kLanes; ++l) lanes[l] += term(i + l);
        for (const float lane : lanes) sum += lane;
    }
    for (; i < count; ++i) sum += term(i);
    return sum;
}

}  // namespace bitline::training
