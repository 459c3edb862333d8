#pragma once

#include "training/layer.h"

namespace bitline::training {

/// Batch normalization (Ioffe and Szegedy, ICML 2015). While training y = x * a + b with a = gamma / sqrt(variance +
/// epsilon), b = beta - mean * a from the batch's own mean and (biased) variance; frozen or not training from the
/// running ones, in the operator's own float32 arithmetic. Running statistics move by momentum 0.1 towards each batch,
/// whose variance is then the unbiased one (PyTorch's convention).
class BatchNormLayer : public Layer {
 public:
    /// `affine`: gamma and beta are learned; else they stay as they are.
    BatchNormLayer(std::string name, int number, const BatchNorm& op, bool affine);

    /// Throws ConfigError where a batch holds one number per channel, which has no variance.
    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    std::vector<Parameter*> parameters() override;
    std::vector<State*> states() override { return {&mean_, &variance_}; }
    Operator trained() const override;

 private:
    struct GradientSums {
        double gradient = 0, centred = 0;  // sum g, sum g (x - mean)
    };

    std::vector<GradientSums> gradient_sums(const Tensor& x, const Tensor& gradient);
    int64_t plane(const Tensor& x) const { return x.elements() / channels_; }

    int64_t channels_;
    float epsilon_;
    bool affine_;
    Parameter gamma_, beta_;
    State mean_, variance_;  // running
    // Of the last forward pass, per channel.
    std::vector<float> used_mean_, deviation_inverse_, a_, b_;
    std::vector<GradientSums> sums_;  // chunks x channels
};

/// Gamma or beta: no weight decay.
Parameter norm_parameter(const std::string& name, const std::vector<float>& value);

}  // namespace bitline::training
