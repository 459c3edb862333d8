#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Axes in another order.
class PermuteLayer : public Layer {
 public:
    PermuteLayer(std::string name, int number, const Permute& op, const Shape& input);

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Permute op_;
    std::vector<int64_t> source_;  // where each output element lies in the input
};

}  // namespace bitline::training
