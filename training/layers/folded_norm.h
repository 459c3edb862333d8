#pragma once

#include <span>
#include <string>
#include <vector>

#include "training/layers/batch_norm.h"

namespace bitline::training {

/// The numbers of a layer with weights.
struct WeightsAndBias {
    std::span<const float> weights;  // (channels x weights per channel)
    std::span<const float> bias;     // (channels); empty: none
};

/// Batch normalization that a layer with weights w and bias b carries in itself while it trains (Jacob et al.,
/// "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018, section
/// 3.2), by its running statistics in every pass (long-term statistics: Krishnamoorthi, arXiv:1806.08342, 2018, section
/// 3.2.2):
///   w' = w a, b' = beta + (b - mean) a, a = gamma / sqrt(variance + epsilon) for each channel
/// Gradients reach w, b, gamma and beta; mean and variance count as constants.
///
/// Different from the papers, which run a second, float product to see the batch: its mean and variance are those of
/// the layer's own outputs y, taken back through the fold, mean(y - b') / a + b and variance(y) / a^2. Quantized
/// weights that clip, or cells that err, carry another factor than a; where that is less than a half or more than twice
/// a, the bound takes a's place, so that statistics cannot run away from a fold that follows them. A channel whose
/// weights or outputs say nothing (all weights 0; outputs that differ in the last bits of their bias only) keeps its
/// statistics.
class FoldedNorm {
 public:
    FoldedNorm(std::string name, const BatchNorm& op, bool affine);

    const std::string& name() const { return name_; }
    size_t channels() const { return numbers_.gamma.value.size(); }

    /// w' and b'.
    void fold(const WeightsAndBias& raw, std::vector<float>& weights, std::vector<float>& bias);

    /// After `fold`, from the gradients by w' and b': overwrites those by w and b (empty: none), gamma and beta.
    void backward(const WeightsAndBias& raw, const WeightsAndBias& by_folded, std::span<float> by_weights,
                  std::span<float> by_bias);

    /// After `fold`: running statistics move towards those of the outputs y, which are products with `used.weights`
    /// plus `used.bias`. Throws ConfigError where a batch holds one number per channel.
    void follow_batch(const WeightsAndBias& raw, const WeightsAndBias& used, const Tensor& y);

    std::vector<Parameter*> parameters() { return numbers_.parameters(); }
    std::vector<State*> states() { return numbers_.states(); }
    /// Not folded.
    Operator trained() const { return numbers_.trained(); }

 private:
    std::string name_;
    NormNumbers numbers_;
    std::vector<float> deviation_inverse_, a_;  // of the last fold, per channel
};

}  // namespace bitline::training
