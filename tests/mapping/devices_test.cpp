// One contract for every device preset: what its cells are at each level and time, against the stated formulas
// evaluated here once more, with the standard library and quadrature.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "devices/cell_law.h"
#include "mapping/architecture.h"

namespace bitline {
namespace {

constexpr double kDay = 86400, kYear = 3.15576e7;

/// The preset's cell; what no source gives is filled with plausible values.
CellOptions cell_of(const DeviceSummary& device) {
    const std::vector<Setting> values{{"cell.g_min", "1 uS"},
                                      {"cell.g_max", "50 uS"},
                                      {"cell.device_to_device.sigma", "3 %"},
                                      {"cell.retention.tau", "1e9"},
                                      {"cell.retention.activation_energy", "1.2 eV"},
                                      {"cell.valid.time", "[0, 1e6]"}};
    std::vector<Setting> settings{{"cell.device", device.name}};
    for (const Setting& value : values) {
        if (std::find(device.required.begin(), device.required.end(), value.first) != device.required.end())
            settings.push_back(value);
    }
    EXPECT_EQ(settings.size(), 1 + device.required.size()) << device.name;
    return read_architecture("default", settings).cell;
}

double polynomial(const std::vector<double>& c, double r) {
    double sum = 0;
    for (size_t k = 0; k < c.size(); ++k) sum += c[k] * std::pow(r, k);
    return sum;
}

double value_of(const StateLaw& law, double r) {
    if (law.above_from > 0 && r >= law.above_from) return polynomial(law.above, r);
    const double x = std::max(r, 1e-9);
    const double sum =
        polynomial(law.polynomial, x) + law.log_slope * std::log(x) + law.power_scale * std::pow(x, law.power);
    return std::min(std::max(sum, law.low), law.high);
}

double relaxed(const RelaxationOptions& o, const std::vector<double>& values, double t, double r) {
    if (values.empty()) return 0;
    const size_t terms = values.size() / o.times.size();
    const auto at = [&](size_t i) {
        const std::vector<double> v(values.begin() + long(i * terms), values.begin() + long((i + 1) * terms));
        if (o.form == RelaxationOptions::Form::polynomial) return polynomial(v, r);
        const double place = r * double(terms - 1);
        const size_t k = std::min(size_t(place), terms - 2);
        return v[k] + (place - double(k)) * (v[k + 1] - v[k]);
    };
    t = std::max(t, o.times[0]);
    size_t i = 1;
    while (i < o.times.size() && o.times[i] < t) ++i;
    if (i == o.times.size()) return at(i - 1);
    const double share = std::log(t / o.times[i - 1]) / std::log(o.times[i] / o.times[i - 1]);
    return at(i - 1) + share * (at(i) - at(i - 1));
}

struct Moments {
    double mean = 0, deviation = 0;
};

/// Moments of f(xi) for standard normal xi.
template <class Function>
Moments gaussian_moments(const Function& f) {
    constexpr double kStep = 1e-3;
    double weight = 0, sum = 0, squares = 0;
    for (double x = -6.5; x <= 6.5; x += kStep) {
        const double w = std::exp(-0.5 * x * x), y = f(x);
        weight += w;
        sum += w * y;
        squares += w * y * y;
    }
    const double mean = sum / weight;
    return {mean, std::sqrt(std::max(0.0, squares / weight - mean * mean))};
}

Moments product(Moments a, Moments b) {
    const double squares =
        (a.mean * a.mean + a.deviation * a.deviation) * (b.mean * b.mean + b.deviation * b.deviation);
    const double mean = a.mean * b.mean;
    return {mean, std::sqrt(std::max(0.0, squares - mean * mean))};
}

double write_sigma(const CellOptions& cell, double target, double position) {
    using Model = ProgrammingErrorOptions::Model;
    const ProgrammingErrorOptions& error = cell.programming_error;
    switch (error.model) {
        case Model::independent:
            return error.sigma * cell.g_max;
        case Model::proportional:
            return error.sigma * target;
        case Model::state:
            return value_of(error.deviation, target / cell.g_max);
        case Model::table:
            return error.table[0] + position * (error.table[1] - error.table[0]);
        default:
            return 0;
    }
}

/// Mean and deviation of cells written to `target` and left alone for t, from the preset's own numbers.
Moments expected(const CellOptions& cell, double target, double position, double t) {
    const double r = target / cell.g_max, ceiling = 1.5 * cell.g_max;
    double sigma = write_sigma(cell, target, position), mean = target;
    const RelaxationOptions& relaxation = cell.relaxation;
    if (!relaxation.times.empty() && (t > 0 || relaxation.includes_programming)) {
        mean += relaxed(relaxation, relaxation.mean, t, r);
        sigma = std::hypot(sigma, relaxed(relaxation, relaxation.deviation, t, r));
    }
    Moments g = gaussian_moments([&](double xi) { return std::min(std::max(mean + sigma * xi, 0.0), ceiling); });
    const double spread = cell.device_to_device.sigma;
    g = product(g, {1, spread});
    if (cell.drift.model == DriftOptions::Model::power && t > cell.drift.t0) {
        const double nu = value_of(cell.drift.exponent, r), s = value_of(cell.drift.deviation, r);
        g = product(g, gaussian_moments([&](double xi) {
                        const double drawn = nu + s * xi;
                        return std::pow(t / cell.drift.t0, -(cell.drift.folded ? std::abs(drawn) : drawn));
                    }));
    }
    return g;
}

struct Cells {
    Moments moments;
    std::vector<int32_t> g;
};

Cells write_cells(const CellOptions& cell, int level, double t, uint64_t seed) {
    constexpr int kRows = 60, kColumns = 1000;
    const Grid grid = choose_grid(cell, cell.bits);
    const CellLaw law = make_cell_law(cell, grid, {t, 300});
    const std::vector<uint16_t> levels(kColumns, static_cast<uint16_t>(level));
    Cells cells;
    ProgrammingReport report;
    double sum = 0, squares = 0;
    std::vector<int32_t> g(kColumns);
    std::vector<float> variance(kColumns), wander(kColumns), trap(kColumns);
    for (uint32_t row = 0; row < kRows; ++row) {
        write_row(law, cell_streams(seed, 0), 5, row, levels, {g, variance, wander, trap}, report);
        cells.g.insert(cells.g.end(), g.begin(), g.end());
        for (int i = 0; i < kColumns; ++i) {
            EXPECT_GE(g[size_t(i)], 0);
            EXPECT_LE(g[size_t(i)], grid.ceiling);
            EXPECT_TRUE(std::isfinite(wander[size_t(i)]) && wander[size_t(i)] >= 0);
            const double siemens = g[size_t(i)] * grid.siemens;
            sum += siemens;
            squares += siemens * siemens;
        }
    }
    const double n = kRows * kColumns;
    cells.moments = {sum / n, std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)))};
    return cells;
}

std::vector<double> times_of(const CellOptions& cell) {
    std::vector<double> times;
    for (const double t : {0.0, 0.5, 30.0, 3600.0, kDay, 30 * kDay, kYear}) {
        if (outside_of_model(cell, {t, 300}).empty()) times.push_back(t);
    }
    return times;
}

class DevicePresets : public testing::TestWithParam<DeviceSummary> {};

TEST_P(DevicePresets, KeepTheirFormulas) {
    const CellOptions cell = cell_of(GetParam());
    EXPECT_EQ(cell.name, GetParam().name);
    EXPECT_FALSE(cell.source.empty());
    const Grid grid = choose_grid(cell, cell.bits);
    const int top = grid.levels() - 1;
    ASSERT_GE(times_of(cell).size(), 1U);
    for (const double t : times_of(cell)) {
        if (cell.retention.model == RetentionOptions::Model::flip && t > 0) continue;  // two populations: cell_law_test
        for (const int level : {0, (top + 1) / 3, top}) {
            const double target = (grid.g_min + level * grid.level_step) * grid.siemens;
            const Moments law = expected(cell, target, double(level) / top, t);
            const Cells cells = write_cells(cell, level, t, 3);
            // Five standard errors of 60,000 cells; the tails that clipping cuts make a deviation's error larger.
            const double step = grid.siemens;
            EXPECT_NEAR(cells.moments.mean, law.mean, 5 * law.deviation / 244 + step)
                << "t " << t << " level " << level;
            EXPECT_NEAR(cells.moments.deviation, law.deviation, 0.025 * law.deviation + step)
                << "t " << t << " level " << level;
        }
    }
}

TEST_P(DevicePresets, AreDeterministicAndDifferFromChipToChip) {
    const CellOptions cell = cell_of(GetParam());
    const int top = (1 << cell.bits) - 1;
    for (const double t : times_of(cell)) {
        const Cells one = write_cells(cell, top, t, 3), two = write_cells(cell, top, t, 3);
        EXPECT_EQ(one.g, two.g);
        // Of a device that only has faults every cell that works is alike.
        const bool spread = std::adjacent_find(one.g.begin(), one.g.end(), std::not_equal_to<>()) != one.g.end();
        if (spread) {
            EXPECT_NE(one.g, write_cells(cell, top, t, 4).g);
        }
    }
}

TEST_P(DevicePresets, RefuseWhatTheyDoNotCover) {
    const CellOptions cell = cell_of(GetParam());
    const Grid grid = choose_grid(cell, cell.bits);
    if (!cell.relaxation.times.empty()) {
        EXPECT_THROW(make_cell_law(cell, grid, {cell.relaxation.times.back() * 1.01, 300}), ConfigError);
        EXPECT_NE(outside_of_model(cell, {cell.relaxation.times.back() * 1.01, 300}), "");
    }
    if (!cell.valid.time.empty()) {
        EXPECT_THROW(make_cell_law(cell, grid, {cell.valid.time[1] * 1.01, 300}), ConfigError);
    }
    if (!cell.valid.temperature.empty()) {
        EXPECT_THROW(make_cell_law(cell, grid, {0, cell.valid.temperature[1] + 1}), ConfigError);
    }
    EXPECT_NO_THROW(make_cell_law(cell, grid, {0, 300}));
}

TEST_P(DevicePresets, SayWhatNoSourceGives) {
    if (GetParam().required.empty()) {
        EXPECT_FALSE(GetParam().covers.empty());
        return;
    }
    try {
        read_architecture("default", {{"cell.device", GetParam().name}});
        FAIL() << "a template was taken for a device";
    } catch (const ConfigError& error) {
        for (const std::string& key : GetParam().required)
            EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
}

INSTANTIATE_TEST_SUITE_P(All, DevicePresets, testing::ValuesIn(list_devices()), [](const auto& preset) {
    std::string name = preset.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

// Published values, worked out by hand from the papers' formulas.
TEST(MeasuredDevices, HaveTheirPublishedNumbers) {
    const auto cell = [](const char* name) { return read_architecture("default", {{"cell.device", name}}).cell; };
    const CellOptions pcm = cell("pcm-nandakumar2019");
    EXPECT_NEAR(evaluate(pcm.programming_error.deviation, 0.5), 0.26348e-6 + 0.98250e-6 - 0.293275e-6, 1e-15);
    EXPECT_NEAR(evaluate(pcm.drift.exponent, 1), 0.049, 1e-12);
    EXPECT_NEAR(evaluate(pcm.drift.deviation, 1), 0.008, 1e-12);
    const CellOptions one = cell("pcm-hermes-one"), two = cell("pcm-hermes-two");
    EXPECT_NEAR(evaluate(one.drift.exponent, 0.5), 0.05640, 1e-5);
    EXPECT_NEAR(evaluate(one.drift.deviation, 0.5), 0.01207, 1e-5);
    EXPECT_NEAR(evaluate(two.drift.deviation, 0.5), 0.00900, 1e-5);
    EXPECT_NEAR(evaluate(one.read_noise.flicker.amplitude, 0.5), 0.02170, 1e-5);
    EXPECT_NEAR(evaluate(two.read_noise.flicker.amplitude, 0.5), 0.01671, 1e-5);
    EXPECT_NEAR(evaluate(two.read_noise.flicker.amplitude, 1), 0.01230, 1e-5);
    const auto deviation = [](const CellOptions& c, int level, double t) {
        CellOptions wide = c;
        wide.bits = 4;
        return write_cells(wide, level, t, 9).moments.deviation;
    };
    // 1 s: 0.348 + 16.030 r - 43.853 r^2 + 45.393 r^3 - 16.815 r^4 uS at r = 1 and, two days later, at r = 1.
    EXPECT_NEAR(deviation(cell("rram-wan2022"), 15, 0), 1.103e-6, 0.02e-6);
    EXPECT_NEAR(deviation(cell("rram-wan2022"), 15, 2 * kDay), 2.677e-6, 0.04e-6);
    EXPECT_NE(outside_of_model(cell("rram-wan2022"), {kYear, 300}), "");
    // 0.0112 + 0.01129 g uS, and 0.4118 + 0.0420 ln t uS after a day.
    EXPECT_NEAR(deviation(cell("rram-cmo-falcone2025"), 15, 0), 1.007e-6, 0.02e-6);
    EXPECT_NEAR(deviation(cell("rram-cmo-falcone2025"), 15, kDay), std::hypot(1.007e-6, 0.8895e-6), 0.03e-6);
    // Of 10,000 cells 175 stick at G_max and 904 at G_min.
    const CellOptions chen =
        read_architecture("default",
                          {{"cell.device", "rram-chen2015"}, {"cell.g_min", "1 uS"}, {"cell.g_max", "100 uS"}})
            .cell;
    EXPECT_DOUBLE_EQ(chen.stuck_at.high_rate, 0.0175);
    EXPECT_DOUBLE_EQ(chen.stuck_at.low_rate, 0.0904);
}

}  // namespace
}  // namespace bitline
