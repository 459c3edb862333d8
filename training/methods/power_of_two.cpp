// Power-of-two weights: a product is a shift, and a crossbar's cell levels are exponents.
//   w_q = s_c {0, +-1, +-2, +-4, ..., +-2^(2^(b-1) - 2)}: b bits are a zero, a sign and 2^(b-1) - 1 exponents
//   nearest value: |w| / s_c goes to 2^k from 0.75 * 2^k to 1.5 * 2^k, to 0 below 0.5
//   dC/dw = dC/dw_q
// Zhou, Yao, Guo, Xu, Chen: "Incremental network quantization: towards lossless CNNs with low-precision weights", ICLR
// 2017, equations 1 to 4 (levels and rounding); Miyashita, Lee, Murmann: "Convolutional neural networks using
// logarithmic data representation", arXiv:1603.01025, 2016.
//
// Different from the papers: s_c, a power of two for the layer there (from max |w|), is a real number for each output
// channel, with which the squared error is least; and all weights are trained at once, straight through, instead of
// group by group. The survey prints no equation; its equations 4 and 12 are other logarithmic formats. Inputs as in
// `ste`.

#include <bit>

#include "training/methods/fitted_weights.h"

namespace bitline::training {

namespace {

struct PowerGrid {
    explicit PowerGrid(int bits)
        : exponents((1 << (bits - 1)) - 1), largest(static_cast<float>(1 << (exponents - 1))) {}
    Quantizer quantizer(size_t channels) const { return narrow_quantizer(exponents + 1, std::vector<float>(channels)); }
    float top() const { return largest; }

    /// Half a mantissa added carries into the exponent from 1.5 on.
    float operator()(float scaled) const {
        constexpr uint32_t kHalfMantissa = 0x00400000U, kExponent = 0x7F800000U;
        const float magnitude = finite_clip(std::abs(scaled), 0, largest);
        const float power = std::bit_cast<float>((std::bit_cast<uint32_t>(magnitude) + kHalfMantissa) & kExponent);
        const float at_least_one = power < 1 ? 1.0F : power;
        return std::copysign(magnitude < 0.5F ? 0.0F : at_least_one, scaled);
    }

    int exponents;
    float largest;
};

class PowerOfTwo : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("power-of-two", role);
        return std::make_unique<FittedWeights<PowerGrid>>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("power-of-two", role);
        return straight_through_inputs(role);
    }
};

}  // namespace

std::unique_ptr<Method> make_power_of_two(const MethodOptions&) { return std::make_unique<PowerOfTwo>(); }

}  // namespace bitline::training
