// Ternary weight networks: weights -1, 0 and +1 with a scale for each output channel.
//   t_i = sign(w_i) where |w_i| > D, else 0;  D = 0.7 mean |w|;  alpha = mean |w_i| over |w_i| > D;  w_q = alpha t
//   dC/dw = dC/dw_q
// Li, Zhang, Liu: "Ternary weight networks", NIPS workshop on efficient methods for deep neural networks, 2016
// (arXiv:1605.04711), equations 3 to 6.
//
// D is the paper's rule of thumb for the threshold that minimises |w - alpha t|^2: exact for weights spread evenly
// (2/3 mean |w|) and normally (0.75) lie on either side. Different from the paper: threshold and scale for each output
// channel, not one for the layer, since each column of a crossbar has a scale of its own anyway; inputs are n-bit codes
// as in `ste`. The survey prints no equation.

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

constexpr float kThreshold = 0.7F;

class TernaryWeights : public WeightQuantizer {
 public:
    explicit TernaryWeights(const LayerRole& role) : channels_(role.channels) {}

    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        QuantizedWeights::Plane& plane = quantized.planes[0];
        plane.quantizer = narrow_quantizer(2, std::vector<float>(static_cast<size_t>(channels_)));
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            const float threshold = kThreshold * static_cast<float>(mean_magnitude(w));
            const double kept = lane_sum(w, [&](float v) { return std::abs(v) > threshold ? 1.0F : 0.0F; });
            const double sum = lane_sum(w, [&](float v) { return std::abs(v) > threshold ? std::abs(v) : 0.0F; });
            plane.quantizer.scale[channel] = usable_scale(sum / kept);
            int32_t* codes = plane.codes.data() + first;
            for (size_t i = 0; i < w.size(); ++i) codes[i] = int32_t(w[i] > threshold) - int32_t(w[i] < -threshold);
        });
    }

    void backward(std::span<const float>, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        std::copy(gradient.begin(), gradient.end(), weight_gradient.begin());
    }

 private:
    int64_t channels_;
};

class TernaryWeightNetwork : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("ternary", role);
        return std::make_unique<TernaryWeights>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("ternary", role);
        return straight_through_inputs(role);
    }
};

}  // namespace

std::unique_ptr<Method> make_ternary(const MethodOptions&) { return std::make_unique<TernaryWeightNetwork>(); }

}  // namespace bitline::training
