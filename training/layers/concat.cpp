#include "training/layers/concat.h"

#include <algorithm>

namespace bitline::training {

namespace {

/// Calls part(value, first number within it, first number within the output, count) for the pieces of one value that
/// lie together, in a chunk of samples.
template <class Part>
void for_parts(int64_t axis, std::span<const Tensor* const> inputs, const Tensor& output, Part part) {
    const auto before = output.shape.begin() + axis;
    const int64_t rows = element_count(Shape(output.shape.begin(), before));
    const int64_t width = element_count(Shape(before, output.shape.end()));
    for_chunks(output.samples, [&](int64_t, int64_t first, int64_t count) {
        int64_t offset = 0;
        for (size_t value = 0; value < inputs.size(); ++value) {
            const int64_t own = inputs[value]->elements() / rows;
            for (int64_t r = first * rows; r < (first + count) * rows; ++r)
                part(value, r * own, r * width + offset, own);
            offset += own;
        }
    });
}

}  // namespace

void ConcatLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    for_parts(op_.axis, inputs, output, [&](size_t value, int64_t from, int64_t to, int64_t count) {
        std::copy_n(inputs[value]->values.data() + from, count, output.values.data() + to);
    });
}

void ConcatLayer::backward(const Pass&, std::span<const Tensor* const> inputs, const Tensor&, const Tensor& gradient,
                           std::span<Tensor* const> input_gradients) {
    for_parts(op_.axis, inputs, gradient, [&](size_t value, int64_t to, int64_t from, int64_t count) {
        if (!input_gradients[value]) return;
        const float* g = gradient.values.data() + from;
        float* x_gradient = input_gradients[value]->values.data() + to;
        for (int64_t i = 0; i < count; ++i) x_gradient[i] += g[i];
    });
}

}  // namespace bitline::training
