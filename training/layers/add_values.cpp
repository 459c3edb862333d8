#include "training/layers/add_values.h"

#include "training/layers/numbers.h"

namespace bitline::training {

void AddValuesLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    for_numbers(output, [&](int64_t first, int64_t count) {
        const float* a = inputs[0]->values.data() + first;
        const float* b = inputs[1]->values.data() + first;
        float* to = output.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] = a[i] + b[i];
    });
}

void AddValuesLayer::backward(const Pass&, std::span<const Tensor* const>, const Tensor&, const Tensor& gradient,
                              std::span<Tensor* const> input_gradients) {
    for (Tensor* to : input_gradients)
        if (to) add_gradient(gradient, gradient, *to, [](float, float g) { return g; });
}

}  // namespace bitline::training
