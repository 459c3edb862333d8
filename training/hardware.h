#pragma once

// What stands between a product as trained and the chip's, weakest to strongest: noise relative to ranges, the cells of
// a freshly programmed chip, the whole chip simulation.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mapping/architecture.h"
#include "mapping/chip.h"
#include "training/export.h"
#include "training/layer.h"
#include "training/layers/product.h"

namespace bitline::training {

enum class HardwareStrength { noise, device, full };

struct HardwareOptions {
    HardwareStrength strength = HardwareStrength::noise;
    double weight_noise = 0.05;  // noise: deviation of each weight over the layer's largest |w|, 0 <= .. <= 10
    double output_noise = 0;     // noise: deviation of each output over the layer's largest |y|, 0 <= .. <= 10
    /// device, full: the chip. Ages are drawn with ln(1 s + t) uniform between the two for every step.
    std::optional<Architecture> architecture;
    double age_low = 0, age_high = 0;  // s, 0 <= low <= high <= 1e12
    double temperature = 300;          // K
    bool fixed_chip = false;           // every step meets the chip that `simulate` with the same seed calls trial 1
    int64_t calibration_samples = 64;  // of the training data, for calibrated converter ranges and compensation
    int64_t calibrate_every = 100;     // steps between calibrations of the converters' ranges, >= 1
    bool learn_ranges = false;         // full: the converters' ranges are trained from there on, as LSQ trains steps
};

/// Throws ConfigError naming the violated relation.
void validate(const HardwareOptions& options);

class Hardware {
 public:
    virtual ~Hardware() = default;

    /// Whether `begin` wants the model's integer network.
    virtual bool needs_network() const { return false; }

    /// Before the first product of a forward pass. `exported` stays until the next call (null where not wanted).
    virtual void begin(const Pass& pass, const Exported* exported) = 0;

    /// Whether `multiply` stands in for the layer's own forward pass.
    virtual bool replaces_products() const { return false; }

    /// Changes the weights, offsets and outputs of product number `index`.
    virtual void disturb_weights(const Pass& pass, size_t index, Product& product) = 0;
    virtual void disturb_outputs(const Pass& pass, size_t index, Tensor& output) {
        static_cast<void>(pass), static_cast<void>(index), static_cast<void>(output);
    }

    /// The chip's outputs for real inputs x, and in `product.pass_through` how much of each output's gradient passes.
    virtual void multiply(const Pass& pass, size_t index, const Tensor& x, Product& product, Tensor& output) {
        static_cast<void>(pass), static_cast<void>(index), static_cast<void>(x);
        static_cast<void>(product), static_cast<void>(output);
    }

    /// After the backward pass of product `index`, from the gradient by its outputs.
    virtual void learn(size_t index, const Tensor& output, const Tensor& gradient) {
        static_cast<void>(index), static_cast<void>(output), static_cast<void>(gradient);
    }

    virtual std::vector<Parameter*> parameters() { return {}; }
    virtual std::vector<State*> states() { return {}; }
};

/// `calibration(first, count)` gives preprocessed training samples. `products` layers have weights. Throws ConfigError.
std::unique_ptr<Hardware> make_hardware(const HardwareOptions& options, uint64_t seed, size_t products,
                                        SampleReader calibration);

// What a step draws and changes, for those who train in another framework.

/// values[i] += deviation * z[i] with the standard normal numbers that product number `index` meets in that step.
void add_weight_noise(uint64_t seed, uint32_t step, uint32_t index, float deviation, std::span<float> values);

/// Seed of the chip that a step meets.
uint64_t chip_seed(uint64_t seed, uint32_t step);

/// s; ln(1 s + t) uniform between the two.
double draw_age(uint64_t seed, uint32_t step, double low, double high);

/// The chip of strength device: converters resolve everything.
Architecture with_lossless_converters(Architecture architecture);

}  // namespace bitline::training
