#include "devices/user_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/hdf5_file.h"
#include "devices/cell_law.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kExamples = (std::filesystem::path(__FILE__).parent_path() / "../../examples/devices/").string();

template <class Function>
std::string refusal(const Function& f) {
    try {
        f();
    } catch (const InputError& error) {
        return error.what();
    }
    return "accepted";
}

CellOptions cell_of(const std::string& path) {
    CellOptions cell;
    cell.g_min = 1e-6;
    cell.measured.data = path;
    cell.measured.table = std::make_shared<const UserTable>(read_user_table(path));
    return cell;
}

/// 200,000 cells of one level, S.
std::vector<double> cells_at(const CellOptions& cell, uint16_t level, double time) {
    const Grid grid = choose_grid(cell, cell.bits);
    const CellLaw law = make_cell_law(cell, grid, {time, 300});
    const std::vector<uint16_t> levels(1000, level);
    std::vector<int32_t> g(levels.size());
    std::vector<double> all;
    ProgrammingReport report;
    for (uint32_t row = 0; row < 200; ++row) {
        write_row(law, cell_streams(3, 1), 2, row, levels, {g, {}, {}, {}}, report);
        for (const int32_t x : g) all.push_back(x * grid.siemens);
    }
    return all;
}

struct Moments {
    double mean = 0, deviation = 0;
};
Moments moments_of(const std::vector<double>& values) {
    Moments m;
    for (const double x : values) m.mean += x / static_cast<double>(values.size());
    for (const double x : values) m.deviation += (x - m.mean) * (x - m.mean) / static_cast<double>(values.size());
    m.deviation = std::sqrt(m.deviation);
    return m;
}

/// What the grid makes of a level's target, S.
double target_of(const CellOptions& cell, int level) {
    const Grid grid = choose_grid(cell, cell.bits);
    return (grid.g_min + level * grid.level_step) * grid.siemens;
}

// The example's law, which its tables state at five targets.
double law_factor(double target, double t) { return t == 0 ? 1 : std::pow(t, -0.06 * (1 - 0.5 * target / 1e-4)); }
double law_spread(double target) { return 0.5e-6 + 0.02 * target; }

TEST(UserTable, CellsHaveTheMomentsOfTheExample) {
    const CellOptions cell = cell_of(kExamples + "moments.csv");
    for (const double t : {0.0, 1.0, 3600.0, 2592000.0}) {
        for (const int level : {0, 3}) {
            const double target = target_of(cell, level);
            const Moments m = moments_of(cells_at(cell, static_cast<uint16_t>(level), t));
            const double sigma = law_spread(target) * law_factor(target, t);
            // Five standard errors, and a grid step for the rounding.
            EXPECT_NEAR(m.mean, target * law_factor(target, t), 5 * sigma / std::sqrt(2e5) + 7e-9 + 1e-5 * target)
                << level << ' ' << t;
            if (level == 3) {
                EXPECT_NEAR(m.deviation, sigma, 5 * sigma / std::sqrt(4e5) + 2e-9) << t;
            }
        }
    }
}

TEST(UserTable, InterpolatesLinearlyInTargetAndLogTime) {
    const TemporaryFolder folder;
    const CellOptions cell = cell_of(folder.write("d.csv",
                                                  "sigma_S,target_S,time_s,mean_S\n"
                                                  "0,0,0,0\n0,0,10,0\n0,0,1000,0\n"
                                                  "0,1e-4,0,1e-4\n0,1e-4,10,8e-5\n0,1e-4,1000,4e-5\n"));
    const double target = target_of(cell, 2);
    const auto at = [&](double t) { return cells_at(cell, 2, t)[0]; };
    EXPECT_NEAR(at(0), target, 1e-8);
    EXPECT_NEAR(at(10), 0.8 * target, 1e-8);
    EXPECT_NEAR(at(100), 0.6 * target, 1e-8);  // half way in ln t
    EXPECT_NEAR(at(1000), 0.4 * target, 1e-8);
    EXPECT_THAT(outside_of_model(cell, {9.9, 300}), HasSubstr("10 to 1000 s"));
    EXPECT_THAT(outside_of_model(cell, {1001, 300}), HasSubstr("10 to 1000 s"));
    EXPECT_EQ(outside_of_model(cell, {0, 300}), "");
}

TEST(UserTable, FirstTimeIsFreshWhereTimeZeroIsMissing) {
    const TemporaryFolder folder;
    const CellOptions cell =
        cell_of(folder.write("d.csv",
                             "target_S,time_s,mean_S,sigma_S\n0,60,1e-5,0\n1e-4,60,9e-5,0\n0,600,2e-5,0\n"
                             "1e-4,600,5e-5,0\n"));
    EXPECT_NEAR(cells_at(cell, 3, 0)[0], 9e-5, 3e-7);  // the top level is met to 0.2 %
    EXPECT_NEAR(cells_at(cell, 3, 600)[0], 5e-5, 3e-7);
    EXPECT_NE(outside_of_model(cell, {30, 300}), "");
}

TEST(UserTable, QuantilesArePiecewiseLinearThroughTheSamples) {
    const std::vector<double> samples{1, 2, 4, 8};
    EXPECT_EQ(quantile(samples, 0.01), 1);
    EXPECT_EQ(quantile(samples, 0.125), 1);
    EXPECT_EQ(quantile(samples, 0.25), 1.5);
    EXPECT_EQ(quantile(samples, 0.625), 4);
    EXPECT_EQ(quantile(samples, 0.75), 6);
    EXPECT_EQ(quantile(samples, 0.9999), 8);
    EXPECT_EQ(quantile({5}, 0.3), 5);
}

TEST(UserTable, SamplesGiveTheirOwnDistribution) {
    const CellOptions cell = cell_of(kExamples + "samples.csv");
    const UserTable& table = *cell.measured.table;
    for (const double t : {0.0, 60.0, 86400.0}) {
        const auto row =
            static_cast<size_t>(std::find(table.times.begin(), table.times.end(), t) - table.times.begin());
        const std::vector<double>& samples = table.samples[row * table.targets.size() + 4];
        std::vector<double> cells = cells_at(cell, 3, t);
        const Moments is = moments_of(cells), want = moments_of(samples);
        EXPECT_NEAR(is.mean, want.mean, 5 * want.deviation / std::sqrt(2e5) + 7e-9);
        EXPECT_NEAR(is.deviation, want.deviation, 0.02 * want.deviation);  // chords are narrower than steps
        std::sort(cells.begin(), cells.end());
        for (const double u : {0.1, 0.5, 0.9})  // five standard errors of a quantile
            EXPECT_NEAR(cells[static_cast<size_t>(u * 2e5)], quantile(samples, u), 0.02 * want.deviation + 7e-9);
        EXPECT_GE(cells.front(), samples.front() - 7e-9);
        EXPECT_LE(cells.back(), samples.back() + 7e-9);
    }
}

TEST(UserTable, ACellKeepsItsRank) {
    for (const char* name : {"moments.csv", "samples.csv"}) {
        const CellOptions cell = cell_of(kExamples + name);
        const std::vector<double> young = cells_at(cell, 3, 1), old = cells_at(cell, 3, 86400);
        int inversions = 0;
        for (size_t i = 1; i < young.size(); ++i)
            inversions += (young[i] - young[i - 1] > 1e-7) && (old[i] <= old[i - 1]);
        EXPECT_EQ(inversions, 0) << name;
        EXPECT_NE(young[0], young[1]) << name;
    }
}

TEST(UserTable, ReadsHdf5AsTheSameCsv) {
    const TemporaryFolder folder;
    const std::string path = folder.file("d.h5");
    {
        Hdf5Writer file(path);
        file.write("/target_S", std::vector<double>{0, 0, 1e-4, 1e-4}, {4});
        file.write("/time_s", std::vector<double>{0, 0, 0, 0}, {4});
        file.write("/sample_S", std::vector<double>{1e-6, 0, 9e-5, 1.1e-4}, {4});
        file.close();
    }
    const UserTable h5 = read_user_table(path);
    const UserTable csv = read_user_table(
        folder.write("d.csv", "target_S,time_s,sample_S\n0,0,1e-6\n0,0,0\n1e-4,0,9e-5\n1e-4,0,1.1e-4\n"));
    EXPECT_EQ(h5.targets, csv.targets);
    EXPECT_EQ(h5.times, csv.times);
    EXPECT_EQ(h5.samples, csv.samples);
    EXPECT_EQ(h5.samples[0], (std::vector<double>{0, 1e-6}));
}

TEST(UserTable, TellsTheRowAndWhy) {
    const TemporaryFolder folder;
    const auto says = [&](const std::string& text) {
        return refusal([&] { read_user_table(folder.write("d.csv", text)); });
    };
    const std::string moments = "target_S,time_s,mean_S,sigma_S\n0,0,0,0\n", samples = "target_S,time_s,sample_S\n";
    EXPECT_THAT(says(moments + "-1e-6,0,0,0\n"), HasSubstr("d.csv:3: target_S = -1e-06 violates"));
    EXPECT_THAT(says(moments + "1e-6,-1,0,0\n"), HasSubstr("d.csv:3: time_s = -1 violates"));
    EXPECT_THAT(says(moments + "1e-6,0,-1e-6,0\n"), HasSubstr("d.csv:3: mean_S"));
    EXPECT_THAT(says(moments + "1e-6,0,0,-1e-6\n"), HasSubstr("d.csv:3: sigma_S"));
    EXPECT_THAT(says(moments + "1e-6,0,nan,0\n"), AllOf(HasSubstr("d.csv:3"), HasSubstr("mean_S = nan")));
    EXPECT_THAT(says(moments + "1e-6,0,inf,0\n"), HasSubstr("d.csv:3"));
    EXPECT_THAT(says(moments + "1e-6,1 h,0,0\n"), HasSubstr("d.csv:3: time_s = 1 h"));
    EXPECT_THAT(says(moments + "1e-6,0,,0\n"), HasSubstr("d.csv:3: mean_S has no value"));
    EXPECT_THAT(says(moments + "1e-6,0,0\n"), AllOf(HasSubstr("d.csv:3"), HasSubstr("3 values")));
    EXPECT_THAT(says(moments + "0,0,1e-6,0\n"), AllOf(HasSubstr("d.csv:3"), HasSubstr("d.csv:2 already")));
    EXPECT_THAT(says(moments + "1e-6,0,0,0\n1e-6,60,0,0\n"),
                AllOf(HasSubstr("d.csv:4"), HasSubstr("target_S = 0 has no data at time_s = 60")));
    EXPECT_THAT(says(samples + "0,0,0\n0,0,1e-7\n1e-4,0,1e-4\n"),
                AllOf(HasSubstr("d.csv:4"), HasSubstr("only sample")));
    EXPECT_THAT(says("target_S,time_s,mean_S\n0,0,0\n"),
                AllOf(HasSubstr("d.csv:1"), HasSubstr("target_S,time_s,sample_S")));
    EXPECT_THAT(says(moments + std::string("1e-6,0,\0,0\n", 11)), HasSubstr("d.csv:3"));
    EXPECT_THAT(says(""), HasSubstr("d.csv"));
    EXPECT_THAT(refusal([&] { read_user_table(folder.write("d.json", "{}")); }), HasSubstr(".csv, .h5 or .hdf5"));
    {
        Hdf5Writer file(folder.file("d.h5"));
        file.write("/target_S", std::vector<double>{0, 1e-4}, {2});
        file.write("/time_s", std::vector<double>{0, std::nan("")}, {2});
        file.write("/sample_S", std::vector<double>{0, 1, 2}, {3});
        file.close();
    }
    EXPECT_THAT(refusal([&] { read_user_table(folder.file("d.h5")); }), HasSubstr("sample_S has 3 values"));
}

TEST(UserTable, TargetsOutsideOfTheTableAreRefused) {
    const TemporaryFolder folder;
    const CellOptions cell =
        cell_of(folder.write("d.csv", "target_S,time_s,mean_S,sigma_S\n2e-5,0,2e-5,0\n1e-4,0,1e-4,0\n"));
    EXPECT_THAT(refusal([&] { make_cell_law(cell, choose_grid(cell, 2), {}); }),
                AllOf(HasSubstr("d.csv"), HasSubstr("2e-05 to 0.0001 S"), HasSubstr("asks for")));
    EXPECT_THAT(refusal([&] {
                    make_cell_law(cell_of(kExamples + "moments.csv"), choose_grid(cell, 2), {0.5, 300});
                }),
                AllOf(HasSubstr("moments.csv"), HasSubstr("1 to 2.592e+06 s")));
}

}  // namespace
}  // namespace bitline
