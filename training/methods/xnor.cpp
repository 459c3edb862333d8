// XNOR-Net: binary weights with a scale for each output channel, binary inputs.
//   w_b = alpha_c sign(w), alpha_c = mean |w| over the channel's n weights: the least squares scale
//   dC/dw_i = dC/dw_b,i (1/n + alpha_c [|w_i| <= 1])
//   inputs as in `bnn`
// Rastegari, Ordonez, Redmon, Farhadi: "XNOR-Net: ImageNet classification using binary convolutional neural networks",
// ECCV 2016, equations 5 and 6, and section 3.1 on training.
//
// Different from the paper: its scales K of the inputs, one real number for each position of a kernel, are left out; a
// crossbar's columns have no room for a factor that changes with the position, and the paper's own ablation finds most
// of the gain in alpha. The survey prints no equation of its own; its equation 9 takes one mean for the whole layer.

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

class ScaledSigns : public WeightQuantizer {
 public:
    explicit ScaledSigns(const LayerRole& role) : channels_(role.channels) {}

    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        QuantizedWeights::Plane& plane = quantized.planes[0];
        plane.quantizer = bipolar_quantizer(std::vector<float>(static_cast<size_t>(channels_)));
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            plane.quantizer.scale[channel] = usable_scale(mean_magnitude(w));
            for (size_t i = 0; i < w.size(); ++i) plane.codes[first + i] = w[i] < 0 ? -1 : 1;
        });
    }

    void backward(std::span<const float> weights, const QuantizedWeights& quantized, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        const std::vector<float>& scale = quantized.planes[0].quantizer.scale;
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            const float direct = 1.0F / static_cast<float>(w.size());
            for (size_t i = 0; i < w.size(); ++i) {
                const float factor = direct + (std::abs(w[i]) <= 1 ? scale[channel] : 0.0F);
                weight_gradient[first + i] = gradient[first + i] * factor;
            }
        });
    }

    float weight_limit() const override { return 1; }

 private:
    int64_t channels_;
};

class XnorNet : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("xnor", role);
        return std::make_unique<ScaledSigns>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("xnor", role);
        return sign_inputs();
    }
    const Activation* activation() const override { return hard_tanh(); }
};

}  // namespace

std::unique_ptr<Method> make_xnor(const MethodOptions&) { return std::make_unique<XnorNet>(); }

}  // namespace bitline::training
