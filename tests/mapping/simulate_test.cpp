#include "mapping/simulate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "support/listed_data.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::ListedData;

constexpr int kIn = 64, kOut = 10, kSamples = 300;

Network classifier() {
    testing::RandomSource random(12);
    std::vector<int32_t> weights(kIn * kOut);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-127, 127));
    return testing::fully_connected(kIn, kOut, weights);
}

/// Random images whose label is what the network says, but for every fifth.
ListedData labelled(const Network& network) {
    testing::RandomSource random(8);
    std::vector<float> x(kSamples * kIn);
    for (float& v : x) v = static_cast<float>(random.between(0, 255));
    const auto exact = make_exact_engine(network);
    const std::vector<float> y = run(network, *exact, x, kSamples, 0);
    std::vector<int32_t> labels;
    for (size_t s = 0; s < kSamples; ++s) {
        const auto answer = static_cast<int32_t>(top1(std::span(y).subspan(s * kOut, kOut)));
        labels.push_back(s % 5 == 0 ? (answer + 1) % kOut : answer);
    }
    return {{kIn}, x, labels};
}

Architecture noisy() {
    Architecture a = read_architecture("default");
    a.cell.programming_error.sigma = 0.05;
    return a;
}

SimulationResult simulate_with(const Architecture& architecture, SimulateOptions options, int threads) {
    set_threads(threads);
    const Network network = classifier();
    const ListedData data = labelled(network);
    const Mapping mapping = map_network(network, architecture);
    SimulationResult result = simulate(network, mapping, data, {}, nullptr, nullptr, options);
    set_threads(0);
    return result;
}

TEST(Simulate, SoftwareAndIdealChipAgreeAndTrialsSpread) {
    SimulateOptions options;
    options.trials = 4;
    const SimulationResult r = simulate_with(noisy(), options, 2);
    EXPECT_DOUBLE_EQ(r.software_accuracy, 0.8);
    EXPECT_EQ(r.ideal_accuracy, 0.8);
    EXPECT_EQ(r.ideal_unequal, 0);
    ASSERT_EQ(r.trials.size(), 4U);
    double mean = 0, squares = 0;
    for (const TrialResult& t : r.trials) mean += t.accuracy / 4;
    for (const TrialResult& t : r.trials) squares += std::pow(t.accuracy - mean, 2);
    EXPECT_DOUBLE_EQ(r.accuracy_mean, mean);
    EXPECT_GT(*r.accuracy_std, 0);
    EXPECT_NEAR(*r.accuracy_std, std::sqrt(squares / 3), 1e-12);
    EXPECT_NEAR(*r.accuracy_ci95, 3.182446 * *r.accuracy_std / 2, 1e-6);  // Student's t, 3 degrees of freedom
    EXPECT_LT(r.agreement, 1);
    ASSERT_TRUE(r.layers[0].sqnr_db.has_value());
    EXPECT_GT(*r.layers[0].sqnr_db, 0);
    EXPECT_EQ(r.calibration_samples, 64);
    EXPECT_EQ(r.calibration, "listed");
}

void expect_same_results(const SimulationResult& a, const SimulationResult& b) {
    EXPECT_EQ(a.agreement, b.agreement);
    EXPECT_EQ(a.accuracy_mean, b.accuracy_mean);
    for (size_t t = 0; t < a.trials.size(); ++t) {
        EXPECT_EQ(a.trials[t].accuracy, b.trials[t].accuracy);
        EXPECT_EQ(a.trials[t].programming, b.trials[t].programming);
    }
    for (size_t l = 0; l < a.layers.size(); ++l) {
        EXPECT_EQ(a.layers[l].sqnr_db, b.layers[l].sqnr_db);  // to the last bit
        EXPECT_EQ(a.layers[l].adc_clip_rate, b.layers[l].adc_clip_rate);
        EXPECT_EQ(a.layers[l].adc, b.layers[l].adc);
    }
}

TEST(Simulate, SameSeedSameBitsWhateverTheThreadsAndBlocks) {
    SimulateOptions options;
    options.trials = 2;
    options.seed = 77;
    const SimulationResult one = simulate_with(noisy(), options, 1);
    expect_same_results(one, simulate_with(noisy(), options, 2));
    for (int64_t block : {1, 7, 64}) {
        options.block = block;
        expect_same_results(one, simulate_with(noisy(), options, 2));
    }
    options.seed = 78;
    EXPECT_NE(*one.layers[0].sqnr_db, *simulate_with(noisy(), options, 2).layers[0].sqnr_db);
}

TEST(Simulate, PerfectChipIsExactAndSaysSo) {
    const SimulationResult r = simulate_with(read_architecture("ideal"), {}, 1);
    EXPECT_EQ(r.accuracy_mean, 0.8);
    EXPECT_EQ(r.agreement, 1);
    EXPECT_FALSE(r.accuracy_std.has_value());
    EXPECT_FALSE(r.layers[0].sqnr_db.has_value());
    EXPECT_TRUE(r.calibration.empty());
}

TEST(Simulate, EachErrorAloneLowersTheSignalToNoiseRatio) {
    const auto sqnr = [](auto&& change) {
        Architecture a = read_architecture("ideal");
        a.cell.g_min = 1e-6;
        change(a);
        const SimulationResult r = simulate_with(a, {}, 2);
        return r.layers[0].sqnr_db.value_or(999);
    };
    EXPECT_EQ(sqnr([](Architecture&) {}), 999);
    EXPECT_LT(sqnr([](Architecture& a) { a.cell.programming_error.sigma = 0.02; }), 40);
    EXPECT_LT(sqnr([](Architecture& a) { a.cell.stuck_at.low_rate = 0.1; }), 30);
    EXPECT_LT(sqnr([](Architecture& a) { a.cell.stuck_at.high_rate = 0.02; }), 30);
    EXPECT_LT(sqnr([](Architecture& a) { a.cell.read_noise.sigma = 0.05; }), 60);
    EXPECT_LT(sqnr([](Architecture& a) { a.adc.bits = 5; }), 40);
    EXPECT_LT(sqnr([](Architecture& a) { a.adc.offset_sigma = 1; }), 60);
    EXPECT_LT(sqnr([](Architecture& a) { a.adc.gain_sigma = 0.02; }), 60);
    EXPECT_LT(sqnr([](Architecture& a) { a.adc.noise_sigma = 1; }), 60);
    const auto converter = [&](auto&& change) {
        return sqnr([&](Architecture& a) {
            a.adc.bits = 12;
            change(a.adc);
        });
    };
    using Type = AdcOptions::Type;
    EXPECT_EQ(converter([](AdcOptions&) {}), 999);
    EXPECT_LT(converter([](AdcOptions& o) { o.type = Type::sar, o.capacitor_sigma = 0.1; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.type = Type::ramp, o.step_sigma = 0.2; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.type = Type::flash, o.resistor_sigma = 0.1; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.type = Type::flash, o.comparator_sigma = 1; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.inl_sigma = 1; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.dnl_sigma = 0.2; }), 60);
    EXPECT_LT(converter([](AdcOptions& o) { o.missing_codes = 0.5; }), 60);
    const auto fitted = [&](AdcOptions::Thresholds thresholds, bool amplifier) {
        return sqnr([&](Architecture& a) {
            a.adc.bits = 3;
            a.adc.range = AdcOptions::Range::calibrated;
            a.adc.thresholds = thresholds;
            a.adc.sense_amplifier = amplifier;
        });
    };
    const double equal_steps = fitted(AdcOptions::Thresholds::uniform, false);
    EXPECT_GT(fitted(AdcOptions::Thresholds::lloyd_max, false), equal_steps + 0.1);
    EXPECT_EQ(fitted(AdcOptions::Thresholds::uniform, true), fitted(AdcOptions::Thresholds::lloyd_max, false));
    // Twice the error, four times its power, where the error is far above a level and far from the limits.
    const auto middle = [](Architecture& a, double sigma) {
        a.cell.g_min = 5e-5;
        a.cell.programming_error.sigma = sigma;
    };
    const double small = sqnr([&](Architecture& a) { middle(a, 0.05); });
    const double large = sqnr([&](Architecture& a) { middle(a, 0.1); });
    EXPECT_NEAR(small - large, 6.02, 0.5);
}

TEST(Simulate, TellsWhereItIs) {
    const Network network = classifier();
    const ListedData data = labelled(network);
    SimulateOptions options;
    options.trials = 3;
    std::vector<std::string> stages;
    int64_t last = 0;
    simulate(network, map_network(network, noisy()), data, {}, nullptr, nullptr, options, [&](const Progress& p) {
        if (stages.empty() || stages.back() != p.stage) stages.push_back(p.stage);
        EXPECT_GE(p.done, last);
        EXPECT_EQ(p.total, kSamples * 4);
        last = p.done;
    });
    EXPECT_EQ(stages, (std::vector<std::string>{"software and ideal chip", "calibrating", "trial 1/3", "trial 2/3",
                                                "trial 3/3"}));
}

TEST(Simulate, RefusesAbsurdOptionsAndUnlabelledData) {
    SimulateOptions options;
    options.trials = 0;
    EXPECT_THROW(validate(options), ConfigError);
    options.trials = 1;
    options.calibration_samples = 0;
    EXPECT_THROW(validate(options), ConfigError);
    const Network network = classifier();
    const ListedData data({kIn}, std::vector<float>(kIn * 2, 1.0F), {});
    EXPECT_THROW(simulate(network, map_network(network, noisy()), data, {}, nullptr, nullptr, {}), ConfigError);
}

}  // namespace
}  // namespace bitline
