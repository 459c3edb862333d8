// Chips in the loop of training: what training computes is what the chip computes.

#include "training/hardware.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/reference.h"
#include "mapping/clipping.h"
#include "mapping/effective_weights.h"
#include "support/small_networks.h"
#include "tests/training/small_chips.h"
#include "training/model.h"

namespace bitline::training {
namespace {

using bitline::testing::image_reader;
using bitline::testing::images;
using bitline::testing::kImages;
using bitline::testing::random_layer;
using bitline::testing::random_norm;
using bitline::testing::RandomSource;

/// Two convolutions with a residual addition, pooled, and a classifier.
TrainingNetwork residual_network() {
    RandomSource random(11);
    TrainingNetwork t;
    Network& n = t.network;
    n.name = "residual";
    const Shape image{2, 8, 8}, maps{4, 8, 8}, pooled{4, 4, 4};
    n.values = {{"x", image, {}}, {"a", maps, {}},   {"b", maps, {}}, {"c", maps, {}}, {"d", maps, {}},
                {"e", maps, {}},  {"p", pooled, {}}, {"f", {64}, {}}, {"y", {5}, {}}};
    Pool pool;
    pool.window.kernel_h = pool.window.kernel_w = pool.window.stride_h = pool.window.stride_w = 2;
    n.nodes = {{"conv1", "", {0}, 1, random_layer(random, 2, 4, 3, 0.1)},
               {"bn1", "", {1}, 2, random_norm(random, 4)},
               {"relu1", "", {2}, 3, Activation{}},
               {"conv2", "", {3}, 4, random_layer(random, 4, 4, 3, 0.1)},
               {"add", "", {4, 3}, 5, AddValues{}},
               {"pool", "", {5}, 6, pool},
               {"flatten", "", {6}, 7, Reshape{}},
               {"fc", "", {7}, 8, random_layer(random, 64, 5, 0, 0.1)}};
    n.input = 0;
    n.output = 8;
    return t;
}

/// Cells with errors and read noise, converters of few bits.
Architecture chip_of(std::vector<Setting> more = {}) {
    std::vector<Setting> settings{{"array.rows", "32"},
                                  {"array.cols", "32"},
                                  {"adc.bits", "5"},
                                  {"cell.programming_error.sigma", "0.05"},
                                  {"cell.read_noise.sigma", "0.02"}};
    settings.insert(settings.end(), more.begin(), more.end());
    return parse_architecture("name: small", "small.yaml", settings);
}

ModelOptions four_bits(const std::string& method = "ste") {
    ModelOptions options;
    options.method = method;
    options.weight_bits = options.input_bits = 4;
    return options;
}

HardwareOptions full_on(const Architecture& architecture) {
    HardwareOptions options;
    options.strength = HardwareStrength::full;
    options.architecture = architecture;
    options.fixed_chip = true;
    options.calibration_samples = 16;
    return options;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

/// What a simulation of the exported network gives on its first trial.
std::vector<float> simulated(const Network& network, const Architecture& architecture, uint64_t seed) {
    const Mapping mapping = map_network(network, architecture);
    ChipMaker maker(network, mapping, image_reader(), 16, seed);
    const Chip chip = maker.make(0, {});
    ChipEngine engine(network, mapping, chip);
    return run(network, engine, images().values, kImages, 0);
}

class SameBits : public ::testing::TestWithParam<std::vector<Setting>> {};

TEST_P(SameBits, TrainingThroughAFixedChipIsSimulatingIt) {
    Model model(residual_network(), four_bits());
    const Architecture architecture = chip_of(GetParam());
    constexpr uint64_t kSeed = 17;
    const auto hardware = make_hardware(full_on(architecture), kSeed, model.products(), image_reader());
    const Tensor x = images();
    Pass pass;
    pass.training = true;
    pass.freeze_batch_norm = true;
    pass.seed = kSeed;
    model.forward(pass, x);  // ranges of the inputs
    model.attach(hardware.get());
    const std::vector<float> trained = model.forward(pass, x).values;
    EXPECT_TRUE(same_bits(trained, simulated(model.quantized(), architecture, kSeed)));
    Tensor gradient;
    gradient.resize({5}, kImages);
    std::fill(gradient.values.begin(), gradient.values.end(), 1.0F);
    model.backward(pass, gradient);
    for (const Parameter* p : model.parameters())
        for (const float g : p->gradient) EXPECT_TRUE(std::isfinite(g)) << p->name;
}

INSTANTIATE_TEST_SUITE_P(
    Chips, SameBits,
    ::testing::Values(std::vector<Setting>{}, std::vector<Setting>{{"adc.range", "fixed"}, {"adc.full_scale", "0.3"}},
                      std::vector<Setting>{{"weights.encoding", "offset"}, {"input.bits_per_cycle", "2"}},
                      std::vector<Setting>{{"compensation.drift_gain", "layer"}, {"compensation.batch_norm", "true"}}));

TEST(FullHardware, GivesTheSameBitsForAnyNumberOfThreads) {
    std::vector<std::vector<float>> results;
    for (const int number : {1, 3}) {
        set_threads(number);
        Model model(residual_network(), four_bits());
        const auto hardware = make_hardware(full_on(chip_of()), 3, model.products(), image_reader());
        model.attach(hardware.get());
        Pass pass;
        pass.training = true;
        Tensor gradient = model.forward(pass, images());
        model.backward(pass, gradient);
        std::vector<float> all = gradient.values;
        for (const Parameter* p : model.parameters()) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
        results.push_back(all);
    }
    set_threads(0);
    EXPECT_TRUE(same_bits(results[0], results[1]));
}

TEST(FullHardware, FreshChipsDifferFromStepToStep) {
    Model model(residual_network(), four_bits());
    HardwareOptions options = full_on(chip_of({{"cell.read_noise.sigma", "0"}}));
    options.fixed_chip = false;
    const auto hardware = make_hardware(options, 3, model.products(), image_reader());
    Pass pass;
    pass.training = pass.freeze_batch_norm = true;
    model.forward(pass, images());
    model.attach(hardware.get());
    const std::vector<float> first = model.forward(pass, images()).values;
    pass.step = 1;
    EXPECT_FALSE(same_bits(first, model.forward(pass, images()).values));
    pass.step = 0;
    EXPECT_TRUE(same_bits(first, model.forward(pass, images()).values));
}

TEST(DeviceHardware, TrainsOnWhatTheCellsMultiplyBy) {
    Model model(residual_network(), four_bits());
    HardwareOptions options = full_on(chip_of({{"cell.programming_error.sigma", "0"}, {"cell.read_noise.sigma", "0"}}));
    options.strength = HardwareStrength::device;
    Pass pass;
    pass.freeze_batch_norm = true;
    const std::vector<float> plain = model.forward(pass, images()).values;
    const auto perfect = make_hardware(options, 3, model.products(), image_reader());
    model.attach(perfect.get());
    const std::vector<float> ideal = model.forward(pass, images()).values;
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(ideal[i], plain[i], 1e-4);
    options.architecture = chip_of();
    const auto real = make_hardware(options, 3, model.products(), image_reader());
    model.attach(real.get());
    const std::vector<float> erring = model.forward(pass, images()).values;
    double moved = 0;
    for (size_t i = 0; i < plain.size(); ++i) moved = std::max(moved, double(std::abs(erring[i] - plain[i])));
    EXPECT_GT(moved, 0.01);
}

TEST(NoiseHardware, AddsItsShareOfTheRange) {
    TrainingNetwork t;
    RandomSource random(4);
    t.network.values = {{"x", {64}, {}}, {"y", {64}, {}}};
    t.network.nodes = {{"fc", "", {0}, 1, random_layer(random, 64, 64, 0, 0.1)}};
    t.network.input = 0;
    t.network.output = 1;
    ModelOptions model_options = four_bits();
    Model model(t, model_options);
    HardwareOptions options;
    options.weight_noise = 0.1;
    const auto hardware = make_hardware(options, 9, 1, image_reader());
    Tensor x;
    x.resize({64}, 64);
    for (size_t i = 0; i < 64; ++i) x.values[65 * i] = 1;  // outputs are the weights
    const std::vector<float> plain = model.forward({}, x).values;
    model.attach(hardware.get());
    const std::vector<float> noisy = model.forward({}, x).values;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
        const double d = double(noisy[i]) - double(plain[i]);
        sum += d;
        squares += d * d;
    }
    const double n = double(plain.size());
    // 4096 deviates: the standard error of the deviation is 1.1 %, of the mean 1.6 % of the deviation. Quantized
    // weights end at the largest |w|, 0.5.
    EXPECT_NEAR(std::sqrt(squares / n), 0.05, 0.003);
    EXPECT_NEAR(sum / n, 0, 0.005);
}

/// Shares of clipped conversions by the sums themselves.
TEST(ClipMeter, CountsWhatConvertersClip) {
    RandomSource random(8);
    constexpr int kRows = 50, kCols = 6;
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-7, 7));
    const Network network = bitline::testing::fully_connected(kRows, kCols, weights, 4);
    const Architecture architecture = chip_of({{"adc.range", "fixed"}, {"adc.full_scale", "0.06"}, {"adc.bits", "4"}});
    const Mapping mapping = map_network(network, architecture);
    const Chip chip = program_nominal(mapping, static_ranges(mapping));
    std::vector<int32_t> inputs(kRows * 10);
    for (int32_t& x : inputs) x = static_cast<int32_t>(random.between(0, 255));
    std::vector<float> share(kCols * 10), limits(kCols * 10);
    const ClipMeter meter(network, mapping, chip);
    meter.measure(0, inputs, 10, 0, share, limits);

    const MappedLayer& plan = mapping.layers[0];
    const AdcRange& adc = chip.layers[0].adc;
    double seen = 0;
    for (int s = 0; s < 10; ++s) {
        for (int c = 0; c < kCols; ++c) {
            double clipped = 0, all = 0, limit = 0;
            for (const ArrayPlan& array : plan.arrays) {
                for (const Column& column : array.columns) {
                    if (column.output != c) continue;
                    for (size_t cycle = 0; cycle < plan.input.cycle_weight.size(); ++cycle) {
                        double sum = 0;  // levels
                        for (int64_t r = array.first_row; r < array.first_row + array.rows; ++r) {
                            const int w = plan.weights[size_t(c * kRows + r)];
                            const int digit = std::abs(w) >> column.shift & ((1 << column.bits) - 1);
                            sum += (w < 0 ? -digit : digit) * (inputs[size_t(s * kRows + r)] >> cycle & 1);
                        }
                        const double code = std::nearbyint(sum / adc.step);
                        const double weight = double(column.weight) * double(plan.input.cycle_weight[cycle]);
                        all += weight;
                        if (code >= adc.lo && code <= adc.hi) continue;
                        clipped += weight;
                        limit += weight * (code < adc.lo ? adc.lo : adc.hi) * adc.step;
                    }
                }
            }
            const auto at = size_t(s * kCols + c);
            EXPECT_NEAR(share[at], clipped / all, 1e-6);
            EXPECT_NEAR(limits[at], limit, 1e-3 * std::abs(limit) + 1e-4);
            seen += clipped / all;
        }
    }
    EXPECT_GT(seen, 2);
    EXPECT_LT(seen, 55);
}

TEST(Hardware, RefusesWhatMakesNoSense) {
    HardwareOptions options;
    options.strength = HardwareStrength::device;
    EXPECT_THROW(validate(options), ConfigError);
    options.architecture = chip_of();
    EXPECT_NO_THROW(validate(options));
    options.age_high = -1;
    EXPECT_THROW(validate(options), ConfigError);
    options.age_high = std::nan("");
    EXPECT_THROW(validate(options), ConfigError);
    options = full_on(chip_of({{"adc.range", "fixed"}}));
    options.learn_ranges = true;
    EXPECT_THROW(validate(options), ConfigError);
}

}  // namespace
}  // namespace bitline::training
