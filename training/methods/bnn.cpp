// Binarized neural networks: weights and inputs of one bit.
//   x_b = +1 where x >= 0, else -1;  dC/dx = dC/dx_b where |x| <= 1, else 0 (hard tanh in place of ReLU)
//   weights as in `binaryconnect`
// Hubara, Courbariaux, Soudry, El-Yaniv, Bengio: "Binarized neural networks", NIPS 2016, equations 1 and 4.
//
// Different from the survey: equation 7 has |a| < 1, the paper |a| <= 1; sign(0) = +1 (equation 2: -1). The zeros that
// a convolution pads with stay zeros, as in the authors' code: a row that is not driven.

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

class SignInputs : public InputQuantizer {
 public:
    std::vector<Operator> planes() const override { return {quantize_node(bipolar_quantizer({1.0F}))}; }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        for (size_t i = 0; i < x.size(); ++i) quantized[i] = x[i] < 0 ? -1.0F : 1.0F;
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double>) const override {
        pass_inside(x, -1, 1, gradient, x_gradient);
    }
};

class BinarizedNetwork : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("bnn", role);
        return sign_weights();
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("bnn", role);
        return sign_inputs();
    }
    const Activation* activation() const override { return hard_tanh(); }
};

}  // namespace

std::unique_ptr<InputQuantizer> sign_inputs() { return std::make_unique<SignInputs>(); }

const Activation* hard_tanh() {
    static const Activation activation{Activation::Kind::clip, -1, 1};
    return &activation;
}

std::unique_ptr<Method> make_bnn(const MethodOptions&) { return std::make_unique<BinarizedNetwork>(); }

}  // namespace bitline::training
