#include "devices/write_verify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bitline {
namespace {

constexpr double kMin = 1e-6, kMax = 1e-4;  // S
using Method = WriteVerifyOptions::Method;

struct Written {
    std::vector<double> target, g;
    WriteReport report;
};

/// Writes `rows` rows of `columns` cells; targets run over the middle of the range.
Written write(const WriteVerifyOptions& options, const SwitchingOptions& switching, uint32_t rows = 100,
              size_t columns = 500, uint64_t seed = 7) {
    Written all;
    const WriteVerifyStreams streams = write_verify_streams(seed, 0);
    for (uint32_t row = 0; row < rows; ++row) {
        std::vector<double> target(columns), g(columns);
        for (size_t i = 0; i < columns; ++i)
            target[i] = kMin + (kMax - kMin) * (0.3 + 0.5 * static_cast<double>(i) / static_cast<double>(columns));
        write_verify_row(options, switching, kMin, kMax, streams, 4, row, target, g, all.report);
        all.target.insert(all.target.end(), target.begin(), target.end());
        all.g.insert(all.g.end(), g.begin(), g.end());
    }
    return all;
}

double normal_share(double x) { return std::erf(x / std::sqrt(2.0)); }  // of |xi| <= x

TEST(StatisticalWrite, AttemptsAreGeometricAndErrorsTruncatedNormal) {
    WriteVerifyOptions options;
    options.method = Method::statistical;
    options.attempt_sigma = 0.04;
    options.tolerance = 0.02;
    options.limit = 1000;
    options.pulse_energy = 2e-12;
    options.read_energy = 1e-13;
    const Written w = write(options, {});
    const double p = normal_share(0.5), cells = 50000;  // hit rate of one attempt
    EXPECT_EQ(w.report.cells, 50000);
    EXPECT_EQ(w.report.misses, 0);
    EXPECT_EQ(w.report.outside, 0);
    EXPECT_NEAR(static_cast<double>(w.report.attempts) / cells, 1 / p, 5 * std::sqrt((1 - p) / (p * p * cells)));
    EXPECT_EQ(w.report.reads, w.report.attempts);
    EXPECT_NEAR(w.report.energy, static_cast<double>(w.report.attempts) * 2.1e-12, 1e-9 * w.report.energy);
    double squares = 0;
    for (size_t i = 0; i < w.g.size(); ++i) {
        const double error = (w.g[i] - w.target[i]) / kMax;
        ASSERT_LE(std::abs(error), 0.02 + 1e-12);
        squares += error * error;
    }
    // Variance of a normal number cut at +- c: sigma^2 (1 - 2 c phi(c) / P(|xi| <= c)).
    const double c = 0.5, phi = std::exp(-c * c / 2) / std::sqrt(2 * M_PI);
    EXPECT_NEAR(squares / cells, 0.04 * 0.04 * (1 - 2 * c * phi / p), 0.02 * squares / cells);
}

TEST(StatisticalWrite, MissesAreThosePastTheLimit) {
    WriteVerifyOptions options;
    options.method = Method::statistical;
    options.attempt_sigma = 0.04;
    options.tolerance = 0.01;
    const double q = 1 - normal_share(0.25);
    for (int limit : {1, 3, 10}) {
        options.limit = limit;
        const Written w = write(options, {});
        const double rate = std::pow(q, limit), mean = (1 - rate) / (1 - q);
        EXPECT_NEAR(static_cast<double>(w.report.misses) / 50000, rate, 5 * std::sqrt(rate / 50000)) << limit;
        EXPECT_EQ(w.report.outside, w.report.misses) << limit;
        EXPECT_NEAR(static_cast<double>(w.report.attempts) / 50000, mean, 5 * limit / std::sqrt(50000.0)) << limit;
        EXPECT_EQ(w.report.most, limit);
    }
}

TEST(StatisticalWrite, ReadNoiseLetsCellsPassThatAreOutside) {
    // The band is far wider than the noise of writing, so that only the reading decides: a cell at distance d passes
    // with the probability that d + noise lies inside.
    WriteVerifyOptions options;
    options.method = Method::statistical;
    options.attempt_sigma = 0.02;
    options.tolerance = 0.02;
    options.read_sigma = 0.02;
    options.limit = 1000;
    const Written w = write(options, {});
    EXPECT_EQ(w.report.misses, 0);
    // Hit rate: error and noise add up to sqrt(2) * 0.02.
    const double p = normal_share(1 / std::sqrt(2.0));
    EXPECT_NEAR(static_cast<double>(w.report.attempts) / 50000, 1 / p, 5 * std::sqrt((1 - p) / (p * p * 50000)));
    // P(|e| > 1, |e + n| <= 1) / p for standard normal e, n, by integration.
    double escaped = 0;
    const double h = 1e-4;
    for (double e = 1 + h / 2; e < 8; e += h)
        escaped += 2 * h * std::exp(-e * e / 2) / std::sqrt(2 * M_PI) * (normal_share(e + 1) - normal_share(e - 1)) / 2;
    EXPECT_NEAR(static_cast<double>(w.report.outside) / 50000, escaped / p, 5 * std::sqrt(escaped / p / 50000));
}

TEST(PulseWrite, EndsInsideTheToleranceWithTheCountedPulses) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.tolerance = 0.006;  // a step is 0.0099 of G_max: one of them always lands in the band
    SwitchingOptions switching;
    switching.law = SwitchingLaw::constant;
    const Written w = write(options, switching);
    EXPECT_EQ(w.report.misses, 0);
    EXPECT_EQ(w.report.pulses_down, 0);
    int64_t expected = 0;
    for (size_t i = 0; i < w.g.size(); ++i) {
        EXPECT_LE(std::abs(w.g[i] - w.target[i]), 0.006 * kMax);
        // The first multiple of the step inside the band.
        const double step = 0.01 * (kMax - kMin);
        expected += static_cast<int64_t>(std::ceil((w.target[i] - 0.006 * kMax - kMin) / step - 1e-9));
    }
    EXPECT_EQ(w.report.pulses_up, expected);
    EXPECT_EQ(w.report.reads, expected + w.report.cells);
    EXPECT_EQ(w.report.most, 80);
}

TEST(PulseWrite, StepsLargerThanTheBandMissUnlessNoiseHelps) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.tolerance = 0.001;
    options.limit = 400;
    SwitchingOptions switching;
    switching.law = SwitchingLaw::constant;
    const Written fixed = write(options, switching, 1, 3001);
    // A grid of steps of 0.0099 G_max meets a band of 0.002 G_max in a fifth of the cases.
    EXPECT_NEAR(static_cast<double>(fixed.report.misses) / 3001, 1 - 0.002 / 0.0099, 0.01);
    EXPECT_GT(fixed.report.pulses_down, 0);
    switching.cycle_sigma = 0.3;
    const Written noisy = write(options, switching, 10);
    EXPECT_EQ(noisy.report.misses, 0);
    EXPECT_EQ(noisy.report.outside, 0);
}

TEST(PulseWrite, StartsAtTheChosenEnd) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.start = WriteVerifyOptions::Start::high;
    options.limit = 200;
    SwitchingOptions switching;
    switching.law = SwitchingLaw::soft_bounds;
    const Written w = write(options, switching, 2);
    EXPECT_EQ(w.report.pulses_up, 0);
    EXPECT_GT(w.report.pulses_down, 0);
    EXPECT_EQ(w.report.misses, 0);
}

TEST(PulseWrite, EnergyIsVoltageSquaredTimesConductanceTimesWidth) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.tolerance = 0.006;
    options.read_energy = 1e-15;
    SwitchingOptions switching;
    switching.law = SwitchingLaw::constant;
    switching.voltage_up = 1.5;
    switching.pulse_width = 5e-8;
    const Written w = write(options, switching, 1, 1);
    // From G_min in n steps: the sum of the conductances before each.
    const auto n = static_cast<double>(w.report.pulses_up);
    const double sum = n * kMin + 0.01 * (kMax - kMin) * n * (n - 1) / 2;
    EXPECT_NEAR(w.report.energy, 1.5 * 1.5 * 5e-8 * sum + (n + 1) * 1e-15, 1e-9 * w.report.energy);
    options.pulse_energy = 3e-12;
    EXPECT_NEAR(write(options, switching, 1, 1).report.energy, n * 3e-12 + (n + 1) * 1e-15, 1e-20);
}

TEST(PulseWrite, TargetsOutsideADevicesWindowAreMisses) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.limit = 300;
    SwitchingOptions switching;
    switching.law = SwitchingLaw::constant;
    switching.spread.range = 0.1;
    const WriteVerifyStreams streams = write_verify_streams(3, 0);
    std::vector<double> target(20000, 0.95 * kMax + 0.05 * kMin), g(20000);
    WriteReport report;
    write_verify_row(options, switching, kMin, kMax, streams, 0, 0, target, g, report);
    // The high end is normal around G_max: below the band with P(xi < -0.05 / 0.1 - tolerance).
    const double z = (0.05 * (kMax - kMin) + 0.01 * kMax) / (0.1 * (kMax - kMin));
    const double rate = 0.5 * std::erfc(z / std::sqrt(2.0));
    EXPECT_NEAR(static_cast<double>(report.misses) / 20000, rate, 5 * std::sqrt(rate / 20000));
}

TEST(WriteVerify, IsAFunctionOfSeedAndPlaceAlone) {
    WriteVerifyOptions options;
    options.method = Method::pulses;
    options.read_sigma = 0.003;
    SwitchingOptions switching;
    switching.law = SwitchingLaw::pow_step;
    switching.cycle_sigma = 0.5;
    switching.spread = {0.2, 0.1, 0, 0.1, 0.02};
    for (Method method : {Method::pulses, Method::statistical}) {
        options.method = method;
        const Written a = write(options, switching, 3), b = write(options, switching, 3);
        EXPECT_EQ(a.g, b.g);
        EXPECT_EQ(a.report, b.report);
        EXPECT_NE(a.g, write(options, switching, 3, 500, 8).g);
        // A cell does not depend on how many share its row.
        const WriteVerifyStreams streams = write_verify_streams(7, 0);
        std::vector<double> g(10), target(a.target.begin(), a.target.begin() + 10);
        WriteReport report;
        write_verify_row(options, switching, kMin, kMax, streams, 4, 0, target, g, report);
        EXPECT_TRUE(std::equal(g.begin(), g.end(), a.g.begin()));
        // Targets may be overwritten in place.
        write_verify_row(options, switching, kMin, kMax, streams, 4, 0, target, target, report);
        EXPECT_EQ(target, g);
    }
}

TEST(WriteReport, AddsUp) {
    WriteReport a{2, 5, 1, 0, 8, 1, 0, 4, 1e-12}, b{3, 2, 2, 9, 7, 0, 1, 6, 2e-12};
    a += b;
    EXPECT_EQ(a, (WriteReport{5, 7, 3, 9, 15, 1, 1, 6, 1e-12 + 2e-12}));
    EXPECT_EQ(a.pulses(), 10);
}

}  // namespace
}  // namespace bitline
