#pragma once

#include "core/axes.h"
#include "training/layer.h"

namespace bitline::training {

/// y = exp(x) / sum exp(x); dx = y (g - sum g y).
class SoftmaxLayer : public Layer {
 public:
    SoftmaxLayer(std::string name, int number, const Softmax& op, const Shape& input)
        : Layer(std::move(name), number), op_(op), lines_(softmax_lines(op, input)) {}

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Softmax op_;
    Lines lines_;
};

}  // namespace bitline::training
