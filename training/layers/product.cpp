#include "training/layers/product.h"

#include <algorithm>
#include <cmath>

namespace bitline::training {

namespace {

ConvolutionShape shape_of(const MatVec& op, const Shape& input) {
    ConvolutionShape shape = fully_connected(op.in_channels, op.out_channels);
    if (!op.is_convolution) return shape;
    shape.in_h = input[1];
    shape.in_w = input[2];
    shape.groups = op.groups;
    shape.window = op.window;
    return shape;
}

/// Adds bias[c] to every number of channel c.
void add_per_channel(std::span<const float> bias, Tensor& y) {
    const auto channels = static_cast<int64_t>(bias.size()), positions = y.elements() / channels;
    for_chunks(y.samples, [&](int64_t, int64_t first, int64_t count) {
        float* out = y.sample(first);
        for (int64_t i = 0; i < count * channels; ++i, out += positions) {
            const float b = bias[static_cast<size_t>(i % channels)];
            for (int64_t p = 0; p < positions; ++p) out[p] += b;
        }
    });
}

}  // namespace

void dequantize(const QuantizedWeights& quantized, int64_t channels, std::vector<float>& weights) {
    weights.assign(quantized.planes.at(0).codes.size(), 0.0F);
    const auto each = static_cast<int64_t>(weights.size()) / channels;
    for (const QuantizedWeights::Plane& plane : quantized.planes) {
        for (int64_t c = 0; c < channels; ++c) {
            const auto slice = plane.quantizer.per_tensor() ? 0 : static_cast<size_t>(c);
            const float scale = plane.quantizer.scale[slice];
            const int32_t zero = plane.quantizer.zero_point[slice];
            const int32_t* codes = plane.codes.data() + c * each;
            float* w = weights.data() + c * each;
            for (int64_t i = 0; i < each; ++i) w[i] += static_cast<float>(codes[i] - zero) * scale;
        }
    }
}

Product::Product(const std::string& name, int number, const MatVec& op, const Shape& input, const Method* method,
                 const LayerRole& role, FoldedNorm* norm)
    : Layer(name, number), op_(op), shape_(shape_of(op, input)), method_(method), role_(role), norm_(norm) {
    weight_.name = "weight";
    weight_.value = std::move(op_.real_weights);
    weight_.gradient.resize(weight_.value.size());
    bias_.name = "bias";
    bias_.decay = 0;
    bias_.value = std::move(op_.real_bias);
    bias_.gradient.resize(bias_.value.size());
    op_.real_weights.clear();
    op_.real_bias.clear();
    if (!method) return;
    quantizer_ = method->weights(role);
    if (norm_) norm_->fold(raw(), folded_weight_, folded_bias_);
    quantizer_->start(to_quantize());
    weight_.low = -quantizer_->weight_limit();
    weight_.high = quantizer_->weight_limit();
    weight_gradient_.resize(weight_.value.size());
}

void Product::prepare(const Pass& pass) {
    offsets.clear();
    pass_through.clear();
    if (!quantizer_) {
        weights = weight_.value;
        return;
    }
    if (norm_) norm_->fold(raw(), folded_weight_, folded_bias_);
    quantizer_->quantize(to_quantize(), pass.training && !pass.freeze_batch_norm, quantized_);
    dequantize(quantized_, op_.out_channels, weights);
}

void Product::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    convolve(shape_, output.samples, inputs[0]->values.data(), weights.data(), output.values.data());
    if (!bias().empty()) add_per_channel(bias(), output);
    if (!offsets.empty()) add_per_channel(offsets, output);
}

/// The gradient by the product itself: what converters let through, in the bits that the method gives gradients.
const Tensor& Product::arriving(const Pass& pass, const Tensor& gradient) {
    const bool changes = !pass_through.empty() || (method_ && method_->quantizes_gradients());
    if (!changes) return gradient;
    arriving_.resize(gradient.shape, gradient.samples);
    for_chunks(gradient.samples, [&](int64_t, int64_t first, int64_t count) {
        const auto begin = first * gradient.elements(), size = count * gradient.elements();
        const float* in = gradient.values.data() + begin;
        float* out = arriving_.values.data() + begin;
        if (pass_through.empty()) {
            std::copy_n(in, size, out);
            return;
        }
        const float* factor = pass_through.data() + begin;
        for (int64_t i = 0; i < size; ++i) out[i] = in[i] * factor[i];
    });
    if (method_ && method_->quantizes_gradients()) method_->quantize_gradient(pass, number(), arriving_);
    return arriving_;
}

void Product::backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor&, const Tensor& gradient,
                       std::span<Tensor* const> input_gradients) {
    const Tensor& g = arriving(pass, gradient);
    std::vector<float>& by_quantized = quantizer_ ? weight_gradient_ : weight_.gradient;
    convolve_weight_gradient(shape_, g.samples, inputs[0]->values.data(), g.values.data(), by_quantized.data());
    if (input_gradients[0])
        convolve_input_gradient(shape_, g.samples, g.values.data(), weights.data(), input_gradients[0]->values.data());
    if (!bias().empty()) find_bias_gradient(gradient, norm_ ? by_folded_bias_ : bias_.gradient);
    if (!quantizer_) return;
    std::vector<float>& by_weights = norm_ ? by_folded_weight_ : weight_.gradient;
    by_weights.resize(weight_.value.size());
    quantizer_->backward(to_quantize(), quantized_, weight_gradient_, by_weights);
    if (norm_) norm_->backward(raw(), {by_folded_weight_, by_folded_bias_}, weight_.gradient, bias_.gradient);
}

void Product::find_bias_gradient(const Tensor& gradient, std::vector<float>& by_bias) {
    const int64_t channels = op_.out_channels, positions = gradient.elements() / channels;
    by_bias.resize(static_cast<size_t>(channels));
    bias_parts_.assign(static_cast<size_t>(chunks(gradient.samples) * channels), 0.0F);
    for_chunks(gradient.samples, [&](int64_t chunk, int64_t first, int64_t count) {
        float* part = bias_parts_.data() + chunk * channels;
        const float* in = gradient.sample(first);
        for (int64_t i = 0; i < count * channels; ++i, in += positions) {
            float sum = 0;
            for (int64_t p = 0; p < positions; ++p) sum += in[p];
            part[i % channels] += sum;
        }
    });
    add_parts(bias_parts_, chunks(gradient.samples), by_bias);
}

void Product::follow_batch(const Pass& pass, const Tensor& output) {
    if (!norm_ || !pass.training || pass.freeze_batch_norm) return;
    norm_->follow_batch(raw(), {weights, folded_bias_}, output);
}

std::vector<Parameter*> Product::parameters() {
    std::vector<Parameter*> all{&weight_};
    if (!bias_.value.empty()) all.push_back(&bias_);
    if (!quantizer_) return all;
    for (Parameter* p : quantizer_->parameters()) all.push_back(p);
    return all;
}

std::vector<State*> Product::states() { return quantizer_ ? quantizer_->states() : std::vector<State*>(); }

Operator Product::trained() const {
    MatVec op = op_;
    op.real_weights = weight_.value;
    op.real_bias = bias_.value;
    return op;
}

}  // namespace bitline::training
