#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Values one behind the other along an axis; each takes its part of the gradient.
class ConcatLayer : public Layer {
 public:
    ConcatLayer(std::string name, int number, const Concat& op) : Layer(std::move(name), number), op_(op) {}

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Concat op_;
};

}  // namespace bitline::training
