#pragma once

#include "training/layer.h"

namespace bitline::training {

/// x op constant; the constant is not learned.
class ArithmeticLayer : public Layer {
 public:
    /// Throws ConfigError for powers, which have no gradient here.
    ArithmeticLayer(std::string name, int number, const Arithmetic& op);

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Arithmetic op_;
};

}  // namespace bitline::training
