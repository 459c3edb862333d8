#pragma once

// A convolution or fully connected layer, float or quantized by a method.

#include <memory>

#include "training/layer.h"
#include "training/layers/folded_norm.h"
#include "training/method.h"
#include "training/products/products.h"

namespace bitline::training {

class Product : public Layer {
 public:
    /// `op` has real weights. `method` null: float; else it outlives the layer. `norm`: batch norm of its outputs that
    /// quantized weights and bias take in, likewise; null: none.
    Product(const std::string& name, int number, const MatVec& op, const Shape& input, const Method* method,
            const LayerRole& role, FoldedNorm* norm = nullptr);

    /// Codes of the weights, and the real numbers that they stand for; before the forward pass.
    void prepare(const Pass& pass);

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    /// Running statistics of the folded batch norm, if there is one, follow the outputs, whoever computed them.
    void follow_batch(const Pass& pass, const Tensor& output);
    std::vector<Parameter*> parameters() override;
    std::vector<State*> states() override;
    Operator trained() const override;

    const LayerRole& role() const { return role_; }
    const MatVec& geometry() const { return op_; }  // without the trained numbers
    const QuantizedWeights& quantized() const { return quantized_; }
    bool is_quantized() const { return quantizer_ != nullptr; }
    /// As added to the outputs: with a batch norm folded into it.
    std::span<const float> bias() const { return norm_ ? folded_bias_ : bias_.value; }
    int64_t weight_count() const { return static_cast<int64_t>(weight_.value.size()); }

    // What hardware makes of the product. `prepare` resets all of it.

    /// (out_channels x rows) real weights that forward and backward multiply by.
    std::vector<float> weights;
    /// (out_channels) real numbers added to the outputs; empty: none.
    std::vector<float> offsets;
    /// As the output, factor of the gradient that passes; empty: 1.
    std::vector<float> pass_through;

 private:
    WeightsAndBias raw() const { return {weight_.value, bias_.value}; }
    /// What the quantizer sees.
    std::span<const float> to_quantize() const { return norm_ ? folded_weight_ : weight_.value; }
    void find_bias_gradient(const Tensor& gradient, std::vector<float>& by_bias);
    const Tensor& arriving(const Pass& pass, const Tensor& gradient);

    MatVec op_;
    ConvolutionShape shape_;
    const Method* method_;
    LayerRole role_;
    Parameter weight_, bias_;
    FoldedNorm* norm_;
    std::vector<float> folded_weight_, folded_bias_, by_folded_weight_, by_folded_bias_;
    std::unique_ptr<WeightQuantizer> quantizer_;
    QuantizedWeights quantized_;
    std::vector<float> weight_gradient_, bias_parts_;
    Tensor arriving_;
};

/// The real numbers of quantized weights (channels x weights per channel).
void dequantize(const QuantizedWeights& quantized, int64_t channels, std::vector<float>& weights);

}  // namespace bitline::training
