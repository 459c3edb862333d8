#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Srivastava et al., "Dropout", JMLR 15, 2014, with the scaling done while training: y = x / (1 - share) where the
/// number drawn for (seed, step, layer, index within the batch) is at least the share, else 0; y = x when not training.
class DropoutLayer : public Layer {
 public:
    /// Throws ConfigError unless 0 <= share < 1.
    DropoutLayer(std::string name, int number, float share);

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    Operator trained() const override { return Reshape{}; }

 private:
    void draw(const Pass& pass, int64_t first, int64_t count);

    float share_;
    std::vector<float> factor_;  // of each number of the last forward pass: 0 or 1 / (1 - share)
};

}  // namespace bitline::training
