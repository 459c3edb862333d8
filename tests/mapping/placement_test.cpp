// Faults, what they do to a layer, and what remapping and spare columns mend; brute force is the judge.

#include "mapping/placement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"
#include "mapping/cell_files.h"
#include "mapping/chip.h"
#include "support/chip_cells.h"
#include "support/random_network.h"
#include "support/small_networks.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RandomSource;
using testing::TemporaryFolder;

constexpr int64_t kIn = 40, kOut = 12;

Network small_layer(uint64_t seed = 4, int64_t in = kIn, int64_t out = kOut) {
    RandomSource random(seed);
    std::vector<int32_t> weights(static_cast<size_t>(in * out));
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-15, 15));
    weights[0] = 15;
    return testing::fully_connected(in, out, weights, 5, testing::codes(1, false));
}

Architecture small_arrays() {
    Architecture a;
    a.array.rows = 24;
    a.array.cols = 32;
    a.cell.g_min = 1e-6;
    a.adc.bits = 0;
    return a;
}

Architecture with_map(Architecture a, const TemporaryFolder& folder, const std::string& rows) {
    a.cell.stuck_at.map = folder.write("faults.csv", "array,row,col,state\n" + rows);
    load_files(a.cell);
    return a;
}

struct Outcome {
    double error = 0;  // sum of |difference of conductances from the ideal chip's|, in levels times significance
    ProgrammingReport report;
};

Outcome outcome(const Network& network, const Architecture& architecture, uint32_t trial = 0) {
    const Mapping mapping = map_network(network, architecture);
    const Chip ideal = program_ideal(mapping), chip = program(mapping, static_ranges(mapping), 5, trial);
    Outcome result{0, chip.report};
    for (size_t a = 0; a < mapping.layers[0].arrays.size(); ++a) {
        const auto& columns = mapping.layers[0].arrays[a].columns;
        for (size_t b = 0; b < chip.layers[0].arrays[a].blocks.size(); ++b) {
            const auto &is = chip.layers[0].arrays[a].blocks[b].cells.g,
                       &want = ideal.layers[0].arrays[a].blocks[b].cells.g;
            for (size_t i = 0; i < is.size(); ++i)
                result.error += std::abs(is[i] - want[i]) *
                                std::abs(static_cast<double>(columns[i % columns.size()].weight)) /
                                mapping.layers[0].grid.level_step;
        }
    }
    return result;
}

TEST(AssignRows, FindsTheLeastSumThatBruteForceFinds) {
    RandomSource random(3);
    for (int round = 0; round < 300; ++round) {
        const auto n = static_cast<size_t>(random.between(1, 5)), m = n + static_cast<size_t>(random.between(0, 2));
        std::vector<double> cost(n * m);
        for (double& c : cost) c = static_cast<double>(random.between(0, round % 2 ? 3 : 1000));
        const std::vector<uint32_t> places = assign_rows(cost, n, m);
        const auto sum = [&](const std::vector<uint32_t>& p) {
            double total = 0;
            for (size_t i = 0; i < n; ++i) total += cost[i * m + p[i]];
            return total;
        };
        std::vector<uint32_t> all(m);
        std::iota(all.begin(), all.end(), 0U);
        double least = 1e300;
        do least = std::min(least, sum(all));
        while (std::next_permutation(all.begin(), all.end()));
        std::vector<uint32_t> distinct = places;
        std::sort(distinct.begin(), distinct.end());
        EXPECT_EQ(std::adjacent_find(distinct.begin(), distinct.end()), distinct.end());
        ASSERT_EQ(sum(places), least) << round;
    }
}

TEST(Faults, LandOnTheCellThatTheMapNames) {
    const TemporaryFolder folder;
    const Network network = small_layer();
    // Two slices, so outputs 0 .. 7 in arrays 0 and 2, 8 .. 11 in arrays 1 and 3; rows 24 .. 39 in arrays 2 and 3.
    const Mapping plain = map_network(network, small_arrays());
    ASSERT_EQ(plain.layers[0].arrays.size(), 4U);
    const Architecture a = with_map(small_arrays(), folder, "0,3,4,high\n1,0,1,low\n2,15,31,2e-5\n3,7,0,open\n");
    const Mapping mapping = map_network(network, a);
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
    const Chip ideal = program_ideal(mapping);
    const Grid& grid = mapping.layers[0].grid;
    const auto cell = [](const Chip& c, size_t array, size_t row, size_t column) {
        const kernels::Block& block = c.layers[0].arrays[array].blocks[0].cells;
        return block.g[row * static_cast<size_t>(block.cols) + column];
    };
    const auto level = [&](size_t array, size_t row, size_t column, bool negative) {
        std::vector<uint16_t> p, n;
        target_levels(mapping.layers[0], mapping.layers[0].arrays[array], p, n);
        const size_t columns = mapping.layers[0].arrays[array].columns.size();
        return grid.g_min + grid.level_step * (negative ? n : p)[row * columns + column];
    };
    EXPECT_EQ(cell(chip, 0, 3, 2), grid.g_max - level(0, 3, 2, true));
    EXPECT_EQ(cell(chip, 1, 0, 0), level(1, 0, 0, false) - grid.g_min);
    EXPECT_EQ(cell(chip, 2, 15, 15), level(2, 15, 15, false) - std::lround(2e-5 / grid.siemens));
    EXPECT_EQ(cell(chip, 3, 7, 0), 0 - level(3, 7, 0, true));
    const std::vector<int32_t> is = testing::conductances(chip), want = testing::conductances(ideal);
    int changed = 0;
    for (size_t i = 0; i < is.size(); ++i) changed += is[i] != want[i];
    EXPECT_LE(changed, 4);
    EXPECT_EQ(chip.report.stuck_high, 1);
    EXPECT_EQ(chip.report.stuck_low, 1);
    EXPECT_EQ(chip.report.stuck_other, 1);
    EXPECT_EQ(chip.report.open, 1);
}

TEST(Faults, OpenLinesCarryNoCurrentAndNoNoise) {
    const TemporaryFolder folder;
    Architecture a = with_map(small_arrays(), folder, "0,5,*,open\n0,*,7,open\n");
    a.cell.read_noise.sigma = 0.1;
    a.cell.read_noise.telegraph.amplitude = 0.2;
    a.cell.read_noise.flicker.amplitude.polynomial = {0.1};
    const Mapping mapping = map_network(small_layer(), a);
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0, {3600, 300});
    const ChipBlock& block = chip.layers[0].arrays[0].blocks[0];
    const auto cols = static_cast<size_t>(block.cells.cols);
    for (size_t c = 0; c < cols; ++c) {
        const size_t i = 5 * cols + c;
        EXPECT_EQ(block.cells.g[i], 0);
        EXPECT_EQ(block.cells.variance[i], 0);
        EXPECT_EQ(block.wander.rms[i], 0);
        EXPECT_EQ(block.wander.trap[2 * i], 0);
        EXPECT_GT(block.cells.variance[i + cols], 0);
    }
    for (size_t r = 0; r < 24; ++r) EXPECT_EQ(block.wander.trap[2 * (r * cols + 3) + 1], 0);  // bit line 7
    EXPECT_EQ(chip.report.open_word_lines, 1);
    EXPECT_EQ(chip.report.open_bit_lines, 1);
    EXPECT_EQ(chip.report.open, 32 + 24 - 1);
}

TEST(Faults, RatesOfLinesAreMetOverTrials) {
    Architecture a = small_arrays();
    a.array.line_faults = {0.05, 0.02};
    const Mapping mapping = map_network(small_layer(), a);
    double word = 0, bit = 0;
    const int trials = 400;
    for (uint32_t trial = 0; trial < trials; ++trial) {
        const ProgrammingReport report = program(mapping, static_ranges(mapping), 3, trial).report;
        word += static_cast<double>(report.open_word_lines);
        bit += static_cast<double>(report.open_bit_lines);
    }
    const double words = trials * 2.0 * kIn, bits = trials * 2.0 * 2 * 2 * kOut;  // two arrays across, two down
    EXPECT_NEAR(word / words, 0.05, 5 * std::sqrt(0.05 / words));
    EXPECT_NEAR(bit / bits, 0.02, 5 * std::sqrt(0.02 / bits));
}

TEST(Faults, EveryRepairLowersTheError) {
    const Network network = small_layer();
    Architecture a = small_arrays();
    a.cell.stuck_at.low_rate = 0.05;
    a.cell.stuck_at.high_rate = 0.02;
    a.array.line_faults.open_bit_lines = 0.03;
    const auto repaired = [](Architecture b, FaultRemap remap, int spares) {
        b.fault_remap = remap;
        b.array.spare_columns = spares;
        return b;
    };
    double none = 0, rows = 0, pairs = 0, spares = 0, both = 0;
    for (uint32_t trial = 0; trial < 8; ++trial) {
        const Outcome base = outcome(network, a, trial);
        EXPECT_EQ(base.report.faulty_digits, base.report.unrepaired_digits);
        none += base.error;
        rows += outcome(network, repaired(a, FaultRemap::rows, 0), trial).error;
        pairs += outcome(network, repaired(a, FaultRemap::pairs, 0), trial).error;
        spares += outcome(network, repaired(a, FaultRemap::none, 4), trial).error;
        const Outcome last = outcome(network, repaired(a, FaultRemap::pairs, 4), trial);
        both += last.error;
        EXPECT_LT(last.report.faulty_digits, last.report.unrepaired_digits);
    }
    EXPECT_LT(rows, 0.97 * none);
    EXPECT_LT(pairs, 0.9 * none);
    EXPECT_LT(spares, 0.9 * none);
    EXPECT_LT(both, 0.95 * pairs);
    EXPECT_LT(both, 0.95 * spares);
}

TEST(Faults, RowsThatChangePlacesKeepTheirProducts) {
    // Faults only in unused word lines and columns of the one that is used: nothing is left of them.
    const TemporaryFolder folder;
    const Network network = small_layer(4, 10, 3);
    for (const int active : {0, 4}) {
        Architecture a = small_arrays();
        a.array.active_rows = active;
        std::string faults;
        for (int row = 0; row < (active ? 1 : 14); ++row) faults += fmt::format("0,{},1,high\n0,{},2,high\n", row, row);
        a = with_map(a, folder, faults);
        EXPECT_GT(outcome(network, a).error, 0) << active;
        a.fault_remap = FaultRemap::rows;
        const Outcome repaired = outcome(network, a);
        if (!active) {
            EXPECT_EQ(repaired.error, 0);
            EXPECT_EQ(repaired.report.faulty_digits, 0);
            EXPECT_GT(repaired.report.unrepaired_digits, 0);
        } else {
            a.fault_remap = FaultRemap::none;
            EXPECT_LE(repaired.error, outcome(network, a).error);
        }
    }
}

/// Every order of the rows of a small array: the assignment is the best of them.
TEST(Faults, OrderOfRowsIsTheBestOfAll) {
    const TemporaryFolder folder;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        RandomSource random(seed);
        const Network network = small_layer(seed, 5, 3);
        std::string faults;
        for (int row = 0; row < 6; ++row)
            for (int col = 0; col < 12; ++col)
                if (random.chance(0.15))
                    faults += fmt::format("0,{},{},{}\n", row, col, random.chance(0.5) ? "low" : "high");
        Architecture a = small_arrays();
        a.array.rows = 6;
        a = with_map(a, folder, faults);
        a.fault_remap = FaultRemap::rows;
        const Mapping mapping = map_network(network, a);
        const MappedLayer& layer = mapping.layers[0];
        const CellLaw law = make_cell_law(a.cell, layer.grid, {});
        ProgrammingReport report;
        Placement found, wanted;
        place_cells(a, layer, layer.arrays[0], law, cell_streams(1, 0), found, report);
        // Cost of wanted row r on line p, from a placement that moves nothing and holds every line.
        place_cells(layer, layer.arrays[0], wanted);
        const auto stuck_at = [&](uint32_t line, size_t col) -> double {
            const auto [first, last] = a.cell.stuck_at.known->of_array(0);
            for (size_t i = first; i < last; ++i) {
                const Fault& f = a.cell.stuck_at.known->faults[i];
                if (f.row == static_cast<int32_t>(line) && f.col == static_cast<int32_t>(col))
                    return f.state == CellState::low ? layer.grid.g_min : layer.grid.g_max;
            }
            return std::nan("");
        };
        const auto cost = [&](const std::vector<uint32_t>& lines) {
            double sum = 0;
            for (size_t r = 0; r < 5; ++r)
                for (size_t b = 0; b < wanted.used; ++b) {
                    const double g = stuck_at(lines[r], b);
                    if (std::isnan(g)) continue;
                    const double weight = std::abs(static_cast<double>(layer.arrays[0].columns[b / 2].weight));
                    sum += std::abs(g - law.target[wanted.levels[r * wanted.used + b]]) * weight;
                }
            return sum;
        };
        std::vector<uint32_t> order(6);
        std::iota(order.begin(), order.end(), 0U);
        double least = 1e300;
        do least = std::min(least, cost(order));
        while (std::next_permutation(order.begin(), order.end()));
        EXPECT_DOUBLE_EQ(cost(found.word_line), least) << seed;
    }
}

TEST(Faults, PartnerOfAStuckCellMakesUpForIt) {
    // One weight of 2 in cells of 2 bits: (2, 0). The positive cell is stuck at 3: the negative one goes to 1.
    const TemporaryFolder folder;
    const Network network = testing::fully_connected(1, 2, {2, -3}, 3, testing::codes(1, false));
    Architecture a = with_map(small_arrays(), folder, "0,0,0,high\n0,0,3,low\n");
    a.fault_remap = FaultRemap::pairs;
    for (const auto subtraction : {WeightOptions::Subtraction::analog, WeightOptions::Subtraction::digital}) {
        a.weights.subtraction = subtraction;
        const Mapping mapping = map_network(network, a);
        const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
        ChipEngine engine(network, mapping, chip);
        std::vector<double> acc(2);
        engine.product(network, 1, std::vector<int32_t>{1}, 1, 0, acc);
        EXPECT_EQ(acc[0], 2);  // 3 - 1
        EXPECT_EQ(acc[1], 0);  // the negative cell at 0, and no level below it: (0, 0) instead of (0, 3)
        EXPECT_EQ(chip.report.unrepaired_digits, 2);
        EXPECT_EQ(chip.report.faulty_digits, 1);
    }
}

TEST(Faults, SpareLinesHaveFaultsOfTheirOwn) {
    const TemporaryFolder folder;
    const Network network = small_layer(4, 10, 3);  // 12 bit lines of 32 in use; spare ones are 32 and 33
    Architecture a = small_arrays();
    a.array.spare_columns = 2;
    const std::string worst = "0,*,4,open\n0,2,0,high\n";
    EXPECT_EQ(outcome(network, with_map(a, folder, worst)).error, 0);
    EXPECT_EQ(outcome(network, with_map(a, folder, worst + "0,*,32,open\n0,*,20,open\n")).report.faulty_digits,
              outcome(network, with_map(small_arrays(), folder, "0,2,0,high\n")).report.faulty_digits);
    EXPECT_GT(outcome(network, with_map(a, folder, worst + "0,*,32,open\n0,*,33,open\n")).error, 0);
}

TEST(Faults, CellsThatMoveKeepTheirNoise) {
    // A cell's programming error belongs to its place: where no line moves, spare ones and faults elsewhere change
    // nothing.
    const TemporaryFolder folder;
    const Network network = small_layer();
    Architecture a = small_arrays();
    a.cell.programming_error.sigma = 0.02;
    const auto cells = [&](const Architecture& b) {
        const Mapping mapping = map_network(network, b);
        return testing::conductances(program(mapping, static_ranges(mapping), 9, 0));
    };
    const std::vector<int32_t> base = cells(a);
    Architecture b = with_map(a, folder, "0,*,4,open\n");
    b.array.spare_columns = 1;
    const std::vector<int32_t> moved = cells(b);
    ASSERT_EQ(base.size(), moved.size());
    int changed = 0;
    for (size_t i = 0; i < base.size(); ++i) changed += base[i] != moved[i];
    EXPECT_GE(changed, 12);  // bit line 4 of array 0, all 24 cells of it
    EXPECT_LE(changed, 24);
}

TEST(Faults, SameSeedSameCellsForAnyThreads) {
    Architecture a = small_arrays();
    a.cell.stuck_at.low_rate = 0.1;
    a.array.line_faults = {0.02, 0.02};
    a.array.spare_columns = 3;
    const Network network = small_layer();
    for (const FaultRemap remap : {FaultRemap::none, FaultRemap::rows, FaultRemap::pairs}) {
        a.fault_remap = remap;
        const Mapping mapping = map_network(network, a);
        const int before = threads();
        set_threads(1);
        const Chip one = program(mapping, static_ranges(mapping), 5, 2);
        set_threads(4);
        const Chip four = program(mapping, static_ranges(mapping), 5, 2);
        set_threads(before);
        EXPECT_EQ(testing::conductances(one), testing::conductances(four));
        EXPECT_EQ(one.report, four.report);
        EXPECT_NE(testing::conductances(one), testing::conductances(program(mapping, static_ranges(mapping), 5, 3)));
    }
}

TEST(Faults, EveryEncodingRunsWithEveryRepair) {
    for (const WeightEncoding encoding :
         {WeightEncoding::differential, WeightEncoding::offset, WeightEncoding::twos_complement,
          WeightEncoding::flipped, WeightEncoding::multilevel, WeightEncoding::xnor}) {
        for (const FaultRemap remap : {FaultRemap::none, FaultRemap::rows, FaultRemap::pairs}) {
            for (const int cols : {1, 32}) {
                Architecture a = small_arrays();
                a.array.cols = cols;
                a.array.active_rows = 8;
                a.cell.bits = encoding == WeightEncoding::multilevel ? 5 : 2;
                a.weights.encoding = encoding;
                a.weights.fallback = encoding == WeightEncoding::differential
                                         ? std::nullopt
                                         : std::optional(WeightEncoding::differential);
                a.cell.stuck_at.high_rate = 0.05;
                a.array.line_faults.open_word_lines = 0.05;
                a.array.spare_columns = 2;
                a.fault_remap = remap;
                const Outcome result = outcome(small_layer(), a);
                EXPECT_GT(result.error, 0) << to_string(encoding) << ' ' << cols;
                EXPECT_GT(result.report.unrepaired_digits, 0) << to_string(encoding);
            }
        }
    }
}

std::string refusal(const Architecture& a) {
    try {
        map_network(small_layer(), a);
    } catch (const InputError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Faults, OutsideOfTheChipAreRefusedWithTheirRow) {
    const TemporaryFolder folder;
    Architecture a = small_arrays();
    const auto says = [&](const std::string& rows) { return refusal(with_map(a, folder, rows)); };
    EXPECT_EQ(says("3,23,31,low\n"), "accepted");
    EXPECT_THAT(says("3,23,31,low\n4,0,0,low\n"), AllOf(HasSubstr("faults.csv:3"), HasSubstr("array = 4")));
    EXPECT_THAT(says("0,24,0,low\n"),
                AllOf(HasSubstr("faults.csv:2"), HasSubstr("row = 24"), HasSubstr("array.rows = 24")));
    EXPECT_THAT(says("0,0,32,low\n"), AllOf(HasSubstr("faults.csv:2"), HasSubstr("col = 32")));
    EXPECT_THAT(says("0,0,1,3e-4\n"), AllOf(HasSubstr("faults.csv:2"), HasSubstr("g_ceiling")));
    a.array.spare_columns = 1;
    EXPECT_EQ(says("0,0,32,low\n"), "accepted");
    a.array.spare_columns = 0;
    a.cell.reprogrammable = true;
    a.chip = {8, 2, 1};  // 16 arrays, 12 of them without a use
    EXPECT_EQ(says("15,0,0,low\n"), "accepted");
    EXPECT_THAT(says("16,0,0,low\n"), HasSubstr("array = 16"));
    a = small_arrays();
    a.array.rows = 4096;
    a.cell.stuck_at.low_rate = 0.1;
    a.fault_remap = FaultRemap::rows;
    EXPECT_THAT(refusal(a), AllOf(HasSubstr("1024"), HasSubstr("4096")));
}

}  // namespace
}  // namespace bitline
