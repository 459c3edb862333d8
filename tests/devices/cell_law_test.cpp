#include "devices/cell_law.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"

namespace bitline {
namespace {

constexpr int kRows = 200, kColumns = 1000;
constexpr double kCells = double(kRows) * kColumns;

/// Conductances of many cells of one level, in S.
struct Sample {
    std::vector<double> g;
    ProgrammingReport report;
    double mean() const {
        double sum = 0;
        for (const double x : g) sum += x;
        return sum / static_cast<double>(g.size());
    }
    double deviation() const {
        const double middle = mean();
        double squares = 0;
        for (const double x : g) squares += (x - middle) * (x - middle);
        return std::sqrt(squares / static_cast<double>(g.size()));
    }
};

Sample write_many(const CellOptions& cell, uint16_t level, const Conditions& conditions = {}, uint32_t trial = 2) {
    const Grid grid = choose_grid(cell, cell.bits);
    const CellLaw law = make_cell_law(cell, grid, conditions);
    const std::vector<uint16_t> levels(kColumns, level);
    std::vector<int32_t> g(levels.size());
    std::vector<float> variance(levels.size()), wander(levels.size()), trap(levels.size());
    Sample sample;
    for (uint32_t row = 0; row < kRows; ++row) {
        write_row(law, cell_streams(11, trial), 3, row, levels, {g, variance, wander, trap}, sample.report);
        for (const int32_t x : g) sample.g.push_back(x * grid.siemens);
    }
    return sample;
}

double correlation(const Sample& a, const Sample& b) {
    const double mean_a = a.mean(), mean_b = b.mean();
    double sum = 0;
    for (size_t i = 0; i < a.g.size(); ++i) sum += (a.g[i] - mean_a) * (b.g[i] - mean_b);
    return sum / static_cast<double>(a.g.size()) / (a.deviation() * b.deviation());
}

CellOptions plain_cell() {
    CellOptions cell;
    cell.g_min = 1e-5;
    cell.g_max = 1e-4;
    return cell;
}

// Five standard errors of a mean and of a deviation over 200,000 cells, and half a grid step.
constexpr double kMean = 5 / 447.2, kDeviation = 5 / 632.4, kStep = 4e-9;

void expect_moments(const Sample& sample, double mean, double deviation, const std::string& what) {
    EXPECT_NEAR(sample.mean(), mean, kMean * deviation + kStep) << what;
    EXPECT_NEAR(sample.deviation(), deviation, kDeviation * deviation + kStep) << what;
}

TEST(Levels, AreEquallySpacedLogarithmicOrFromATable) {
    CellOptions cell = plain_cell();
    const auto level = [&](uint16_t l) { return write_many(cell, l).g[0]; };
    EXPECT_NEAR(level(1), 4e-5, kStep);
    cell.levels.placement = LevelOptions::Placement::logarithmic;
    EXPECT_NEAR(level(0), 1e-5, kStep);
    EXPECT_NEAR(level(1), 1e-5 * std::pow(10, 1.0 / 3), kStep);
    EXPECT_NEAR(level(3), 1e-4, kStep);
    cell.levels = {LevelOptions::Placement::table, {1e-5, 2e-5, 7e-5, 1e-4}};
    EXPECT_NEAR(level(2), 7e-5, kStep);
    cell.levels.table = {1e-5, 2e-5, 1e-4};  // three points for four levels: between them lines
    EXPECT_NEAR(level(2), 2e-5 + (1e-4 - 2e-5) / 3, kStep);
}

TEST(ProgrammingError, UniformStaysInsideItsBounds) {
    CellOptions cell = plain_cell();
    cell.programming_error.model = ProgrammingErrorOptions::Model::uniform;
    cell.programming_error.sigma = 0.02;
    const Sample sample = write_many(cell, 1);
    expect_moments(sample, 4e-5, 2e-6, "uniform");
    const double reach = std::sqrt(3.0) * 2e-6 + kStep;
    for (const double g : sample.g) ASSERT_NEAR(g, 4e-5, reach);
}

TEST(ProgrammingError, FollowsTheStateOrATable) {
    CellOptions cell = plain_cell();
    cell.programming_error.model = ProgrammingErrorOptions::Model::state;
    cell.programming_error.deviation.polynomial = {1e-6, 2e-6, -1e-6};
    for (const uint16_t level : {1, 2, 3}) {
        const double target = 1e-5 + level * 3e-5, r = target / 1e-4;
        expect_moments(write_many(cell, level), target, 1e-6 + 2e-6 * r - 1e-6 * r * r, "state");
    }
    cell.programming_error = {};
    cell.programming_error.model = ProgrammingErrorOptions::Model::table;
    cell.programming_error.table = {1e-6, 3e-6};
    expect_moments(write_many(cell, 1), 4e-5, 1e-6 + 2e-6 / 3, "table");
}

TEST(ProgrammingError, NegativeDeviationsAreRefusedWithTheirLevel) {
    CellOptions cell = plain_cell();
    cell.programming_error.model = ProgrammingErrorOptions::Model::state;
    cell.programming_error.deviation.polynomial = {1e-6, -2e-6};
    EXPECT_THROW(write_many(cell, 0), ConfigError);
}

TEST(DeviceToDevice, IsRelativeAndTheSameAtEveryWrite) {
    CellOptions cell = plain_cell();
    cell.device_to_device.sigma = 0.05;
    const Sample low = write_many(cell, 1), high = write_many(cell, 3);
    expect_moments(low, 4e-5, 2e-6, "level 1");
    expect_moments(high, 1e-4, 5e-6, "level 3");
    EXPECT_GT(correlation(low, high), 0.9999);
    EXPECT_LT(std::abs(correlation(low, write_many(cell, 1, {}, 3))), 0.012);
    cell.programming_error.sigma = 0.02;
    const Sample both = write_many(cell, 1);
    expect_moments(both, 4e-5, std::sqrt(4e-12 + 4e-12), "with programming error");
    EXPECT_NEAR(correlation(low, both), std::sqrt(0.5), 0.01);
}

CellOptions drifting_cell(double nu, double spread) {
    CellOptions cell = plain_cell();
    cell.drift.model = DriftOptions::Model::power;
    cell.drift.t0 = 20;
    cell.drift.exponent.polynomial = {nu};
    cell.drift.deviation.polynomial = {spread};
    return cell;
}

TEST(Drift, FollowsThePowerLawFromItsReferenceTimeOn) {
    const CellOptions cell = drifting_cell(0.05, 0);
    for (const double t : {0.0, 1.0, 20.0}) EXPECT_NEAR(write_many(cell, 3, {t, 300}).g[0], 1e-4, kStep) << t;
    for (const double t : {100.0, 86400.0, 3.15e7})
        EXPECT_NEAR(write_many(cell, 3, {t, 300}).g[0], 1e-4 * std::pow(t / 20, -0.05), kStep) << t;
}

TEST(Drift, SpreadsWithItsExponents) {
    const double nu = 0.05, spread = 0.01, length = std::log(86400 / 20.0);
    const Sample sample = write_many(drifting_cell(nu, spread), 2, {86400, 300});
    // exp of a Gaussian: lognormal moments.
    const double variance = spread * spread * length * length;
    const double mean = 7e-5 * std::exp(-nu * length + variance / 2);
    expect_moments(sample, mean, mean * std::sqrt(std::exp(variance) - 1), "lognormal");
}

TEST(Drift, KeepsEveryCellsExponentOverTime) {
    const CellOptions cell = drifting_cell(0.05, 0.01);
    EXPECT_GT(correlation(write_many(cell, 2, {1000, 300}), write_many(cell, 2, {1e6, 300})), 0.99);
}

TEST(Drift, FoldsExponentsWhereAsked) {
    CellOptions cell = drifting_cell(0.0, 0.01);
    EXPECT_NEAR(write_many(cell, 2, {1e5, 300}).mean(), 7e-5, 7e-7);
    cell.drift.folded = true;
    for (const double g : write_many(cell, 2, {1e5, 300}).g) ASSERT_LE(g, 7e-5 + kStep);
}

TEST(Drift, LogarithmicFallsByTheDecadeAndStopsAtZero) {
    CellOptions cell = drifting_cell(0.1, 0);
    cell.drift.model = DriftOptions::Model::logarithmic;
    EXPECT_NEAR(write_many(cell, 3, {200, 300}).g[0], 0.9e-4, kStep);
    EXPECT_NEAR(write_many(cell, 3, {20e8, 300}).g[0], 0.2e-4, kStep);
    EXPECT_EQ(write_many(cell, 3, {20e11, 300}).g[0], 0);
}

TEST(Relaxation, InterpolatesMomentsInTheLogarithmOfTime) {
    CellOptions cell = plain_cell();
    cell.relaxation.times = {1, 100};
    cell.relaxation.mean = {0, -2e-6, 0, -4e-6};
    cell.relaxation.deviation = {1e-6, 0, 3e-6, 0};
    const double target = 7e-5, r = 0.7;
    EXPECT_LT(write_many(cell, 2).deviation(), 1e-12);
    expect_moments(write_many(cell, 2, {0.1, 300}), target - 2e-6 * r, 1e-6, "before the first time");
    expect_moments(write_many(cell, 2, {1, 300}), target - 2e-6 * r, 1e-6, "first time");
    expect_moments(write_many(cell, 2, {10, 300}), target - 3e-6 * r, 2e-6, "between");
    expect_moments(write_many(cell, 2, {100, 300}), target - 4e-6 * r, 3e-6, "last time");
    EXPECT_THROW(write_many(cell, 2, {101, 300}), ConfigError);
    EXPECT_GT(correlation(write_many(cell, 2, {1, 300}), write_many(cell, 2, {100, 300})), 0.999);
    cell.relaxation.includes_programming = true;
    expect_moments(write_many(cell, 2), target - 2e-6 * r, 1e-6, "freshly programmed");
}

TEST(Relaxation, ReadsTablesOverTheState) {
    CellOptions cell = plain_cell();
    cell.relaxation.form = RelaxationOptions::Form::table;
    cell.relaxation.times = {1};
    cell.relaxation.deviation = {0, 1e-6, 0};
    expect_moments(write_many(cell, 1, {1, 300}), 4e-5, 0.8e-6, "r = 0.4 of knots at 0, 0.5 and 1");
}

TEST(Retention, DecaysFasterWhenHot) {
    CellOptions cell = plain_cell();
    cell.retention.model = RetentionOptions::Model::decay;
    cell.retention.tau = 1e6;
    cell.retention.beta = 0.5;
    cell.retention.activation_energy = 1.1;
    const auto expected = [&](double t, double temperature) {
        const double tau = 1e6 * std::exp(1.1 / 8.617333262e-5 * (1 / temperature - 1 / 300.0));
        return 1e-5 + 9e-5 * std::exp(-std::sqrt(t / tau));
    };
    for (const double temperature : {300.0, 330.0, 358.0})
        EXPECT_NEAR(write_many(cell, 3, {1e4, temperature}).g[0], expected(1e4, temperature), kStep) << temperature;
    EXPECT_NEAR(write_many(cell, 3, {0, 358}).g[0], 1e-4, kStep);
}

TEST(Retention, FlipsBinaryCells) {
    CellOptions cell = plain_cell();
    cell.bits = 1;
    cell.retention.model = RetentionOptions::Model::flip;
    cell.retention.tau = 1000;
    const Sample sample = write_many(cell, 1, {700, 300});
    double flipped = 0;
    for (const double g : sample.g) flipped += g < 5e-5 ? 1 : 0;
    const double p = 0.5 * (1 - std::exp(-1.4));
    EXPECT_NEAR(flipped / kCells, p, 5 * std::sqrt(p * (1 - p) / kCells));
}

TEST(Temperature, ScalesConductancesByArrhenius) {
    CellOptions cell = plain_cell();
    cell.temperature.activation_energy = 0.05;
    const double factor = std::exp(-0.05 / 8.617333262e-5 * (1 / 340.0 - 1 / 300.0));
    EXPECT_NEAR(write_many(cell, 1, {0, 340}).g[0], 4e-5 * factor, kStep);
}

TEST(Wear, ClosesTheWindowAndReadsMoveCells) {
    CellOptions cell = plain_cell();
    cell.endurance = {1e8, 1e6, 0.1};
    EXPECT_NEAR(write_many(cell, 3).g[0], 5.5e-5 + 4.5e-5 * 0.8, kStep);
    EXPECT_NEAR(write_many(cell, 0).g[0], 5.5e-5 - 4.5e-5 * 0.8, kStep);
    cell.endurance = {};
    cell.read_disturb = {1000, 1e-4, 1};
    EXPECT_NEAR(write_many(cell, 0).g[0], 1e-4 - 9e-5 * std::exp(-0.1), kStep);
}

TEST(Series, AddsResistance) {
    CellOptions cell = plain_cell();
    cell.series.resistance = 1e4;
    EXPECT_NEAR(write_many(cell, 3).g[0], 5e-5, kStep);
    EXPECT_NEAR(write_many(cell, 1).g[0], 4e-5 / 1.4, kStep);
}

/// The variance that one conversion draws for a cell of the level, in S^2.
double conversion_variance(const CellOptions& cell, uint16_t level, const Conditions& conditions) {
    const Grid grid = choose_grid(cell, cell.bits);
    const CellLaw law = make_cell_law(cell, grid, conditions);
    EXPECT_TRUE(law.has_variance());
    const std::vector<uint16_t> levels(1, level);
    std::vector<int32_t> g(1);
    std::vector<float> variance(1);
    ProgrammingReport report;
    write_row(law, cell_streams(1, 1), 0, 0, levels, {g, variance, {}, {}}, report);
    return static_cast<double>(variance[0]) * grid.siemens * grid.siemens;
}

TEST(ReadNoise, VariancesFollowTheirFormulas) {
    CellOptions cell = plain_cell();
    cell.read_noise.sigma = 0.01;
    EXPECT_NEAR(conversion_variance(cell, 1, {}), 1.6e-13, 1e-17);
    cell.read_noise = {};
    cell.read_noise.bandwidth = 1e8;
    cell.read_noise.read_voltage = 0.1;
    cell.read_noise.thermal = true;
    const double thermal = 4 * 1.380649e-23 * 350 * 4e-5 * 1e8 / 0.01;
    EXPECT_NEAR(conversion_variance(cell, 1, {0, 350}) / thermal, 1, 1e-3);
    cell.read_noise.thermal = false;
    cell.read_noise.shot = true;
    const double shot = 2 * 1.602176634e-19 * 4e-5 * 0.1 * 1e8 / 0.01;
    EXPECT_NEAR(conversion_variance(cell, 1, {}) / shot, 1, 1e-3);
}

TEST(ReadNoise, FlickerGrowsWithTheLogarithmOfTime) {
    CellOptions cell = plain_cell();
    cell.read_noise.flicker.amplitude.polynomial = {0.01};
    cell.read_noise.flicker.persists = Persistence::chip;
    EXPECT_LT(write_many(cell, 1).deviation(), 1e-12);
    const double t = 86400, t_read = 250e-9;
    const double rms = 0.01 * std::sqrt(std::log((t + t_read) / (2 * t_read)));
    expect_moments(write_many(cell, 1, {t, 300}), 4e-5, 4e-5 * rms, "on the chip");
    cell.read_noise.flicker.persists = Persistence::conversion;
    EXPECT_NEAR(conversion_variance(cell, 1, {t, 300}) / (16e-10 * rms * rms), 1, 1e-3);
}

TEST(ReadNoise, TelegraphTrapsAreFilledForTheirShareOfTime) {
    CellOptions cell = plain_cell();
    cell.read_noise.telegraph = {0.2, 0.5, 1e-3, 3e-3, Persistence::chip};
    double fallen = 0;
    for (const double g : write_many(cell, 3).g) {
        if (g < 0.9e-4) ++fallen;
        ASSERT_TRUE(std::abs(g - 1e-4) < kStep || std::abs(g - 0.8e-4) < kStep);
    }
    const double p = 0.5 * 0.75;
    EXPECT_NEAR(fallen / kCells, p, 5 * std::sqrt(p * (1 - p) / kCells));
    cell.read_noise.telegraph.persists = Persistence::conversion;
    const double mean = 1e-4 * (1 - 0.2 * 0.75 * 0.5);
    EXPECT_NEAR(write_many(cell, 3).mean(), mean, 5 * 0.5e-4 * 0.15 / 447.2 + kStep);
}

TEST(Effects, NoneHidesAnother) {
    CellOptions cell = plain_cell();
    cell.programming_error.sigma = 0.02;
    cell.device_to_device.sigma = 0.03;
    cell.drift = drifting_cell(0.02, 0.005).drift;
    cell.retention.model = RetentionOptions::Model::decay;
    cell.retention.tau = 1e7;
    cell.series.resistance = 1000;
    cell.temperature.activation_energy = 0.02;
    const Conditions later{1e5, 320};
    const auto all = write_many(cell, 2, later);
    const std::vector<std::function<void(CellOptions&)>> without{
        [](CellOptions& c) { c.programming_error.sigma = 0; },
        [](CellOptions& c) { c.device_to_device.sigma = 0; },
        [](CellOptions& c) { c.drift.model = DriftOptions::Model::none; },
        [](CellOptions& c) { c.drift.deviation.polynomial = {0}; },
        [](CellOptions& c) { c.retention.model = RetentionOptions::Model::none; },
        [](CellOptions& c) { c.series.resistance = 0; },
        [](CellOptions& c) { c.temperature.activation_energy = 0; },
    };
    for (size_t i = 0; i < without.size(); ++i) {
        CellOptions fewer = cell;
        without[i](fewer);
        const auto some = write_many(fewer, 2, later);
        double change = 0;
        for (size_t k = 0; k < some.g.size(); ++k) change += std::abs(some.g[k] - all.g[k]);
        EXPECT_GT(change / kCells, 1e-8) << "effect " << i;
    }
}

TEST(StateLaw, JoinsItsTermsAndBranches) {
    StateLaw law;
    law.log_slope = -0.0387;
    law.polynomial = {-0.0182};
    law.low = 0.072;
    law.high = 0.13;
    law.above_from = 0.0945;
    law.above = {0.0736, -0.0126, -0.0436};
    EXPECT_NEAR(evaluate(law, 0.05), -0.0387 * std::log(0.05) - 0.0182, 1e-12);
    EXPECT_EQ(evaluate(law, 0), 0.13);
    EXPECT_NEAR(evaluate(law, 0.5), 0.0564, 1e-12);
    law = {};
    law.power_scale = 0.0088;
    law.power = -0.65;
    law.high = 0.2;
    EXPECT_NEAR(evaluate(law, 0.3), 0.0088 / std::pow(0.3, 0.65), 1e-12);
    EXPECT_EQ(evaluate(law, 1e-8), 0.2);
}

}  // namespace
}  // namespace bitline
