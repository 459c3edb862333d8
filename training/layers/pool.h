#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Max and average pooling. Of equal largest numbers the first in row-major order takes the whole gradient.
class PoolLayer : public Layer {
 public:
    PoolLayer(std::string name, int number, const Pool& op, const Shape& input, const Shape& output);

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return op_; }

 private:
    Pool op_;
    Shape in_, out_;
    std::vector<float> divisor_;   // average: of each output position
    std::vector<int32_t> winner_;  // max: (samples x outputs), position in the input's plane, -1 where all is padding
};

}  // namespace bitline::training
