#include "training/layers/activation.h"

#include <algorithm>
#include <cmath>

#include "core/float_functions.h"
#include "training/layers/numbers.h"

namespace bitline::training {

void ActivationLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    const Tensor& x = *inputs[0];
    switch (op_.kind) {
        case Activation::Kind::relu:
            return map_numbers(x, output, [](float v) { return v > 0 ? v : 0.0F; });
        case Activation::Kind::clip:
            return map_numbers(x, output,
                               [low = op_.low, high = op_.high](float v) { return std::min(std::max(v, low), high); });
        case Activation::Kind::sign:
            return map_numbers(x, output,
                               [](float v) { return static_cast<float>(static_cast<int>(v > 0) - (v < 0)); });
        case Activation::Kind::sigmoid:
            return map_numbers(x, output, sigmoid);
        case Activation::Kind::tanh:
            return map_numbers(x, output, hyperbolic_tangent);
    }
}

void ActivationLayer::backward(const Pass&, std::span<const Tensor* const> inputs, const Tensor& output,
                               const Tensor& gradient, std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    const Tensor& x = *inputs[0];
    Tensor& to = *input_gradients[0];
    switch (op_.kind) {
        case Activation::Kind::relu:
            return add_gradient(x, gradient, to, [](float v, float g) { return v > 0 ? g : 0.0F; });
        case Activation::Kind::clip:
            return add_gradient(x, gradient, to, [low = op_.low, high = op_.high](float v, float g) {
                const float above = v > low ? g : 0.0F;
                return v < high ? above : 0.0F;
            });
        case Activation::Kind::sign:
            return add_gradient(x, gradient, to, [](float v, float g) { return std::abs(v) <= 1 ? g : 0.0F; });
        case Activation::Kind::sigmoid:
            return add_gradient(output, gradient, to, [](float y, float g) { return g * (y * (1 - y)); });
        case Activation::Kind::tanh:
            return add_gradient(output, gradient, to, [](float y, float g) { return g * (1 - y * y); });
    }
}

}  // namespace bitline::training
