#pragma once

#include "training/layer.h"

namespace bitline::training {

/// What a batch norm learns, and its running statistics.
struct NormNumbers {
    /// `learned`: gamma and beta are; else they stay as they are.
    NormNumbers(const BatchNorm& op, bool learned);

    std::vector<Parameter*> parameters();
    std::vector<State*> states() { return {&mean, &variance}; }
    BatchNorm trained() const { return {gamma.value, beta.value, mean.value, variance.value, epsilon}; }

    float epsilon;
    bool affine;
    Parameter gamma, beta;
    State mean, variance;
};

/// Batch normalization (Ioffe and Szegedy, ICML 2015). While training y = x * a + b with a = gamma / sqrt(variance +
/// epsilon), b = beta - mean * a from the batch's own mean and (biased) variance; frozen or not training from the
/// running ones, in the operator's own float32 arithmetic. Running statistics move by momentum 0.1 towards each batch,
/// whose variance is then the unbiased one (PyTorch's convention).
class BatchNormLayer : public Layer {
 public:
    BatchNormLayer(std::string name, int number, const BatchNorm& op, bool affine);

    /// Throws ConfigError where a batch holds one number per channel, which has no variance.
    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    std::vector<Parameter*> parameters() override { return numbers_.parameters(); }
    std::vector<State*> states() override { return numbers_.states(); }
    Operator trained() const override { return numbers_.trained(); }

 private:
    struct GradientSums {
        double gradient = 0, centred = 0;  // sum g, sum g (x - mean)
    };

    std::vector<GradientSums> gradient_sums(const Tensor& x, const Tensor& gradient);
    int64_t plane(const Tensor& x) const { return x.elements() / channels_; }

    int64_t channels_;
    NormNumbers numbers_;
    // Of the last forward pass, per channel.
    std::vector<float> used_mean_, deviation_inverse_, a_, b_;
    std::vector<GradientSums> sums_;  // chunks x channels
};

}  // namespace bitline::training
