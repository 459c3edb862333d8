#include "training/layers/reshape.h"

#include "training/layers/numbers.h"

namespace bitline::training {

void ReshapeLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    map_numbers(*inputs[0], output, [](float v) { return v; });
}

void ReshapeLayer::backward(const Pass&, std::span<const Tensor* const>, const Tensor&, const Tensor& gradient,
                            std::span<Tensor* const> input_gradients) {
    if (input_gradients[0]) add_gradient(gradient, gradient, *input_gradients[0], [](float, float g) { return g; });
}

}  // namespace bitline::training
