// Straight-through n-bit quantization: round in the forward pass, let the gradient through as if nothing had been
// rounded.
//   w_q = s_c clip(round(w / s_c), -(2^(n-1) - 1), 2^(n-1) - 1), one step s_c per output channel
//   x_q = s clip(round(x / s), low, high), unsigned where no input is negative, else symmetric as the weights
//   dC/dx = dC/dx_q where x lies between the smallest and the largest x_q, else 0; dC/dw = dC/dw_q everywhere
// Hubara, Courbariaux, Soudry, El-Yaniv, Bengio: "Quantized neural networks: training neural networks with low
// precision weights and activations", JMLR 18 (2018) 1-30, section 3 (LinearQuant) and algorithm 1.
//
// Different from the survey's equations 1, 3 and 7: the step comes first (equation 3 rounds w itself and clips at
// -2^(n-1), which leaves weights below 1 nothing but 0), and is fitted, where the paper fixes the range to [-1, 1]: the
// share of the largest magnitude with the least squared error. A weight outside of that range keeps its gradient, as
// the range follows the weights and not the weights the range; the paper clips weights to [-1, 1] instead.
// Ranges of inputs: first batch, then a moving average with factor 0.95.

#include "training/methods/fitted_weights.h"

namespace bitline::training {

namespace {

struct UniformGrid {
    explicit UniformGrid(int width) : bits(width), code(narrow_quantizer(width, {1.0F})) {}
    Quantizer quantizer(size_t channels) const { return narrow_quantizer(bits, std::vector<float>(channels)); }
    float top() const { return code.high(); }
    float operator()(float scaled) const { return code.on_grid(scaled); }

    int bits;
    CodeOf code;
};

class UniformInputs : public InputQuantizer {
 public:
    explicit UniformInputs(const LayerRole& role) : role_(role) {
        top_.name = "range";
        top_.value = {1.0F};
    }

    void observe(std::span<const float> x, bool first) override {
        constexpr float kKept = 0.95F;
        const auto seen = spread_sample(x, first ? kFirstSample : kLaterSample, sample_);
        const float largest = largest_magnitude(seen);
        if (largest == 0) return;  // nothing to fit a range to
        const CodeOf code(quantizer());
        const float top = largest * least_squares_share(seen, largest, code.high(),
                                                        [&](float scaled) { return code.on_grid(scaled); });
        top_.value[0] = first ? top : kKept * top_.value[0] + (1 - kKept) * top;
    }

    std::vector<Operator> planes() const override { return {quantize_node(quantizer())}; }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        quantize_to_grid(quantizer(), x, quantized);
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double>) const override {
        const Quantizer to = quantizer();
        const CodeOf code(to);
        pass_inside(x, code.low() * to.scale[0], code.high() * to.scale[0], gradient, x_gradient);
    }

    std::vector<State*> states() override { return {&top_}; }

 private:
    Quantizer quantizer() const {
        Quantizer to = input_quantizer(role_, 1.0F);
        to.scale[0] = usable_scale(double(top_.value[0]) / double(to.code_max()));
        return to;
    }

    LayerRole role_;
    State top_;  // what the largest code stands for
    std::vector<float> sample_;
};

class StraightThrough : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("ste", role);
        return std::make_unique<FittedWeights<UniformGrid>>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("ste", role);
        return straight_through_inputs(role);
    }
};

}  // namespace

std::unique_ptr<InputQuantizer> straight_through_inputs(const LayerRole& role) {
    return std::make_unique<UniformInputs>(role);
}

std::unique_ptr<Method> make_ste(const MethodOptions&) { return std::make_unique<StraightThrough>(); }

}  // namespace bitline::training
