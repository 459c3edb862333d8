// BinaryConnect: weights of one bit.
//   w_b = +1 where w >= 0, else -1;  dC/dw = dC/dw_b;  w is kept in [-1, 1]
// Courbariaux, Bengio, David: "BinaryConnect: training deep neural networks with binary weights during propagations",
// NIPS 2015, equation 1 (the deterministic form) and algorithm 1.
//
// Different from the survey: its equation 2 takes sign(0) = -1, the paper and this code +1. Inputs, real numbers in the
// paper, are n-bit codes as in `ste`, since a crossbar takes no others.

#include <algorithm>

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

class SignWeights : public WeightQuantizer {
 public:
    void quantize(std::span<const float> weights, bool, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        quantized.planes[0].quantizer = bipolar_quantizer({1.0F});
        std::transform(weights.begin(), weights.end(), quantized.planes[0].codes.begin(),
                       [](float w) { return w < 0 ? -1 : 1; });
    }

    void backward(std::span<const float>, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        std::copy(gradient.begin(), gradient.end(), weight_gradient.begin());
    }

    float weight_limit() const override { return 1; }
};

class BinaryConnect : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("binaryconnect", role);
        return sign_weights();
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("binaryconnect", role);
        return straight_through_inputs(role);
    }
};

}  // namespace

std::unique_ptr<WeightQuantizer> sign_weights() { return std::make_unique<SignWeights>(); }

std::unique_ptr<Method> make_binaryconnect(const MethodOptions&) { return std::make_unique<BinaryConnect>(); }

}  // namespace bitline::training
