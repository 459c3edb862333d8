// Learned step size quantization: the step of weights and of inputs is a parameter like any other. With v a weight or
// an input and s its layer's step:
//   v_q = s round(clip(v / s, -Q_N, Q_P));  signed: Q_N = 2^(b-1), Q_P = 2^(b-1) - 1;  unsigned: Q_N = 0, Q_P = 2^b - 1
//   dv_q/ds = round(v / s) - v / s where -Q_N < v / s < Q_P, else -Q_N or Q_P;  dC/ds times g = 1 / sqrt(N Q_P), N the
//     number of weights, or of inputs of one sample
//   dv_q/dv = 1 where -Q_N < v / s < Q_P, else 0
//   s starts at 2 mean |v| / sqrt(Q_P), of the first weights and of the first batch
// Esser, McKinstry, Bablani, Appuswamy, Modha: "Learned step size quantization", ICLR 2020, equations 1 to 5 and
// section 2.2.
//
// The survey prints no equation. Inputs are unsigned where they cannot be negative (the paper: all but those of the
// first layer), else signed. Steps do not decay: the paper's decay is that of weights.

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

Quantizer signed_quantizer(int bits) {
    Quantizer to = narrow_quantizer(bits, {1.0F});
    to.narrow = false;
    return to;
}

Parameter step_parameter() {
    Parameter step;
    step.name = "step";
    step.value = {1};
    step.gradient = {0};
    step.decay = 0;
    step.low = 1e-6F;  // a step of the optimizer must not turn the codes around
    return step;
}

Quantizer at_step(Quantizer to, const Parameter& step) {
    to.scale[0] = usable_scale(step.value[0]);
    return to;
}

/// 2 mean |v| / sqrt(Q_P); 1 where all are 0.
float first_step(const Parameter& step, std::span<const float> v, float top) {
    const double mean = mean_magnitude(v);
    if (!(mean > 0)) return 1;
    return std::max(step.low, usable_scale(2 * mean / std::sqrt(double(top))));
}

/// x_gradient, and sum of gradient * dv_q/ds, in one pass: every number is divided once.
double learned_backward(const Quantizer& to, std::span<const float> v, std::span<const float> gradient,
                        std::span<float> v_gradient) {
    const CodeOf code(to);
    const float step = to.scale[0], low = code.low(), high = code.high();
    const float* const numbers = v.data();
    const float* const arriving = gradient.data();
    float* const __restrict passing = v_gradient.data();
    return lane_sum(v.size(), [=](size_t i) {
        const float scaled = numbers[i] / step, clipped = finite_clip(scaled, low, high);
        const float rounded = round_half_even(clipped);
        const bool inside = (scaled > low) & (scaled < high);
        passing[i] = inside ? arriving[i] : 0.0F;
        return arriving[i] * (inside ? rounded - scaled : rounded);
    });
}

class LearnedWeights : public WeightQuantizer {
 public:
    explicit LearnedWeights(const LayerRole& role)
        : channels_(role.channels), to_(signed_quantizer(role.bits)), step_(step_parameter()) {}

    void start(std::span<const float> weights) override {
        step_.value[0] = first_step(step_, weights, static_cast<float>(to_.code_max()));
    }

    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        QuantizedWeights::Plane& plane = quantized.planes[0];
        plane.quantizer = at_step(to_, step_);
        const CodeOf code(plane.quantizer);
        const float step = plane.quantizer.scale[0];
        for_each_channel(weights, channels_, [&](size_t, std::span<const float> w, size_t first) {
            int32_t* codes = plane.codes.data() + first;
            for (size_t i = 0; i < w.size(); ++i) codes[i] = code(w[i] / step);
        });
    }

    void backward(std::span<const float> weights, const QuantizedWeights& quantized, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        by_channel_.resize(static_cast<size_t>(channels_));
        const Quantizer& to = quantized.planes[0].quantizer;
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            by_channel_[channel] =
                learned_backward(to, w, gradient.subspan(first, w.size()), weight_gradient.subspan(first, w.size()));
        });
        double sum = 0;
        for (const double of_channel : by_channel_) sum += of_channel;
        step_.gradient[0] =
            static_cast<float>(sum / std::sqrt(static_cast<double>(weights.size()) * double(to_.code_max())));
    }

    std::vector<Parameter*> parameters() override { return {&step_}; }

 private:
    int64_t channels_;
    Quantizer to_;
    Parameter step_;
    std::vector<double> by_channel_;
};

class LearnedInputs : public InputQuantizer {
 public:
    explicit LearnedInputs(const LayerRole& role)
        : to_(role.negative ? signed_quantizer(role.bits) : unsigned_quantizer(role.bits, 1)),
          gradient_scale_(1 / std::sqrt(static_cast<double>(role.features) * double(to_.code_max()))),
          step_(step_parameter()) {}

    void observe(std::span<const float> x, bool first) override {
        if (first) step_.value[0] = first_step(step_, spread_sample(x, kFirstSample, sample_), float(to_.code_max()));
    }

    std::vector<Operator> planes() const override { return {quantize_node(at_step(to_, step_))}; }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        quantize_to_grid(at_step(to_, step_), x, quantized);
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double> parameter_gradients) const override {
        parameter_gradients[0] += gradient_scale_ * learned_backward(at_step(to_, step_), x, gradient, x_gradient);
    }

    std::vector<Parameter*> parameters() override { return {&step_}; }

 private:
    Quantizer to_;
    double gradient_scale_;
    Parameter step_;
    std::vector<float> sample_;
};

class LearnedSteps : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("lsq", role);
        return std::make_unique<LearnedWeights>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("lsq", role);
        return std::make_unique<LearnedInputs>(role);
    }
};

}  // namespace

std::unique_ptr<Method> make_lsq(const MethodOptions&) { return std::make_unique<LearnedSteps>(); }

}  // namespace bitline::training
