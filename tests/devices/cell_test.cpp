#include "devices/cell_law.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "devices/fault_map.h"

namespace bitline {
namespace {

TEST(Grid, LevelsAndLeakAreWholeSteps) {
    for (double ratio : {0.0, 0.5, 0.1, 1.0 / 3, 0.01, 0.0137, 1e-3, 1e-4, 1e-5}) {
        for (int bits : {1, 2, 3, 4, 6, 8, 12, 16}) {
            CellOptions cell;
            cell.g_max = 1e-4;
            cell.g_min = ratio * cell.g_max;
            const Grid grid = choose_grid(cell, bits);
            const std::string where = fmt::format("ratio {} bits {}", ratio, bits);
            EXPECT_EQ(grid.level_step % 2, 1) << where;
            EXPECT_EQ(grid.g_max, grid.g_min + ((1 << bits) - 1) * grid.level_step) << where;
            EXPECT_LT(grid.g_max, 1 << 23) << where;
            EXPECT_GE(grid.g_max, 8192) << where;  // 2^-13 of G_max or finer
            EXPECT_NEAR(grid.g_max * grid.siemens, cell.g_max, 2e-3 * cell.g_max) << where;
            EXPECT_NEAR(grid.g_min * grid.siemens, cell.g_min, 1e-3 * cell.g_min + 1e-20) << where;
            EXPECT_NEAR(grid.ceiling * grid.siemens, 1.5 * cell.g_max, 1e-3 * cell.g_max) << where;
        }
    }
}

TEST(Grid, UsualCellsFitOneLimb) {
    CellOptions cell;
    cell.g_min = 1e-6;
    EXPECT_LT(choose_grid(cell, 2).ceiling, 32768);
    cell.g_ceiling = 3e-4;
    EXPECT_LT(choose_grid(cell, 2).ceiling, 32768);
}

struct Moments {
    double mean = 0, deviation = 0;
    ProgrammingReport report;
};

/// Programs 400 x 1000 cells of one level.
Moments program_many(const CellOptions& cell, uint16_t level) {
    const Grid grid = choose_grid(cell, cell.bits);
    const CellLaw law = make_cell_law(cell, grid, {});
    const std::vector<uint16_t> levels(1000, level);
    std::vector<int32_t> g(levels.size());
    Moments moments;
    double sum = 0, squares = 0, count = 0;
    for (uint32_t row = 0; row < 400; ++row) {
        write_row(law, cell_streams(11, 2), 3, row, levels, {g, {}, {}, {}}, moments.report);
        for (int32_t x : g) {
            const double siemens = x * grid.siemens;
            sum += siemens;
            squares += siemens * siemens;
            ++count;
        }
    }
    moments.mean = sum / count;
    moments.deviation = std::sqrt(squares / count - moments.mean * moments.mean);
    return moments;
}

// 400,000 samples: five standard errors of a mean are 0.8 % of sigma, of a deviation 0.56 %.
constexpr double kMean = 0.008, kDeviation = 0.0056;

TEST(ProgrammingError, IndependentHasSigmaOfGmaxInEveryState) {
    CellOptions cell;
    cell.g_min = 2e-5;
    cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.02, {}, {}};
    for (uint16_t level : {0, 1, 2, 3}) {
        const Moments m = program_many(cell, level);
        const double sigma = 0.02 * cell.g_max, target = 2e-5 + level * 8e-5 / 3;
        EXPECT_NEAR(m.mean, target, kMean * sigma + 1e-8) << level;
        EXPECT_NEAR(m.deviation, sigma, kDeviation * sigma) << level;
        EXPECT_EQ(m.report.cells, 400000);
        EXPECT_EQ(m.report.clipped, 0);
    }
}

TEST(ProgrammingError, ProportionalScalesWithTheState) {
    CellOptions cell;
    cell.g_min = 1e-5;
    cell.programming_error = {ProgrammingErrorOptions::Model::proportional, 0.05, {}, {}};
    for (uint16_t level : {0, 1, 3}) {
        const Moments m = program_many(cell, level);
        const double target = 1e-5 + level * 3e-5;
        EXPECT_NEAR(m.mean, target, kMean * 0.05 * target + 1e-8) << level;
        EXPECT_NEAR(m.deviation, 0.05 * target, kDeviation * 0.05 * target + 3e-9) << level;
    }
}

TEST(ProgrammingError, LogNormalHasItsClosedFormMoments) {
    CellOptions cell;
    cell.g_min = 1e-5;
    cell.g_ceiling = 1e-3;  // far away: clipping would bend the moments
    const double s = 0.2;
    cell.programming_error = {ProgrammingErrorOptions::Model::lognormal, s, {}, {}};
    const double target = 4e-5;
    const Moments m = program_many(cell, 1);
    const double mean = target * std::exp(s * s / 2), deviation = mean * std::sqrt(std::exp(s * s) - 1);
    EXPECT_NEAR(m.mean, mean, kMean * deviation);
    EXPECT_NEAR(m.deviation, deviation, 2 * kDeviation * deviation);
}

TEST(ProgrammingError, StaysWithinPhysicalLimitsAndCountsWhatItClips) {
    CellOptions cell;
    cell.g_ceiling = 1.1e-4;
    cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.1, {}, {}};
    // From level 0 half of all cells would fall below zero; from the top those above one sigma.
    const double low = static_cast<double>(program_many(cell, 0).report.clipped) / 400000;
    const double high = static_cast<double>(program_many(cell, 3).report.clipped) / 400000;
    EXPECT_NEAR(low, 0.5, 0.005);
    EXPECT_NEAR(high, 0.1587, 0.005);
}

TEST(StuckAt, RatesAndPlacesComeFromTheSeed) {
    const StuckAtOptions stuck{0.0904, 0.0175};
    double low = 0, high = 0;
    std::vector<CellState> states(1000);
    for (uint32_t row = 0; row < 400; ++row) {
        std::fill(states.begin(), states.end(), CellState::works);
        draw_stuck_cells(stuck, cell_streams(11, 2).stuck_at, 3, row, states);
        low += static_cast<double>(std::count(states.begin(), states.end(), CellState::low));
        high += static_cast<double>(std::count(states.begin(), states.end(), CellState::high));
    }
    EXPECT_NEAR(low / 400000, 0.0904, 5 * std::sqrt(0.0904 / 400000));
    EXPECT_NEAR(high / 400000, 0.0175, 5 * std::sqrt(0.0175 / 400000));

    std::vector<CellState> again(1000), other(1000);
    draw_stuck_cells(stuck, cell_streams(11, 2).stuck_at, 3, 399, again);
    draw_stuck_cells(stuck, cell_streams(11, 3).stuck_at, 3, 399, other);
    EXPECT_EQ(states, again);
    EXPECT_NE(states, other);
}

TEST(StuckAt, HoldsWhateverProgrammingAndTimeDoToOtherCells) {
    CellOptions cell;
    cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.1, {}, {}};
    cell.drift.model = DriftOptions::Model::power;
    cell.drift.exponent.polynomial = {0.1};
    const Grid grid = choose_grid(cell, 2);
    const std::vector<uint16_t> levels(64, 1);
    std::vector<int32_t> g(64);
    std::vector<double> stuck(64, grid.g_max);
    stuck[5] = std::nan("");
    stuck[6] = 0;
    ProgrammingReport report;
    write_row(make_cell_law(cell, grid, {1e6, 300}), cell_streams(1, 0), 0, 0, levels, {g, {}, {}, {}, stuck}, report);
    EXPECT_LT(g[5], grid.g_max / 4);  // a quarter of level 1 is left
    EXPECT_GT(g[5], 0);
    EXPECT_EQ(g[6], 0);
    for (size_t i = 7; i < g.size(); ++i) EXPECT_EQ(g[i], grid.g_max);
}

TEST(OpenLines, HaveTheirRateAndEachLineItsOwnDraw) {
    double open = 0;
    for (uint32_t array = 0; array < 1000; ++array)
        open += static_cast<double>(draw_open_lines(0.03, cell_streams(2, 0).open_word_line, array, 400).size());
    EXPECT_NEAR(open / 400000, 0.03, 5 * std::sqrt(0.03 / 400000));
    // A line is open or not whatever the number of lines beside it.
    const std::vector<uint32_t> few = draw_open_lines(0.3, cell_streams(2, 0).open_bit_line, 7, 50);
    const std::vector<uint32_t> many = draw_open_lines(0.3, cell_streams(2, 0).open_bit_line, 7, 80);
    ASSERT_LE(few.size(), many.size());
    EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
    EXPECT_NE(few, draw_open_lines(0.3, cell_streams(2, 0).open_word_line, 7, 50));
}

TEST(Programming, ErrorsOfNeighbouringRowsArraysAndTrialsAreIndependent) {
    CellOptions cell;
    cell.g_min = 5e-5;
    cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.02, {}, {}};
    const Grid grid = choose_grid(cell, 2);
    const size_t n = 40000;
    const std::vector<uint16_t> levels(n, 1);
    const auto errors = [&](uint32_t trial, uint32_t array, uint32_t row) {
        std::vector<int32_t> g(n);
        ProgrammingReport report;
        write_row(make_cell_law(cell, grid, {}), cell_streams(1, trial), array, row, levels, {g, {}, {}, {}}, report);
        std::vector<double> e(n);
        for (size_t i = 0; i < n; ++i) e[i] = (g[i] - grid.g_min - grid.level_step) / (0.02 * grid.g_max);
        return e;
    };
    const std::vector<double> base = errors(0, 0, 0);
    const std::vector<std::vector<double>> others{errors(1, 0, 0), errors(0, 1, 0), errors(0, 0, 1)};
    for (const auto& other : others) {
        const double correlation =
            std::inner_product(base.begin(), base.end(), other.begin(), 0.0) / static_cast<double>(n);
        EXPECT_LT(std::abs(correlation), 5 / std::sqrt(static_cast<double>(n)));
    }
}

}  // namespace
}  // namespace bitline
