#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Gradients: relu 1 for x > 0; clip 1 for low < x < high (hard tanh, ReLU6); sign the straight-through estimator 1 for
/// |x| <= 1 (Hubara et al., "Binarized neural networks", NIPS 2016, equation 4); sigmoid and tanh their own.
class ActivationLayer : public Layer {
 public:
    ActivationLayer(std::string name, int number, const Activation& op) : Layer(std::move(name), number), op_(op) {}

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Activation op_;
};

}  // namespace bitline::training
