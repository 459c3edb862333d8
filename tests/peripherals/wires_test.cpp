// Crossbars with resistive wires against a sparse direct solve refined in extended precision, and against what physics
// demands of any resistor network.

#include "peripherals/wires/wires.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "peripherals/wires/reduction.h"
#include "support/wire_oracle.h"

namespace bitline {
namespace {

using testing::WireOracle;
using Drive = WireOptions::Drive;
using Sense = WireOptions::Sense;
using Line = SegmentFault::Line;
using Kind = SegmentFault::Kind;

const std::vector<Drive> kDrives{Drive::left, Drive::right, Drive::both};
const std::vector<Sense> kSenses{Sense::bottom, Sense::top};

/// Uniform numbers from one counter to the next.
struct Draw {
    uint32_t index = 0, what = 0;
    explicit Draw(uint32_t number) : what(number) {}
    double operator()() {
        const StreamKey key = stream_key(7, 0, Purpose::test);
        return (philox({index++, what, 0, 0}, key)[0] + 0.5) * 0x1p-32;
    }
    double log_uniform(double low, double high) { return low * std::pow(high / low, (*this)()); }
    int below(int count) { return int((*this)() * count); }
};

/// An array and all that belongs to it.
struct Array {
    int rows = 0, cols = 0;
    std::vector<double> g;
    WireOptions options;
    std::vector<SegmentFault> faults;
    CellGrid grid() const { return {rows, cols, g}; }
    std::vector<double> effective() const { return effective_conductances(grid(), options, faults); }
    WireOracle oracle() const { return {grid(), options, faults}; }
};

/// Cells over the whole range of 1e-9 .. 1e-3 S, some open; wires over 0.1 .. 100 ohm.
Array extreme_array(int rows, int cols, Draw& draw) {
    Array array{rows, cols, {}, {}, {}};
    for (int i = 0; i < rows * cols; ++i) array.g.push_back(draw() < 0.05 ? 0 : draw.log_uniform(1e-9, 1e-3));
    array.options.row_ohm = draw.log_uniform(0.1, 100);
    array.options.col_ohm = draw.log_uniform(0.1, 100);
    array.options.driver_ohm = draw.log_uniform(0.1, 100);
    array.options.sense_ohm = draw.log_uniform(0.1, 100);
    return array;
}

/// Each segment, with its end connections, is broken or shorted with the probability `share` each.
void add_faults(Array& array, double share, Draw& draw) {
    const auto strike = [&](Line line, int index, int position) {
        const double x = draw();
        if (x < 2 * share) array.faults.push_back({line, index, position, x < share ? Kind::open : Kind::shorted});
    };
    const WireOptions& options = array.options;
    const int first_col = options.drive == Drive::right ? 1 : 0, last_col = array.cols - (options.drive == Drive::left);
    for (int i = 0; i < array.rows; ++i)
        for (int p = first_col; p <= last_col; ++p) strike(Line::row, i, p);
    const int first_row = options.sense == Sense::top ? 0 : 1, last_row = array.rows - (options.sense == Sense::top);
    for (int j = 0; j < array.cols; ++j)
        for (int p = first_row; p <= last_row; ++p) strike(Line::column, j, p);
}

std::vector<double> random_volts(int count, Draw& draw) {
    std::vector<double> volts;
    for (int i = 0; i < count; ++i) volts.push_back(2 * draw() - 1);
    return volts;
}

std::vector<double> unit_volts(int count, int at) {
    std::vector<double> volts(size_t(count), 0.0);
    volts[size_t(at)] = 1;
    return volts;
}

std::vector<double> product(const Array& array, const std::vector<double>& y, const std::vector<double>& volts) {
    std::vector<long double> sum(size_t(array.cols), 0.0L);
    for (size_t k = 0; k < y.size(); ++k) sum[k % sum.size()] += (long double)y[k] * volts[k / sum.size()];
    return {sum.begin(), sum.end()};
}

template <class A, class B>
double largest_difference(const A& a, const B& b) {
    double worst = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        const double difference = double(std::abs((long double)a[i] - (long double)b[i]));
        worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
    }
    return worst;
}

template <class A>
double largest(const A& a) {
    double most = 0;
    for (const auto x : a) most = std::max(most, double(std::abs(x)));
    return most;
}

/// Largest error of a column's current over the largest current, for every word line alone or for some random inputs.
/// Where faults leave next to no current, over a millionth of what the largest cell would carry.
double error_of(const Array& array, const std::vector<double>& y, int vectors, Draw& draw) {
    const WireOracle oracle = array.oracle();
    double error = 0, scale = 1e-6 * largest(array.g);
    for (int k = 0; k < (vectors > 0 ? vectors : array.rows); ++k) {
        const std::vector<double> volts = vectors > 0 ? random_volts(array.rows, draw) : unit_volts(array.rows, k);
        const auto exact = oracle.solve(volts).current;
        error = std::max(error, largest_difference(product(array, y, volts), exact));
        scale = std::max(scale, largest(exact));
    }
    return error / scale;
}

std::string describe(const Array& array) {
    return std::to_string(array.rows) + " x " + std::to_string(array.cols) + ", drive " +
           std::to_string(int(array.options.drive)) + ", sense " + std::to_string(int(array.options.sense)) + ", row " +
           std::to_string(array.options.row_ohm) + ", col " + std::to_string(array.options.col_ohm) + ", driver " +
           std::to_string(array.options.driver_ohm) + ", sense " + std::to_string(array.options.sense_ohm) + " ohm, " +
           std::to_string(array.faults.size()) + " faults";
}

// ------------------------------------------------------------------------------------------------ exactness

constexpr double kTolerance = 1e-12;  // what is promised; the reduction itself stays below 1e-14

TEST(Wires, OneCellIsASeriesCircuit) {
    for (const double g : {1e-9, 1e-5, 1e-3}) {
        const WireOptions options{3, 5, 20, 70, Drive::left, Sense::bottom};
        const std::vector<double> cell{g};
        const double y = 1 / (20 + 1 / g + 70);
        EXPECT_NEAR(effective_conductances({1, 1, cell}, options)[0], y, 4e-16 * y);
        WireOptions both = options;
        both.drive = Drive::both;
        EXPECT_NEAR(effective_conductances({1, 1, cell}, both)[0], 1 / (10 + 1 / g + 70), 4e-16 * g);
    }
}

TEST(Wires, AgreeWithADirectSolveForEveryInput) {
    const std::pair<int, int> sizes[] = {{1, 1}, {1, 2},   {2, 1},   {1, 37}, {37, 1},
                                         {3, 5}, {16, 16}, {17, 16}, {19, 33}};
    Draw draw(1);
    for (const auto& [rows, cols] : sizes)
        for (const Drive drive : kDrives)
            for (const Sense sense : kSenses) {
                Array array = extreme_array(rows, cols, draw);
                array.options.drive = drive;
                array.options.sense = sense;
                EXPECT_LE(error_of(array, array.effective(), 0, draw), kTolerance) << describe(array);
            }
}

TEST(Wires, AgreeWithADirectSolveOnLargerArrays) {
    const std::pair<int, int> sizes[] = {{64, 64}, {33, 100}, {130, 17}, {95, 96}};
    Draw draw(2);
    int turn = 0;
    for (const auto& [rows, cols] : sizes) {
        Array array = extreme_array(rows, cols, draw);
        array.options.drive = kDrives[size_t(turn % 3)];
        array.options.sense = kSenses[size_t(turn++ % 2)];
        EXPECT_LE(error_of(array, array.effective(), 4, draw), kTolerance) << describe(array);
    }
}

TEST(Wires, AgreeWithADirectSolveAtTheEndsOfTheRange) {
    Draw draw(3);
    for (const double g : {1e-9, 1e-3})
        for (const double ohm : {0.1, 100.0}) {
            Array array{40, 40, std::vector<double>(1600, g), {ohm, ohm, ohm, ohm, Drive::left, Sense::bottom}, {}};
            EXPECT_LE(error_of(array, array.effective(), 3, draw), kTolerance) << g << " S, " << ohm << " ohm";
            array.options.driver_ohm = array.options.sense_ohm = 0;
            EXPECT_LE(error_of(array, array.effective(), 3, draw), kTolerance) << g << " S, " << ohm << " ohm";
        }
}

#ifdef NDEBUG  // the direct solve takes minutes without optimization
TEST(Wires, AgreeWithADirectSolveAt256Squared) {
    Draw draw(4);
    const Array array = extreme_array(256, 256, draw);
    EXPECT_LE(error_of(array, array.effective(), 2, draw), kTolerance) << describe(array);
}
#endif

TEST(Wires, WithoutResistanceAreThePlainProductToTheBit) {
    Draw draw(5);
    for (const Drive drive : kDrives) {
        Array array = extreme_array(21, 35, draw);
        array.options = {0, 0, 0, 0, drive, Sense::bottom};
        EXPECT_EQ(array.effective(), array.g);
    }
}

TEST(Wires, MayHaveNoResistanceInSomeParts) {
    Draw draw(6);
    for (int parts = 0; parts < 16; ++parts) {
        Array array = extreme_array(18, 23, draw);
        if (parts & 1) array.options.row_ohm = 0;
        if (parts & 2) array.options.col_ohm = 0;
        if (parts & 4) array.options.driver_ohm = 0;
        if (parts & 8) array.options.sense_ohm = 0;
        array.options.drive = kDrives[size_t(parts % 3)];
        EXPECT_LE(error_of(array, array.effective(), 0, draw), kTolerance) << describe(array);
    }
}

TEST(Wires, MayBeBrokenOrShorted) {
    Draw draw(7);
    for (int turn = 0; turn < 36; ++turn) {
        Array array = extreme_array(5 + draw.below(30), 5 + draw.below(30), draw);
        array.options.drive = kDrives[size_t(turn % 3)];
        array.options.sense = kSenses[size_t(turn % 2)];
        if (turn % 4 == 1) array.options.row_ohm = array.options.sense_ohm = 0;
        if (turn % 4 == 2) array.options.col_ohm = array.options.driver_ohm = 0;
        add_faults(array, turn % 3 == 0 ? 0.01 : turn % 3 == 1 ? 0.1 : 0.4, draw);
        EXPECT_LE(error_of(array, array.effective(), 0, draw), kTolerance) << describe(array);
    }
}

TEST(Wires, CarryNoCurrentWhereNothingIsConnected) {
    Draw draw(8);
    Array array = extreme_array(20, 18, draw);
    const std::vector<double> none(array.g.size(), 0.0);
    EXPECT_EQ(effective_conductances({20, 18, none}, array.options), none);
    for (int i = 0; i < 20; ++i) array.faults.push_back({Line::row, i, 0, Kind::open});
    EXPECT_EQ(array.effective(), none);  // no driver
    array.faults.clear();
    for (int j = 0; j < 18; ++j) array.faults.push_back({Line::column, j, 20, Kind::open});
    EXPECT_EQ(array.effective(), none);  // no sense amplifier
    array.faults = {{Line::row, 3, 7, Kind::open}, {Line::column, 5, 9, Kind::open}};
    for (int i = 0; i < 20; ++i) array.g[size_t(i) * 18 + 4] = 0;  // a column without a cell
    const std::vector<double> y = array.effective();
    for (size_t k = 0; k < y.size(); ++k) {
        EXPECT_TRUE(std::isfinite(y[k]) && y[k] >= 0);
        EXPECT_TRUE(y[k] > 0 || k % 18 == 4 || array.g[k] == 0);
        EXPECT_TRUE(y[k] == 0 || k % 18 != 4);
    }
}

// ------------------------------------------------------------------------------------------------ physics

TEST(Wires, AreReciprocal) {
    // Driven at the bit lines and sensed at the word lines, the same network gives the transposed matrix.
    Draw draw(9);
    const Array array = extreme_array(29, 41, draw);
    Array turned{41, 29, std::vector<double>(array.g.size()), {}, {}};
    for (size_t i = 0; i < 29; ++i)
        for (size_t j = 0; j < 41; ++j) turned.g[j * 29 + i] = array.g[i * 41 + j];
    turned.options = {array.options.col_ohm,    array.options.row_ohm, array.options.sense_ohm,
                      array.options.driver_ohm, Drive::right,          Sense::top};
    const std::vector<double> y = array.effective(), back = turned.effective();
    double worst = 0;
    for (size_t i = 0; i < 29; ++i)
        for (size_t j = 0; j < 41; ++j) worst = std::max(worst, std::abs(back[j * 29 + i] / y[i * 41 + j] - 1));
    EXPECT_LE(worst, 1e-13);  // of each entry, however small
}

TEST(Wires, DissipateLessTheMoreTheyResist) {
    // Rayleigh: at given voltages the power falls as any resistance grows. All word lines at 1 V: the sum of Y.
    Draw draw(10);
    const Array array = extreme_array(24, 30, draw);
    for (double WireOptions::*ohm :
         {&WireOptions::row_ohm, &WireOptions::col_ohm, &WireOptions::driver_ohm, &WireOptions::sense_ohm}) {
        double before = INFINITY;
        for (const double value : {0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1e6}) {
            Array changed = array;
            changed.options.*ohm = value;
            double sum = 0;
            for (const double y : changed.effective()) sum += y;
            EXPECT_LT(sum, before);
            before = sum;
        }
    }
    double sum = 0, both = 0, plain = 0;
    for (const double y : array.effective()) sum += y;
    for (const double g : array.g) plain += g;
    Array changed = array;
    changed.options.drive = Drive::both;
    for (const double y : changed.effective()) both += y;
    EXPECT_LT(sum, both);
    EXPECT_LT(both, plain);
}

// ------------------------------------------------------------------------------------------------ voltages

TEST(Wires, HaveTheVoltagesOfADirectSolve) {
    Draw draw(11);
    for (int turn = 0; turn < 24; ++turn) {
        Array array = extreme_array(1 + draw.below(40), 1 + draw.below(40), draw);
        array.options.drive = kDrives[size_t(turn % 3)];
        array.options.sense = kSenses[size_t(turn % 2)];
        if (turn % 4 == 1) array.options.row_ohm = array.options.driver_ohm = 0;
        if (turn % 4 == 3) array.options.col_ohm = array.options.sense_ohm = 0;
        if (turn % 5 > 2) add_faults(array, 0.1, draw);
        const std::vector<double> drive = random_volts(array.rows, draw), sense = random_volts(array.cols, draw);
        const FactoredArray factored = factor_array(array.grid(), array.options, array.faults);
        for (const bool grounded : {true, false}) {
            const ArrayVoltages got =
                grounded ? solve_voltages(factored, drive) : solve_voltages(factored, drive, sense);
            const auto exact = grounded ? array.oracle().solve(drive) : array.oracle().solve(drive, sense);
            EXPECT_LE(largest_difference(got.word, exact.word), 1e-13) << describe(array);
            EXPECT_LE(largest_difference(got.bit, exact.bit), 1e-13) << describe(array);
            EXPECT_LE(largest_difference(got.column_current, exact.current), 1e-12 * largest(exact.current) + 1e-18)
                << describe(array);
        }
    }
}

TEST(Wires, KeepKirchhoffsLaws) {
    Draw draw(12);
    const Array array = extreme_array(50, 34, draw);
    const std::vector<double> drive = random_volts(50, draw), sense = random_volts(34, draw);
    const ArrayVoltages v = solve_voltages(factor_array(array.grid(), array.options), drive, sense);
    const WireOptions& o = array.options;
    const auto at = [](int i, int j) { return size_t(i * 34 + j); };
    double worst = 0, ports = 0, all = 0;
    for (int i = 0; i < 50; ++i) {
        for (int j = 0; j < 34; ++j) {
            const double cell = array.g[at(i, j)] * (v.word[at(i, j)] - v.bit[at(i, j)]);
            const double left = j > 0 ? (v.word[at(i, j - 1)] - v.word[at(i, j)]) / o.row_ohm
                                      : (drive[size_t(i)] - v.word[at(i, j)]) / o.driver_ohm;
            const double right = j < 33 ? (v.word[at(i, j)] - v.word[at(i, j + 1)]) / o.row_ohm : 0;
            const double above = i > 0 ? (v.bit[at(i - 1, j)] - v.bit[at(i, j)]) / o.col_ohm : 0;
            const double below = i < 49 ? (v.bit[at(i, j)] - v.bit[at(i + 1, j)]) / o.col_ohm
                                        : (v.bit[at(i, j)] - sense[size_t(j)]) / o.sense_ohm;
            worst = std::max({worst, std::abs(left - right - cell), std::abs(above + cell - below)});
            if (j == 0) ports += left, all += std::abs(left);
            if (i == 49) ports -= below, all += std::abs(below);
        }
    }
    EXPECT_LE(worst, 1e-14);                  // A; voltages of 1 V are right to 1e-16, segments are up to 10 S
    EXPECT_LE(std::abs(ports), 1e-12 * all);  // what goes in comes out
}

TEST(Wires, SuperposeAndAgreeWithTheEffectiveConductances) {
    Draw draw(13);
    const Array array = extreme_array(48, 37, draw);
    const FactoredArray factored = factor_array(array.grid(), array.options);
    const std::vector<double> a = random_volts(48, draw), b = random_volts(48, draw);
    std::vector<double> sum;
    for (size_t i = 0; i < a.size(); ++i) sum.push_back(a[i] + 3 * b[i]);
    const ArrayVoltages va = solve_voltages(factored, a), vb = solve_voltages(factored, b),
                        vs = solve_voltages(factored, sum);
    for (size_t k = 0; k < va.word.size(); ++k) {
        EXPECT_NEAR(vs.word[k], va.word[k] + 3 * vb.word[k], 1e-14);
        EXPECT_NEAR(vs.bit[k], va.bit[k] + 3 * vb.bit[k], 1e-14);
    }
    const std::vector<double> current = product(array, array.effective(), sum);
    EXPECT_LE(largest_difference(vs.column_current, current), 1e-12 * largest(current));
}

// ------------------------------------------------------------------------------------------------ same bits

TEST(Wires, GiveTheSameBitsOnAnyInstructionSet) {
    Draw draw(14);
    for (const auto& [rows, cols] : {std::pair{5, 7}, {16, 16}, {45, 30}, {66, 67}}) {
        Array array = extreme_array(rows, cols, draw);
        add_faults(array, 0.02, draw);
        ReductionBuffers portable, best;
        portable.elimination = &wires::kPortable;
        std::vector<double> a(array.g.size()), b(array.g.size());
        effective_conductances(array.grid(), array.options, array.faults, portable, a);
        effective_conductances(array.grid(), array.options, array.faults, best, b);
        EXPECT_EQ(a, b) << describe(array) << ", " << best.elimination->name;
    }
}

TEST(Wires, GiveTheSameBitsForAnyThreadsAndBuffers) {
    Draw draw(15);
    std::vector<Array> arrays;
    for (int k = 0; k < 12; ++k) arrays.push_back(extreme_array(10 + draw.below(50), 10 + draw.below(50), draw));
    std::vector<std::vector<double>> expected;
    for (const Array& array : arrays) expected.push_back(array.effective());
    ReductionBuffers reused;
    for (size_t k = 0; k < arrays.size(); ++k) {
        std::vector<double> y(arrays[k].g.size());
        effective_conductances(arrays[k].grid(), arrays[k].options, {}, reused, y);
        EXPECT_EQ(y, expected[k]);
    }
    for (const int count : {1, 2, 5}) {
        set_threads(count);
        std::vector<std::vector<double>> got(arrays.size());
        parallel_for(int64_t(arrays.size()), [&](int64_t k) { got[size_t(k)] = arrays[size_t(k)].effective(); });
        EXPECT_EQ(got, expected) << count << " threads";
    }
    set_threads(0);
}

// ------------------------------------------------------------------------------------------------ bad input

template <class Call>
std::string refusal(const Call& call) {
    try {
        call();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Wires, RefuseBadResistances) {
    const std::vector<double> g(6, 1e-5);
    for (double WireOptions::*ohm :
         {&WireOptions::row_ohm, &WireOptions::col_ohm, &WireOptions::driver_ohm, &WireOptions::sense_ohm}) {
        for (const double value : {-1.0, -1e-300, double(INFINITY), double(NAN)}) {
            WireOptions options;
            options.*ohm = value;
            const std::string said = refusal([&] { effective_conductances({2, 3, g}, options); });
            EXPECT_NE(said.find("ohm: must be finite and at least 0"), std::string::npos) << said;
        }
    }
    for (const double value : {std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max()}) {
        const WireOptions options{value, value, value, value, Drive::left, Sense::bottom};
        for (const double y : effective_conductances({2, 3, g}, options))
            EXPECT_NEAR(y, value < 1 ? 1e-5 : 0, 1e-20) << value << " ohm";
    }
}

TEST(Wires, RefuseBadCells) {
    const WireOptions options{1, 1, 1, 1, Drive::left, Sense::bottom};
    for (const double value : {-1e-9, double(NAN), double(INFINITY), 1e300}) {
        std::vector<double> g(6, 1e-5);
        g[4] = value;
        const std::string said = refusal([&] { effective_conductances({2, 3, g}, options); });
        EXPECT_NE(said.find("the cell in row 1, column 1 has"), std::string::npos) << said;
    }
    const std::vector<double> g(6, 1e-5);
    EXPECT_NE(refusal([&] { effective_conductances({3, 3, g}, options); }).find("6 conductances"), std::string::npos);
    for (const auto& [rows, cols] : {std::pair{0, 6}, {6, 0}, {-2, -3}, {kMostLines + 1, 1}, {1, 2000000000}})
        EXPECT_NE(refusal([&] {
                      effective_conductances({rows, cols, g}, options);
                  }).find("must lie within 1 .. 4096"),
                  std::string::npos);
}

TEST(Wires, RefuseFaultsOfSegmentsThatDoNotExist) {
    const std::vector<double> g(6, 1e-5);
    const WireOptions options{1, 1, 1, 1, Drive::left, Sense::bottom};
    const auto said = [&](std::vector<SegmentFault> faults) {
        return refusal([&] { effective_conductances({2, 3, g}, options, faults); });
    };
    EXPECT_NE(said({{Line::row, 2, 1, Kind::open}}).find("lines lie within 0 .. 1"), std::string::npos);
    EXPECT_NE(said({{Line::row, -1, 1, Kind::open}}).find("lines lie within 0 .. 1"), std::string::npos);
    EXPECT_NE(said({{Line::row, 1, 4, Kind::open}}).find("segments within 0 .. 3"), std::string::npos);
    EXPECT_NE(said({{Line::column, 2, -1, Kind::open}}).find("segments within 0 .. 2"), std::string::npos);
    EXPECT_NE(said({{Line::row, 1, 3, Kind::open}}).find("nothing is connected"), std::string::npos);
    EXPECT_NE(said({{Line::column, 1, 0, Kind::shorted}}).find("nothing is connected"), std::string::npos);
    EXPECT_NE(said({{Line::row, 1, 2, Kind::open}, {Line::row, 1, 2, Kind::shorted}}).find("more than one fault"),
              std::string::npos);
    EXPECT_EQ(said({{Line::row, 1, 0, Kind::open}, {Line::column, 1, 2, Kind::shorted}}), "accepted");
}

TEST(Wires, RefuseBadVoltages) {
    const std::vector<double> g(6, 1e-5);
    const FactoredArray array = factor_array({2, 3, g}, {1, 1, 1, 1, Drive::left, Sense::bottom});
    const std::vector<double> two{1, 2}, three{1, 2, 3}, bad{1, NAN};
    EXPECT_NE(refusal([&] { solve_voltages(array, three); }).find("3 drive voltages where 2"), std::string::npos);
    EXPECT_NE(refusal([&] { solve_voltages(array, two, two); }).find("2 sense voltages where 3"), std::string::npos);
    EXPECT_NE(refusal([&] { solve_voltages(array, bad); }).find("drive voltage 1 is nan"), std::string::npos);
}

}  // namespace
}  // namespace bitline
