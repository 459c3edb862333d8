// Chips whose word and bit lines have a resistance, against dense solves of whole arrays, node by node.

#include "mapping/array_wires.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "mapping/compensation.h"
#include "mapping/wire_study.h"
#include "support/random_network.h"
#include "support/small_networks.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using testing::RandomSource;
using Settings = std::vector<Setting>;

constexpr int kRows = 20, kCols = 6;

Network network_of(int rows = kRows, int cols = kCols) {
    RandomSource random(8);
    std::vector<int32_t> weights(static_cast<size_t>(rows * cols));
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-7, 7));
    return testing::fully_connected(rows, cols, weights, 4, testing::codes(4, false));
}

/// An array that is larger than the layer, a cell in every converter column, converters far finer than a level.
Architecture chip_of(const Settings& more) {
    Settings settings{{"array.rows", "24"}, {"array.cols", "28"},   {"cell.g_min", "5 uS"},
                      {"adc.bits", "16"},   {"adc.range", "fixed"}, {"adc.columns_per_converter", "1"}};
    settings.insert(settings.end(), more.begin(), more.end());
    return parse_architecture("name: wired", "wired.yaml", settings);
}

Settings with(Settings settings, const Settings& more) {
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
}

const Settings kDigital{{"weights.subtraction", "digital"}};
const Settings kWires{
    {"wires.row_ohm", "25"}, {"wires.col_ohm", "12"}, {"wires.driver_ohm", "80"}, {"wires.sense_ohm", "40"}};

/// Of one array without bit-line pairs: all conductances between lines and converter columns, in grid steps.
std::vector<int32_t> conductances(const ChipArray& array) {
    std::vector<int32_t> g;
    for (const ChipBlock& block : array.blocks) g.insert(g.end(), block.cells.g.begin(), block.cells.g.end());
    return g;
}

/// Currents into the converters for 1 V on each row in turn, by Gaussian elimination of every node of the array:
/// (rows x cols). `g`: S, (rows, cols).
Eigen::MatrixXd solve_all_nodes(const Eigen::MatrixXd& g, const WireOptions& wires) {
    const Eigen::Index rows = g.rows(), cols = g.cols(), cells = rows * cols;
    const auto word = [&](Eigen::Index i, Eigen::Index j) { return i * cols + j; };
    const auto bit = [&](Eigen::Index i, Eigen::Index j) { return cells + i * cols + j; };
    Eigen::MatrixXd nodes = Eigen::MatrixXd::Zero(2 * cells, 2 * cells), sources(2 * cells, rows);
    sources.setZero();
    const auto join = [&](Eigen::Index a, Eigen::Index b, double siemens) {
        nodes(a, a) += siemens;
        nodes(b, b) += siemens;
        nodes(a, b) -= siemens;
        nodes(b, a) -= siemens;
    };
    const double driver = 1 / wires.driver_ohm, sense = 1 / wires.sense_ohm;
    for (Eigen::Index i = 0; i < rows; ++i) {
        for (Eigen::Index j = 0; j < cols; ++j) {
            join(word(i, j), bit(i, j), g(i, j));
            if (j + 1 < cols) join(word(i, j), word(i, j + 1), 1 / wires.row_ohm);
            if (i + 1 < rows) join(bit(i, j), bit(i + 1, j), 1 / wires.col_ohm);
        }
        const auto drive = [&](Eigen::Index at) {
            nodes(at, at) += driver;
            sources(at, i) += driver;
        };
        if (wires.drive != WireOptions::Drive::right) drive(word(i, 0));
        if (wires.drive != WireOptions::Drive::left) drive(word(i, cols - 1));
    }
    const Eigen::Index last = wires.sense == WireOptions::Sense::bottom ? rows - 1 : 0;
    for (Eigen::Index j = 0; j < cols; ++j) nodes(bit(last, j), bit(last, j)) += sense;
    const Eigen::MatrixXd volts = nodes.llt().solve(sources);
    Eigen::MatrixXd currents(rows, cols);
    for (Eigen::Index j = 0; j < cols; ++j) currents.col(j) = sense * volts.row(bit(last, j)).transpose();
    return currents;
}

/// The chip with wires beside the same without: every conductance is that of the dense solve of the cells without
/// wires, rounded.
void expect_solved(const Settings& settings, const Settings& wires = {}, const Conditions& age = {}) {
    const Network network = network_of();
    const Mapping plain = map_network(network, chip_of(settings));
    const Mapping wired = map_network(network, chip_of(with(with(settings, kWires), wires)));
    const Architecture& a = wired.architecture;
    const Chip own = program(plain, static_ranges(plain), 3, 0, age);
    const Chip seen = program(wired, static_ranges(wired), 3, 0, age);
    const double siemens = wired.layers[0].grid.siemens;
    const double unused =
        a.wires.unused_cells == WiringOptions::UnusedCells::open ? 0 : wired.layers[0].grid.g_min * siemens;
    for (size_t n = 0; n < wired.layers[0].arrays.size(); ++n) {
        const std::vector<int32_t> cells = conductances(own.layers[0].arrays[n]),
                                   found = conductances(seen.layers[0].arrays[n]);
        const size_t columns = wired.layers[0].arrays[n].columns.size();
        ASSERT_EQ(cells.size(), found.size());
        Eigen::MatrixXd g = Eigen::MatrixXd::Constant(a.array.rows, a.array.cols + a.array.spare_columns, unused);
        for (size_t i = 0; i < cells.size(); ++i)
            g(static_cast<Eigen::Index>(i / columns), static_cast<Eigen::Index>(i % columns)) = cells[i] * siemens;
        const Eigen::MatrixXd currents = solve_all_nodes(g, a.wires.lines);
        for (size_t i = 0; i < cells.size(); ++i) {
            const double exact =
                currents(static_cast<Eigen::Index>(i / columns), static_cast<Eigen::Index>(i % columns)) / siemens;
            ASSERT_NEAR(found[i], exact, 0.5 + 1e-6) << "array " << n << ", cell " << i;
        }
        EXPECT_NE(cells, found);
    }
}

TEST(ArrayWires, AreSolvedForTheWholeArray) { expect_solved(kDigital); }

TEST(ArrayWires, LeaveUnusedCellsOpenOnRequest) { expect_solved(kDigital, {{"wires.unused_cells", "open"}}); }

TEST(ArrayWires, EndAtEitherSide) {
    expect_solved(kDigital, {{"wires.drive", "right"}, {"wires.sense", "top"}});
    expect_solved(kDigital, {{"wires.drive", "both"}});
}

TEST(ArrayWires, ShareAnArrayWithItsReferenceColumns) {
    expect_solved({{"weights.encoding", "offset"}, {"weights.offset_correction", "reference_column"}});
}

TEST(ArrayWires, HoldForPartsOfTheRows) { expect_solved(with(kDigital, {{"array.active_rows", "7"}})); }

TEST(ArrayWires, AreSolvedAgainAtEveryAge) {
    const Settings ageing = with(kDigital, {{"cell.programming_error.sigma", "0.03"},
                                            {"cell.drift.model", "power"},
                                            {"cell.drift.exponent.polynomial", "0.05"},
                                            {"cell.drift.deviation.polynomial", "0.01"}});
    expect_solved(ageing, {}, {86400, 300});
}

TEST(ArrayWires, WithoutResistanceWorthMentioningAreThoseWithout) {
    const Network network = network_of();
    for (const char* encoding : {"differential", "offset", "twos_complement", "flipped"}) {
        const Settings settings{{"weights.encoding", encoding},
                                {"cell.programming_error.sigma", "0.03"},
                                {"cell.stuck_at.low_rate", "0.05"},
                                {"array.spare_columns", "4"}};
        Settings wires = settings;
        for (const char* key : {"wires.row_ohm", "wires.col_ohm", "wires.driver_ohm", "wires.sense_ohm"})
            wires.push_back({key, "1e-9"});
        const Mapping plain = map_network(network, chip_of(settings)), wired = map_network(network, chip_of(wires));
        const Chip own = program(plain, static_ranges(plain), 3, 0), seen = program(wired, static_ranges(wired), 3, 0);
        for (size_t n = 0; n < plain.layers[0].arrays.size(); ++n)
            EXPECT_EQ(conductances(own.layers[0].arrays[n]), conductances(seen.layers[0].arrays[n])) << encoding;
    }
}

TEST(ArrayWires, ResultsAreWholeSumsOfWhatConvertersSee) {
    const Network network = network_of();
    const Mapping mapping = map_network(network, chip_of(with(kWires, kDigital)));
    const std::vector<AdcRange> ranges = static_ranges(mapping);
    const Chip chip = program(mapping, ranges, 3, 0);
    ChipEngine engine(network, mapping, chip);
    RandomSource random(4);
    std::vector<int32_t> input(kRows);
    for (int32_t& x : input) x = static_cast<int32_t>(random.between(0, 15));
    std::vector<double> acc(kCols);
    engine.product(network, 1, input, 1, 0, acc);
    std::vector<double> wanted(kCols, 0.0);
    const MappedLayer& layer = mapping.layers[0];
    for (size_t n = 0; n < layer.arrays.size(); ++n) {
        const std::vector<int32_t> g = conductances(chip.layers[0].arrays[n]);
        const std::vector<Column>& columns = layer.arrays[n].columns;
        for (size_t i = 0; i < g.size(); ++i) {
            const Column& column = columns[i % columns.size()];
            const double levels = static_cast<double>(g[i] - layer.grid.g_min) / layer.grid.level_step;
            wanted[static_cast<size_t>(column.output)] +=
                static_cast<double>(column.weight * input[i / columns.size()]) * levels;
        }
    }
    // Every conversion rounds to half a code.
    const double rounding = 0.5 * ranges[0].unit() * 15 * 2 * 5;
    for (size_t o = 0; o < wanted.size(); ++o) EXPECT_NEAR(acc[o], wanted[o], rounding) << o;
}

TEST(ArrayWires, GiveTheSameBitsForAnyNumberOfThreads) {
    const Network network = network_of(70, 20);
    const Mapping mapping = map_network(network, chip_of(with(kWires, {{"cell.programming_error.sigma", "0.03"},
                                                                       {"compensation.wires", "targets"},
                                                                       {"cell.read_noise.sigma", "0.01"}})));
    const int before = threads();
    std::vector<Chip> chips;
    for (const int count : {1, 2, 5}) {
        set_threads(count);
        chips.push_back(program(mapping, static_ranges(mapping), 3, 0));
    }
    set_threads(before);
    ASSERT_GT(mapping.layers[0].arrays.size(), 4U);
    for (size_t n = 0; n < mapping.layers[0].arrays.size(); ++n) {
        for (size_t i = 1; i < chips.size(); ++i) {
            const ChipArray &one = chips[0].layers[0].arrays[n], &other = chips[i].layers[0].arrays[n];
            EXPECT_EQ(conductances(one), conductances(other));
            EXPECT_EQ(one.blocks[0].cells.variance, other.blocks[0].cells.variance);
            EXPECT_EQ(one.wire_gain, other.wire_gain);
        }
    }
}

TEST(ArrayWires, ScaleReadNoiseLikeConductances) {
    const Network network = network_of();
    const Settings noisy = with(kDigital, {{"cell.read_noise.sigma", "0.05"}});
    const Mapping plain = map_network(network, chip_of(noisy)),
                  wired = map_network(network, chip_of(with(noisy, kWires)));
    const Chip own = program(plain, static_ranges(plain), 3, 0), seen = program(wired, static_ranges(wired), 3, 0);
    const kernels::Block &before = own.layers[0].arrays[0].blocks[0].cells,
                         &after = seen.layers[0].arrays[0].blocks[0].cells;
    ASSERT_EQ(before.variance.size(), after.variance.size());
    int weaker = 0;
    for (size_t i = 0; i < before.g.size(); ++i) {
        const double share = std::min(1.0, static_cast<double>(after.g[i]) / before.g[i]);
        const double wanted = before.variance[i] * before.variance_unit * share * share;
        EXPECT_NEAR(after.variance[i] * after.variance_unit, wanted, 0.02 * wanted + 2 * after.variance_unit) << i;
        weaker += share < 0.95;
    }
    EXPECT_GT(weaker, 20);
}

// ------------------------------------------------------------------------------------------------ targets

/// Of products on a chip as ChipMaker makes it, rms, in shares of the rms of exact ones.
double error_of(const Settings& settings) {
    const Network network = network_of(60, 14);
    const Mapping mapping = map_network(network, chip_of(with(settings, {{"array.rows", "64"}, {"array.cols", "64"}})));
    ChipMaker maker(network, mapping, static_ranges(mapping), {}, 0, 3);
    const Chip chip = maker.make(0, {});
    ChipEngine engine(network, mapping, chip);
    const auto exact = make_exact_engine(network);
    RandomSource random(4);
    constexpr int64_t kSamples = 50;
    std::vector<int32_t> input(60 * kSamples);
    for (int32_t& x : input) x = static_cast<int32_t>(random.between(0, 15));
    std::vector<double> acc(14 * kSamples), wanted(acc.size());
    engine.product(network, 1, input, kSamples, 0, acc);
    exact->product(network, 1, input, kSamples, 0, wanted);
    double error = 0, signal = 0;
    for (size_t i = 0; i < acc.size(); ++i) {
        error += (acc[i] - wanted[i]) * (acc[i] - wanted[i]);
        signal += wanted[i] * wanted[i];
    }
    return std::sqrt(error / signal);
}

TEST(WireTargets, BringProductsBack) {
    const Settings perfect = with(kDigital, {{"cell.programming_error.model", "none"}, {"cell.g_min", "1 uS"}});
    for (const char* ohm : {"1", "2.5", "5"}) {
        const Settings wires = with(perfect, {{"wires.row_ohm", ohm}, {"wires.col_ohm", ohm}});
        const double without = error_of(wires), corrected = error_of(with(wires, {{"compensation.wires", "targets"}}));
        EXPECT_GT(without, 10 * error_of(perfect)) << ohm;
        EXPECT_LT(corrected, without / 30) << ohm;
    }
}

TEST(WireTargets, HelpBitLinePairsToo) {
    const Settings wires{{"cell.programming_error.model", "none"},
                         {"cell.g_min", "1 uS"},
                         {"wires.row_ohm", "2.5"},
                         {"wires.col_ohm", "2.5"}};
    EXPECT_LT(error_of(with(wires, {{"compensation.wires", "targets"}})), error_of(wires) / 30);
}

TEST(WireTargets, StayInTheWindowAndGainIsAtLeastOne) {
    Architecture a =
        chip_of(with(kWires, {{"compensation.wires", "targets"}, {"array.rows", "48"}, {"array.cols", "40"}}));
    const WireStudy study = study_wires(a, {});
    const double g_min = a.cell.g_min, g_max = a.cell.g_max;
    for (const double g : study.conductance) {
        EXPECT_GE(g, 0.999 * g_min);
        EXPECT_LE(g, 1.001 * g_max);
    }
    for (const double gain : study.gain) EXPECT_GE(gain, 1);
    // Some cell of every column is at the upper end, or the column had no need of it.
    for (size_t c = 0; c < study.gain.size(); ++c) {
        double most = 0;
        for (size_t r = 0; r < 48; ++r) most = std::max(most, study.conductance[r * 40 + c]);
        EXPECT_GT(most, 0.98 * g_max) << c;
    }
}

TEST(WireTargets, AreWhatALaboratoryIsToldToWrite) {
    const testing::TemporaryFolder folder;
    const Network network = network_of();
    const Settings perfect = with(with(kWires, kDigital), {{"cell.programming_error.model", "none"}});
    const Settings aimed = with(perfect, {{"compensation.wires", "targets"}});
    const Mapping mapping = map_network(network, chip_of(aimed));
    write_targets(mapping, folder.file("targets.h5"));
    const Mapping written =
        map_network(network, chip_of(with(perfect, {{"cell.conductance_map", folder.file("targets.h5")}})));
    const Chip one = program(mapping, static_ranges(mapping), 3, 0),
               other = program(written, static_ranges(written), 3, 0);
    const double step = mapping.layers[0].grid.g_max / 1024.0;  // of fine levels
    for (size_t n = 0; n < mapping.layers[0].arrays.size(); ++n) {
        const std::vector<int32_t> a = conductances(one.layers[0].arrays[n]),
                                   b = conductances(other.layers[0].arrays[n]);
        for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], step) << i;
    }
}

// ------------------------------------------------------------------------------------------------ one array

TEST(WireStudy, MeasuresWhatTheNodesSay) {
    const Architecture a = chip_of(with(kWires, {{"array.rows", "9"}, {"array.cols", "7"}}));
    WireStudyOptions options;
    options.voltage = 0.3;
    const WireStudy study = study_wires(a, options);
    Eigen::MatrixXd g(9, 7);
    for (Eigen::Index i = 0; i < g.size(); ++i) g(i / 7, i % 7) = study.conductance[static_cast<size_t>(i)];
    const Eigen::MatrixXd currents = solve_all_nodes(g, a.wires.lines);
    double largest = 0;
    for (Eigen::Index i = 0; i < g.size(); ++i) {
        EXPECT_NEAR(study.effective[static_cast<size_t>(i)], currents(i / 7, i % 7), 1e-12 * g.maxCoeff());
        largest = std::max(largest, 0.3 * currents.col(i % 7).sum());
    }
    EXPECT_NEAR(study.total_loss, 1 - currents.sum() / g.sum(), 1e-9);
    EXPECT_NEAR(study.largest_current, largest, 1e-12 * largest);
    EXPECT_LT(study.scaled_product.rms, study.product.rms);
    EXPECT_GT(study.common_gain, 1);
    const size_t weakest = static_cast<size_t>(study.weakest.row * 7 + study.weakest.col);
    EXPECT_EQ(study.voltage[weakest], *std::min_element(study.voltage.begin(), study.voltage.end()));
}

TEST(WireStudy, NeedsAResistance) { EXPECT_THROW(study_wires(chip_of({}), {}), ConfigError); }

// ------------------------------------------------------------------------------------------------ what is refused

std::string refusal(const Settings& settings) {
    try {
        chip_of(settings);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "";
}

TEST(ArrayWires, RefuseWhatTheyCannotBe) {
    const std::vector<std::pair<Settings, std::string>> cases{
        {{{"wires.row_ohm", "-1"}}, "0 <= wires.row_ohm"},
        {{{"wires.col_ohm", "inf"}}, "wires.col_ohm"},
        {{{"wires.sense_ohm", "nan"}}, "wires.sense_ohm"},
        {{{"wires.driver_ohm", "1e10"}}, "1000000000"},
        {{{"wires.drive", "both"}}, "has no effect: it needs a resistance below wires"},
        {{{"wires.row_ohm", "1"}, {"wires.drive", "top"}}, "left, right, both"},
        {{{"wires.row_ohm", "1"}, {"wires.topology", "gated"}}, "crossbar"},
        {{{"wires.row_ohm", "1"}, {"array.rows", "4097"}}, "array.rows = 4097 violates"},
        {{{"wires.row_ohm", "1"},
          {"array.cols", "4090"},
          {"array.spare_columns", "8"},
          {"cell.stuck_at.low_rate", "0.1"}},
         "array.cols + array.spare_columns = 4098 violates"},
        {{{"wires.row_ohm", "1"}, {"cell.current_voltage.model", "sinh"}}, "cell.current_voltage.model is not linear"},
        {{{"wires.row_ohm", "1"}, {"cell.selector.model", "sinh"}}, "cell.selector.model is not none"},
        {{{"wires.row_ohm", "1"}, {"array.transfer.model", "charge_sharing"}}, "array.transfer.model is not linear"},
        {{{"wires.row_ohm", "1"}, {"array.cols", "1"}}, "array.cols = 1"},
        {{{"compensation.wires", "targets"}}, "needs a resistance below wires"},
        {{{"wires.row_ohm", "1"}, {"compensation.wires", "targets"}, {"adc.bits", "1"}},
         "compensation.wires = targets"},
    };
    for (const auto& [settings, says] : cases) {
        const std::string message = refusal(settings);
        EXPECT_NE(message.find(says), std::string::npos) << says << ": " << message;
    }
}

}  // namespace
}  // namespace bitline
