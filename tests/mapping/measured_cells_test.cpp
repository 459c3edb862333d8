// Programming targets out, measured conductances in.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/hdf5_file.h"
#include "mapping/cell_files.h"
#include "mapping/chip.h"
#include "mapping/placement.h"
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

Network small_layer() {
    RandomSource random(6);
    std::vector<int32_t> weights(40 * 12);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-15, 15));
    weights[0] = 15;
    return testing::fully_connected(40, 12, weights, 5, testing::codes(1, false));
}

Architecture small_arrays() {
    Architecture a;
    a.array.rows = 24;
    a.array.cols = 32;
    a.cell.g_min = 1e-6;
    a.adc.bits = 0;
    return a;
}

Architecture measured(Architecture a, const std::string& path) {
    a.cell.measured.conductance_map = path;
    load_files(a.cell);
    return a;
}

Chip program_first(const Mapping& mapping, const Conditions& conditions = {}) {
    return program(mapping, static_ranges(mapping), 3, 0, conditions);
}

TEST(Targets, ProgrammedAndReadBackAreTheSameChipToTheGridStep) {
    const TemporaryFolder folder;
    const Network network = small_layer();
    for (const auto placement : {LevelOptions::Placement::linear, LevelOptions::Placement::logarithmic}) {
        for (const WeightEncoding encoding : {WeightEncoding::differential, WeightEncoding::offset}) {
            Architecture a = small_arrays();
            a.weights.encoding = encoding;
            a.cell.levels.placement = placement;
            const Mapping ideal = map_network(network, a);
            const std::string path = folder.file("targets.h5");
            write_targets(ideal, path);
            // With errors of every kind while programming: what was measured takes their place.
            Architecture rough = a;
            rough.cell.programming_error.sigma = 0.2;
            rough.cell.device_to_device.sigma = 0.2;
            const Mapping mapping = map_network(network, measured(rough, path));
            const Chip chip = program_first(mapping);
            EXPECT_EQ(testing::conductances(chip), testing::conductances(program_first(ideal)));
            EXPECT_EQ(chip.report.measured, chip.report.cells);
            const Mapping unmeasured = map_network(network, rough);
            EXPECT_NE(testing::conductances(program_first(unmeasured)), testing::conductances(chip));
        }
    }
}

TEST(Targets, GoAroundKnownFaultsAsTheChipDoes) {
    const TemporaryFolder folder;
    Architecture a = small_arrays();
    a.cell.stuck_at.map =
        folder.write("faults.csv", "array,row,col,state\n0,*,3,open\n0,2,5,high\n1,7,6,low\n2,20,0,low\n3,1,*,open\n");
    load_files(a.cell);
    a.array.spare_columns = 2;
    for (const FaultRemap remap : {FaultRemap::none, FaultRemap::rows, FaultRemap::pairs}) {
        a.fault_remap = remap;
        const Mapping plain = map_network(small_layer(), a);
        const std::string path = folder.file("targets.h5");
        write_targets(plain, path);
        Architecture rough = a;
        rough.cell.programming_error.sigma = 0.2;
        const Mapping mapping = map_network(small_layer(), measured(rough, path));
        EXPECT_EQ(testing::conductances(program_first(mapping)), testing::conductances(program_first(plain)));
    }
    a.cell.stuck_at.low_rate = 0.01;
    try {
        write_targets(map_network(small_layer(), a), folder.file("random.h5"));
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("trial"));
    }
    EXPECT_FALSE(std::filesystem::exists(folder.file("random.h5")));
}

TEST(Targets, SayWhatALaboratoryNeeds) {
    const TemporaryFolder folder;
    const Mapping mapping = map_network(small_layer(), small_arrays());
    write_targets(mapping, folder.file("targets.h5"));
    const Hdf5Reader file(folder.file("targets.h5"), "targets");
    EXPECT_EQ(file.children("/arrays").size(), mapping.layers[0].arrays.size());
    const ArrayPlan& plan = mapping.layers[0].arrays[3];
    EXPECT_EQ(file.read_string("/arrays/00003", "layer"), "layer");
    EXPECT_EQ(file.read_string("/arrays/00003/conductances", "unit"), "S");
    EXPECT_EQ(file.read_int("/arrays/00003", "first_weight_row"), plan.first_row);
    EXPECT_EQ(file.read_int("/arrays/00003", "levels_per_cell"), 4);
    EXPECT_NEAR(file.read_double("/arrays/00003", "g_max"), 1e-4, 3e-7);
    std::vector<uint16_t> positive, negative;
    target_levels(mapping.layers[0], plan, positive, negative);
    const std::vector<int64_t> levels = file.read_ints("/arrays/00003/levels");
    const std::vector<double> g = file.read_doubles("/arrays/00003/conductances");
    const Shape shape = file.shape("/arrays/00003/levels");
    ASSERT_EQ(shape, (Shape{plan.rows, 2 * static_cast<int64_t>(plan.columns.size())}));
    const Grid& grid = mapping.layers[0].grid;
    for (size_t i = 0; i < levels.size(); ++i) {
        EXPECT_EQ(levels[i], (i % 2 ? negative : positive)[i / 2]);
        EXPECT_DOUBLE_EQ(g[i], (grid.g_min + static_cast<double>(levels[i]) * grid.level_step) * grid.siemens);
    }
}

std::string write_whole(const TemporaryFolder& folder, const Shape& shape, const std::vector<double>& values) {
    const std::string path = folder.file("cells.h5");
    Hdf5Writer file(path);
    file.write("/conductances", values, shape);
    file.close();
    return path;
}

TEST(ConductanceMap, CellsThatWereNotMeasuredFollowTheModel) {
    const TemporaryFolder folder;
    Architecture a = small_arrays();
    a.cell.programming_error.sigma = 0.05;
    std::vector<double> values(2 * 24 * 32, std::nan(""));
    values[24 * 32 + 5 * 32 + 7] = 3e-5;  // array 1: its converter column 3, negative cell, row 5
    const Mapping plain = map_network(small_layer(), a);
    const Mapping mapping = map_network(small_layer(), measured(a, write_whole(folder, {2, 24, 32}, values)));
    const Chip before = program_first(plain), after = program_first(mapping);
    const std::vector<int32_t> x = testing::conductances(before), y = testing::conductances(after);
    int changed = 0;
    for (size_t i = 0; i < x.size(); ++i) changed += x[i] != y[i];
    EXPECT_EQ(changed, 1);
    EXPECT_EQ(after.report.measured, 1);
    const auto cols = static_cast<size_t>(after.layers[0].arrays[1].blocks[0].cells.cols);
    EXPECT_NE(before.layers[0].arrays[1].blocks[0].cells.g[5 * cols + 3],
              after.layers[0].arrays[1].blocks[0].cells.g[5 * cols + 3]);
}

TEST(ConductanceMap, WhatWasMeasuredAgesAsTheModelSays) {
    const TemporaryFolder folder;
    Architecture a = small_arrays();
    a.cell.drift.model = DriftOptions::Model::power;
    a.cell.drift.exponent.polynomial = {0.1};
    const Mapping mapping =
        map_network(small_layer(), measured(a, write_whole(folder, {1, 24, 32}, std::vector<double>(24 * 32, 5e-5))));
    const MappedLayer& layer = mapping.layers[0];
    const CellLaw law = make_cell_law(mapping.architecture.cell, layer.grid, {1e4, 300});
    ProgrammingReport report;
    Placement p;
    place_cells(mapping.architecture, layer, layer.arrays[0], law, cell_streams(3, 0), p, report);
    std::vector<int32_t> g(p.width);
    write_row(law, cell_streams(3, 0), 0, 0, std::span(p.levels).first(p.width),
              {g, {}, {}, {}, {}, std::span(p.measured).first(p.width)}, report);
    for (const int32_t x : g) EXPECT_NEAR(x * layer.grid.siemens, 5e-5 * std::pow(1e4, -0.1), layer.grid.siemens);
}

TEST(ConductanceMap, TellsWhatIsWrong) {
    const TemporaryFolder folder;
    const auto says = [&](const Shape& shape, double value) -> std::string {
        const std::vector<double> values(static_cast<size_t>(element_count(shape)), value);
        try {
            map_network(small_layer(), measured(small_arrays(), write_whole(folder, shape, values)));
        } catch (const InputError& error) {
            return error.what();
        }
        return "accepted";
    };
    EXPECT_EQ(says({4, 24, 32}, 1e-5), "accepted");
    EXPECT_EQ(says({1, 24, 32}, 1e-5), "accepted");
    EXPECT_THAT(says({5, 24, 32}, 1e-5), AllOf(HasSubstr("cells.h5"), HasSubstr("array 4 lies outside")));
    EXPECT_THAT(says({1, 23, 32}, 1e-5), AllOf(HasSubstr("array 0 has 23 x 32"), HasSubstr("layer uses 24 x 32")));
    EXPECT_THAT(says({1, 32, 24}, 1e-5), HasSubstr("array 0 has 32 x 24"));
    EXPECT_THAT(says({1, 24, 33}, 1e-5), HasSubstr("array 0 has 24 x 33"));
    EXPECT_THAT(says({24, 32}, 1e-5), HasSubstr("(24x32)"));
    EXPECT_THAT(says({4, 24, 32}, -1e-9), HasSubstr("array 0, row 0, col 0"));
    EXPECT_THAT(says({4, 24, 32}, INFINITY), HasSubstr("array 0, row 0, col 0"));
    EXPECT_THAT(says({4, 24, 32}, 2e-4), HasSubstr("cell.g_ceiling"));
}

}  // namespace
}  // namespace bitline
