#include "training/layers/softmax.h"

#include "core/float_functions.h"

namespace bitline::training {

namespace {

/// Calls line(position of the first element) for every line of every sample.
template <class Line>
void for_lines(const Tensor& x, const Lines& lines, Line line) {
    const int64_t block = lines.count * lines.stride, elements = x.elements();
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        for (int64_t start = first * elements; start < (first + count) * elements; start += block)
            for (int64_t i = 0; i < lines.stride; ++i) line(start + i);
    });
}

}  // namespace

void SoftmaxLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    for_lines(output, lines_, [&](int64_t at) {
        softmax_line(inputs[0]->values.data() + at, output.values.data() + at, lines_.count, lines_.stride);
    });
}

void SoftmaxLayer::backward(const Pass&, std::span<const Tensor* const>, const Tensor& output, const Tensor& gradient,
                            std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    for_lines(output, lines_, [&](int64_t at) {
        const float* y = output.values.data() + at;
        const float* g = gradient.values.data() + at;
        float* to = input_gradients[0]->values.data() + at;
        double sum = 0;
        for (int64_t i = 0; i < lines_.count * lines_.stride; i += lines_.stride)
            sum += static_cast<double>(g[i]) * static_cast<double>(y[i]);
        for (int64_t i = 0; i < lines_.count * lines_.stride; i += lines_.stride)
            to[i] += y[i] * (g[i] - static_cast<float>(sum));
    });
}

}  // namespace bitline::training
