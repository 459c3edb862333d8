#pragma once

#include "training/layer.h"

namespace bitline::training {

/// The same numbers under another shape.
class ReshapeLayer : public Layer {
 public:
    using Layer::Layer;

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return Reshape{}; }
};

}  // namespace bitline::training
