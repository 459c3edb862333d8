// DoReFa-Net: weights, inputs and gradients of low precision.
//
// With Q_k(r) = round((2^k - 1) r) / (2^k - 1) and n = 2^k - 1:
//
//   w_q = 2 Q_k( tanh(w) / (2 max |tanh w|) + 1/2 ) - 1, the largest over the layer; k = 1: sign(w) mean |w|
//   x_q = Q_k( clip(x, 0, 1) )
//   g_q = 2 max |g| [ Q_k( g / (2 max |g|) + 1/2 + N ) - 1/2 ], N uniform in +-1/(2 n), the largest over the sample
//
//   dC/dw = dC/dw_q (1 - tanh(w)^2) / max |tanh w|, the largest taken as a constant; k = 1: dC/dw_q
//   dC/dx = dC/dx_q where 0 <= x <= 1, else 0
//
// Zhou, Wu, Ni, Zhou, Wen, Zou: "DoReFa-Net: training low bitwidth convolutional neural networks with low bitwidth
// gradients", arXiv:1606.06160, 2016, equations 5, 7, 9, 11 and 12.
//
// Different from the survey: in its equation 8 the 1/2 stands in the denominator, and the noise N is missing; in its
// equation 9 the one-bit input is a sign, in the paper round(clip(x, 0, 1)), 0 or 1.
//
// The codes of w_q are odd, n w_q = -n, -n + 2, ..., n: signed, k + 1 bits, zero point 0. Inputs that can be negative,
// which the paper has none of, are clipped to [-1, 1] and take symmetric signed codes (1 bit: -1 and +1, as in `bnn`).

#include <fmt/format.h>

#include "core/error.h"
#include "core/fixed_exp.h"
#include "core/random.h"
#include "training/methods/parts.h"

namespace bitline::training {

namespace {

float steps_of(int bits) { return static_cast<float>((1 << bits) - 1); }

/// tanh x = (1 - e) / (1 + e) with e = exp(-2|x|); its series to x^3 below 2^-10, where the difference cancels.
float fixed_tanh(float x) {
    constexpr double kSeries = 0x1p-10, kFlat = 20;  // tanh 20 = 1 - 2^-57
    const double magnitude = std::abs(static_cast<double>(x));
    const double e = fixed_exp_within(-2 * (magnitude < kFlat ? magnitude : kFlat));
    const double series = magnitude - magnitude * magnitude * magnitude / 3;
    const double tanh = magnitude < kSeries ? series : (1 - e) / (1 + e);
    return static_cast<float>(x < 0 ? -tanh : tanh);
}

/// max |tanh w|, never 0.
float largest_tanh(std::span<const float> weights) {
    return std::max(fixed_tanh(largest_magnitude(weights)), std::numeric_limits<float>::min());
}

class TanhWeights : public WeightQuantizer {
 public:
    explicit TanhWeights(const LayerRole& role) : bits_(role.bits), channels_(role.channels) {}

    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        QuantizedWeights::Plane& plane = quantized.planes[0];
        const float n = steps_of(bits_), half = 0.5F / largest_tanh(weights);
        plane.quantizer = narrow_quantizer(bits_ + 1, {1 / n});
        for_each_channel(weights, channels_, [&](size_t, std::span<const float> w, size_t first) {
            int32_t* codes = plane.codes.data() + first;
            for (size_t i = 0; i < w.size(); ++i) {
                const float share = fixed_tanh(w[i]) * half + 0.5F;  // of the way from the lowest code to the highest
                codes[i] = static_cast<int32_t>(2 * round_half_even(finite_clip(share * n, 0, n)) - n);
            }
        });
    }

    void backward(std::span<const float> weights, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        const float inverse = 1 / largest_tanh(weights);
        for_each_channel(weights, channels_, [&](size_t, std::span<const float> w, size_t first) {
            for (size_t i = 0; i < w.size(); ++i) {
                const float tanh = fixed_tanh(w[i]);
                weight_gradient[first + i] = gradient[first + i] * (1 - tanh * tanh) * inverse;
            }
        });
    }

 private:
    int bits_;
    int64_t channels_;
};

class LayerScaledSigns : public WeightQuantizer {
 public:
    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        quantized.planes[0].quantizer = bipolar_quantizer({usable_scale(mean_magnitude(weights))});
        std::transform(weights.begin(), weights.end(), quantized.planes[0].codes.begin(),
                       [](float w) { return w < 0 ? -1 : 1; });
    }

    void backward(std::span<const float>, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        std::copy(gradient.begin(), gradient.end(), weight_gradient.begin());
    }
};

/// Codes over [0, 1], or over [-1, 1].
class UnitInputs : public InputQuantizer {
 public:
    explicit UnitInputs(const LayerRole& role) : to_(input_quantizer(role, 1)) {
        to_.scale[0] = 1 / static_cast<float>(to_.code_max());
    }

    std::vector<Operator> planes() const override { return {quantize_node(to_)}; }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        quantize_to_grid(to_, x, quantized);
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double>) const override {
        pass_inside(x, to_.is_signed ? -1.0F : 0.0F, 1, gradient, x_gradient);
    }

 private:
    Quantizer to_;
};

/// One sample, in place. Infinite or undefined gradients stay undefined, so that the trainer sees them.
void quantize_sample(std::span<float> gradient, float n, StreamKey key, uint32_t sample, uint32_t layer) {
    float largest = 0;
    for (const float g : gradient) largest = std::abs(g) > largest ? std::abs(g) : largest;
    if (largest == 0) return;
    const float half = 0.5F / largest;
    for (size_t first = 0; first < gradient.size(); first += 4) {
        const Counter random = philox({static_cast<uint32_t>(first / 4), sample, layer, 0}, key);
        for (size_t l = 0; l < std::min<size_t>(4, gradient.size() - first); ++l) {
            float& g = gradient[first + l];
            const auto noise = static_cast<float>(uniform(random[l]) - 0.5);
            const float share = (g * half + 0.5F) * n + noise;
            const float raised = share < 0 ? 0.0F : share;
            g = 2 * largest * (round_half_even(raised > n ? n : raised) / n - 0.5F);
        }
    }
}

class DoReFa : public Method {
 public:
    explicit DoReFa(int gradient_bits) : gradient_bits_(gradient_bits) {}

    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("dorefa", role);
        return dorefa_weights(role);
    }

    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("dorefa", role);
        if (role.negative && role.bits == 1) return sign_inputs();
        return std::make_unique<UnitInputs>(role);
    }

    bool quantizes_gradients() const override { return gradient_bits_ != kNotQuantized; }

    void quantize_gradient(const Pass& pass, uint32_t layer, Tensor& gradient) const override {
        const StreamKey key = stream_key(pass.seed, pass.step, Purpose::gradient_rounding);
        for_chunks(gradient.samples, [&](int64_t, int64_t first, int64_t count) {
            for (int64_t s = first; s < first + count; ++s) {
                quantize_sample({gradient.sample(s), static_cast<size_t>(gradient.elements())},
                                steps_of(gradient_bits_), key, static_cast<uint32_t>(s), layer);
            }
        });
    }

    static constexpr int kNotQuantized = 32, kMostGradientBits = 8;

 private:
    int gradient_bits_;
};

}  // namespace

std::unique_ptr<WeightQuantizer> dorefa_weights(const LayerRole& role) {
    if (role.bits == 1) return std::make_unique<LayerScaledSigns>();
    return std::make_unique<TanhWeights>(role);
}

std::unique_ptr<Method> make_dorefa(const MethodOptions& options) {
    const int bits = options.gradient_bits;
    if (bits != DoReFa::kNotQuantized && (bits < 1 || bits > DoReFa::kMostGradientBits)) {
        throw ConfigError(
            fmt::format("gradient bits = {} violates 1 <= gradient bits <= {}, or {} for gradients that "
                        "are not quantized",
                        bits, DoReFa::kMostGradientBits, DoReFa::kNotQuantized));
    }
    return std::make_unique<DoReFa>(bits);
}

}  // namespace bitline::training
