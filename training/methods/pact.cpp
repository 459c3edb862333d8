// PACT: inputs with a clipping level that is learned.
//   y = clip(x, 0, a);  x_q = round(y (2^k - 1) / a) a / (2^k - 1)
//   dC/dx = dC/dx_q where 0 <= x < a, else 0;  dC/da = sum of dC/dx_q over x >= a;  a decays as the weights do (L2)
//   weights as in `dorefa`
// Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan: "PACT: parameterized clipping activation for quantized
// neural networks", arXiv:1805.06085, 2018, equations 1 to 3 and section 3.
//
// Different from the survey: equation 13 leaves out the decay of a and the gradient by x. Different from the paper: a
// starts at the largest input of the first batch, where the paper sets it by hand to a large number; both let the
// decay bring it down. Inputs that can be negative, which the paper has none of, are clipped to [-a, a] and take
// symmetric signed codes; dC/da then has -dC/dx_q where x <= -a.

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

class ClippedInputs : public InputQuantizer {
 public:
    explicit ClippedInputs(const LayerRole& role) : role_(role) {
        alpha_.name = "alpha";
        alpha_.value = {1};
        alpha_.gradient = {0};
        alpha_.low = 1e-3F;  // a step of the optimizer must not take the range away
    }

    void observe(std::span<const float> x, bool first) override {
        if (!first) return;
        const float largest = largest_magnitude(x);
        if (largest > 0) alpha_.value[0] = std::clamp(largest, alpha_.low, kLargestScale);
    }

    std::vector<Operator> planes() const override { return {quantize_node(quantizer())}; }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        quantize_to_grid(quantizer(), x, quantized);
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double> parameter_gradients) const override {
        const float alpha = alpha_.value[0];
        const bool both = role_.negative;
        for (size_t i = 0; i < x.size(); ++i) {
            const bool above_low = both ? x[i] > -alpha : x[i] >= 0;
            x_gradient[i] = (above_low & (x[i] < alpha)) ? gradient[i] : 0.0F;
        }
        parameter_gradients[0] += lane_sum(x.size(), [&](size_t i) { return x[i] >= alpha ? gradient[i] : 0.0F; });
        if (!both) return;
        parameter_gradients[0] -= lane_sum(x.size(), [&](size_t i) { return x[i] <= -alpha ? gradient[i] : 0.0F; });
    }

    std::vector<Parameter*> parameters() override { return {&alpha_}; }

 private:
    Quantizer quantizer() const {
        Quantizer to = input_quantizer(role_, 1.0F);
        to.scale[0] = usable_scale(double(alpha_.value[0]) / double(to.code_max()));
        return to;
    }

    LayerRole role_;
    Parameter alpha_;
};

class Pact : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("pact", role);
        return dorefa_weights(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("pact", role);
        return std::make_unique<ClippedInputs>(role);
    }
};

}  // namespace

std::unique_ptr<Method> make_pact(const MethodOptions&) { return std::make_unique<Pact>(); }

}  // namespace bitline::training
