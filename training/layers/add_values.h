#pragma once

#include "training/layer.h"

namespace bitline::training {

/// The sum of two values; each takes the whole gradient.
class AddValuesLayer : public Layer {
 public:
    using Layer::Layer;

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return AddValues{}; }
};

}  // namespace bitline::training
