// Arrays whose rows are gated by the input: against a sparse direct solve (or dense elimination) in extended precision,
// and against their own bounds.

#include "peripherals/wires/gated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "peripherals/wires/ladder.h"
#include "support/network_oracle.h"
#include "support/wire_oracle.h"

namespace bitline {
namespace {

using testing::NetworkOracle;
using testing::WireOracle;
using Drive = WireOptions::Drive;
using Sense = WireOptions::Sense;

/// Uniform numbers from one counter to the next.
struct Draw {
    uint32_t index = 0, what = 0;
    explicit Draw(uint32_t number) : what(number) {}
    double operator()() {
        const StreamKey key = stream_key(11, 0, Purpose::test);
        return (philox({index++, what, 0, 0}, key)[0] + 0.5) * 0x1p-32;
    }
    double log_uniform(double low, double high) { return low * std::pow(high / low, (*this)()); }
    int below(int count) { return int((*this)() * count); }
};

struct Array {
    int rows = 0, cols = 0;
    std::vector<double> g;
    WireOptions options;
    std::vector<double> drive;
    std::vector<uint8_t> active;

    CellGrid grid() const { return {rows, cols, g}; }
    /// What is left when the cells of the other rows are disconnected.
    WireOracle::Solution exact() const {
        std::vector<double> left = g;
        for (size_t k = 0; k < g.size(); ++k)
            if (active[k / size_t(cols)] == 0) left[k] = 0;
        return WireOracle({rows, cols, left}, options).solve(drive);
    }
    std::string text() const {
        return std::to_string(rows) + " x " + std::to_string(cols) + ", drive " + std::to_string(int(options.drive)) +
               ", sense " + std::to_string(int(options.sense)) + ", row " + std::to_string(options.row_ohm) + ", col " +
               std::to_string(options.col_ohm) + ", driver " + std::to_string(options.driver_ohm) + ", sense " +
               std::to_string(options.sense_ohm) + " ohm";
    }
};

/// Cells over 1e-9 .. 1e-3 S, some open; wires over 0.1 .. 100 ohm, some without resistance; half of the rows active.
Array random_array(int rows, int cols, Draw& draw) {
    Array array{rows, cols, {}, {}, {}, {}};
    for (int k = 0; k < rows * cols; ++k) array.g.push_back(draw() < 0.05 ? 0 : draw.log_uniform(1e-9, 1e-3));
    for (double WireOptions::*ohm :
         {&WireOptions::row_ohm, &WireOptions::col_ohm, &WireOptions::driver_ohm, &WireOptions::sense_ohm})
        array.options.*ohm = draw() < 0.1 ? 0 : draw.log_uniform(0.1, 100);
    array.options.drive = draw() < 0.5 ? Drive::left : Drive::right;
    array.options.sense = draw() < 0.5 ? Sense::bottom : Sense::top;
    const bool bits = draw() < 0.5;
    for (int i = 0; i < rows; ++i) {
        array.drive.push_back(bits ? 0.2 : 2 * draw() - 1);
        array.active.push_back(draw() < 0.5);
    }
    return array;
}

WireSolution solve(const Array& array, const SolveLimits& limits, GatedBuffers& buffers) {
    WireSolution solution;
    solve_gated(prepare_gated(array.grid(), array.options), array.drive, array.active, limits, buffers, solution);
    return solution;
}

WireSolution solve(const Array& array, const SolveLimits& limits = {}) {
    GatedBuffers buffers;
    return solve(array, limits, buffers);
}

/// Sum of all errors.
double error_of(const WireSolution& solution, const std::vector<long double>& exact) {
    long double sum = 0;
    for (size_t j = 0; j < exact.size(); ++j) sum += std::abs(exact[j] - (long double)solution.current[j]);
    return double(sum);
}

template <class A>
double largest(const A& a) {
    double most = 0;
    for (const auto x : a) most = std::max(most, double(std::abs(x)));
    return most;
}

// ------------------------------------------------------------------------------------------------ the bound

TEST(GatedWires, NeverErrByMoreThanTheBound) {
    Draw draw(1);
    int unfinished = 0, at_floor = 0;
    for (int turn = 0; turn < 1000; ++turn) {
        const Array array = random_array(1 + draw.below(20), 1 + draw.below(20), draw);
        SolveLimits limits;
        limits.tolerance = draw.log_uniform(1e-17, 1e-1);
        limits.sweeps = turn % 3 == 0 ? 1 + draw.below(5) : 300;
        const WireSolution solution = solve(array, limits);
        const auto exact = array.exact().current;
        const double error = error_of(solution, exact), most = largest(solution.current);
        ASSERT_LE(error, solution.bound) << array.text() << ", " << solution.sweeps << " sweeps";
        EXPECT_EQ(solution.converged, solution.bound <= limits.tolerance * most) << array.text();
        EXPECT_LE(solution.sweeps, limits.sweeps);
        unfinished += !solution.converged;
        at_floor += !solution.converged && solution.relative_bound() < 1e-10;
    }
    EXPECT_GT(unfinished, 150);  // both kinds are among them
    EXPECT_GT(at_floor, 30);
}

TEST(GatedWires, HaveABoundThatSaysSomething) {
    // Far from rounding, over arrays of an ordinary kind, the bound is some times the error.
    Draw draw(2);
    std::vector<double> excess;
    for (int turn = 0; turn < 40; ++turn) {
        Array array = random_array(32, 32, draw);
        for (double& g : array.g) g = draw.log_uniform(1e-6, 1e-4);
        array.options.row_ohm = array.options.col_ohm = 10;
        SolveLimits limits;
        limits.sweeps = 3;
        limits.tolerance = 1e-15;
        const WireSolution solution = solve(array, limits);
        EXPECT_FALSE(solution.converged);
        excess.push_back(solution.bound / error_of(solution, array.exact().current));
    }
    std::nth_element(excess.begin(), excess.begin() + 20, excess.end());
    EXPECT_LT(excess[20], 20);
}

TEST(GatedWires, ConvergeToWhatIsAsked) {
    Draw draw(3);
    for (int turn = 0; turn < 60; ++turn) {
        const Array array = random_array(4 + draw.below(36), 4 + draw.below(36), draw);
        SolveLimits limits;
        limits.tolerance = turn % 2 == 0 ? 1e-6 : 1e-10;
        const WireSolution solution = solve(array, limits);
        EXPECT_TRUE(solution.converged) << array.text() << ": " << solution.relative_bound();
        EXPECT_LE(error_of(solution, array.exact().current), limits.tolerance * largest(solution.current));
    }
}

TEST(GatedWires, SayByHowMuchTheyDidNotConverge) {
    Draw draw(4);
    Array array = random_array(24, 24, draw);
    array.g.assign(array.g.size(), 1e-3);
    array.options = {100, 100, 100, 100, Drive::left, Sense::bottom};
    SolveLimits limits;
    limits.sweeps = 2;
    const WireSolution solution = solve(array, limits);
    EXPECT_FALSE(solution.converged);
    EXPECT_EQ(solution.sweeps, 2);
    EXPECT_GT(solution.relative_bound(), 1e-3);
    EXPECT_LE(error_of(solution, array.exact().current), solution.bound);
    EXPECT_TRUE(solve(array).converged);
}

// ------------------------------------------------------------------------------------------------ physics

TEST(GatedWires, WithoutResistanceAreThePlainProductToTheBit) {
    Draw draw(5);
    for (const Sense sense : {Sense::bottom, Sense::top}) {
        Array array = random_array(21, 35, draw);
        array.options = {0, 0, 0, 0, Drive::right, sense};
        std::vector<double> plain(35, 0.0);
        for (int n = 0; n < 21; ++n) {
            const auto i = size_t(sense == Sense::bottom ? n : 20 - n);
            for (size_t j = 0; j < 35 && array.active[i] != 0; ++j) plain[j] += array.g[i * 35 + j] * array.drive[i];
        }
        const WireSolution solution = solve(array);
        EXPECT_EQ(solution.current, plain);
        EXPECT_EQ(solution.sweeps, 1);
        EXPECT_TRUE(solution.converged);
    }
}

TEST(GatedWires, DissipateLessTheMoreTheyResist) {
    Draw draw(6);
    Array array = random_array(24, 30, draw);
    array.drive.assign(24, 1.0);
    array.options = {1, 1, 1, 1, Drive::left, Sense::bottom};
    SolveLimits limits;
    limits.tolerance = 1e-11;
    for (double WireOptions::*ohm :
         {&WireOptions::row_ohm, &WireOptions::col_ohm, &WireOptions::driver_ohm, &WireOptions::sense_ohm}) {
        double before = INFINITY;
        for (const double value : {0.0, 0.01, 0.1, 1.0, 10.0, 100.0}) {
            Array changed = array;
            changed.options.*ohm = value;
            double sum = 0;
            for (const double i : solve(changed, limits).current) sum += i;
            EXPECT_LT(sum, before);
            before = sum;
        }
    }
}

TEST(GatedWires, HaveTheVoltagesOfADirectSolve) {
    Draw draw(7);
    GatedBuffers buffers;
    for (int turn = 0; turn < 40; ++turn) {
        const Array array = random_array(1 + draw.below(24), 1 + draw.below(24), draw);
        SolveLimits limits;
        limits.tolerance = 1e-15;
        const WireSolution solution = solve(array, limits, buffers);
        const ArrayVoltages volts =
            voltages_of(prepare_gated(array.grid(), array.options), array.drive, buffers, solution);
        const auto exact = array.exact();
        for (size_t k = 0; k < array.g.size(); ++k) {
            const size_t row = k / size_t(array.cols);
            const double word = array.active[row] == 0 ? array.drive[row] : double(exact.word[k]);
            EXPECT_NEAR(volts.word[k], word, array.active[row] == 0 ? 0 : 1e-12) << array.text();
            bool conducts = false;  // else the bit line hangs on nothing but its own end
            for (size_t i = 0; i < array.active.size(); ++i)
                conducts |= array.active[i] != 0 && array.g[i * size_t(array.cols) + k % size_t(array.cols)] > 0;
            EXPECT_NEAR(volts.bit[k], conducts ? double(exact.bit[k]) : 0, 1e-12) << array.text();
        }
        // What the drivers deliver leaves through the bit lines.
        if (array.options.driver_ohm == 0) continue;
        double in = 0, out = 0, all = 0;
        for (int i = 0; i < array.rows; ++i) {
            if (array.active[size_t(i)] == 0) continue;
            const int end = array.options.drive == Drive::left ? 0 : array.cols - 1;
            in += (array.drive[size_t(i)] - volts.word[size_t(i * array.cols + end)]) / array.options.driver_ohm;
        }
        for (const double i : solution.current) {
            out += i;
            all += std::abs(i);
        }
        EXPECT_NEAR(in, out, 1e-9 * all + 1e-14 * array.rows / array.options.driver_ohm) << array.text();
    }
}

TEST(GatedWires, CarryNoCurrentWhereNothingConducts) {
    Draw draw(8);
    Array array = random_array(12, 9, draw);
    Array open = array, off = array;
    open.g.assign(open.g.size(), 0);
    off.active.assign(12, 0);
    for (const Array& dead : {open, off}) {
        const WireSolution solution = solve(dead);
        EXPECT_EQ(solution.current, std::vector<double>(9, 0.0));
        EXPECT_EQ(solution.bound, 0);
        EXPECT_EQ(solution.relative_bound(), 0);
        EXPECT_TRUE(solution.converged);
    }
    for (int i = 0; i < 12; ++i) array.g[size_t(i) * 9 + 4] = 0;  // a column without a cell
    EXPECT_EQ(solve(array).current[4], 0);
}

TEST(GatedWires, TakeAnyResistance) {
    Draw draw(9);
    for (const double ohm : {1e-250, 1e-12, 1e12, 1e30}) {
        Array array = random_array(7, 9, draw);
        array.drive.assign(7, 0.3);
        array.options = {ohm, ohm, ohm, ohm, Drive::left, Sense::bottom};
        const WireSolution solution = solve(array);
        for (const double i : solution.current) EXPECT_TRUE(std::isfinite(i)) << ohm;
        EXPECT_TRUE(std::isfinite(solution.bound)) << ohm;
        EXPECT_LE(error_of(solution, array.exact().current), solution.bound + 1e-18) << ohm;
    }
}

// ------------------------------------------------------------------------------------------------ bits

TEST(GatedWires, HaveTheSameBitsOnEveryInstructionSetAndThread) {
    Draw draw(10);
    std::vector<Array> arrays;
    for (int k = 0; k < 16; ++k) arrays.push_back(random_array(1 + draw.below(40), 1 + draw.below(40), draw));
    std::vector<WireSolution> first(arrays.size());
    for (size_t k = 0; k < arrays.size(); ++k) {
        GatedBuffers buffers;
        buffers.sweeps = &wires::kPortableSweeps;
        first[k] = solve(arrays[k], {1e-8, 100}, buffers);
    }
    for (const int count : {1, 2, 5}) {
        set_threads(count);
        std::vector<WireSolution> again(arrays.size());
        parallel_for(int64_t(arrays.size()), [&](int64_t k) {
            thread_local GatedBuffers buffers;
            again[size_t(k)] = solve(arrays[size_t(k)], {1e-8, 100}, buffers);
        });
        for (size_t k = 0; k < arrays.size(); ++k) {
            EXPECT_EQ(again[k].current, first[k].current);
            EXPECT_EQ(again[k].bound, first[k].bound);
        }
    }
    set_threads(0);
}

// ------------------------------------------------------------------------------------------------ ladders

struct LadderExact {
    std::vector<long double> source, bit;
    long double current = 0;
};

/// One column: source nodes, bit line nodes, the drivers' source, ground.
LadderExact exact_ladder(const Array& array, double drive, int col) {
    const int m = array.rows, driver = 2 * m, ground = 2 * m + 1;
    const WireOptions& o = array.options;
    NetworkOracle network(2 * m + 2);
    network.hold(driver, drive);
    network.hold(ground, 0);
    if (o.drive != Drive::right) network.resistor(0, driver, o.driver_ohm);
    if (o.drive != Drive::left) network.resistor(m - 1, driver, o.driver_ohm);
    network.resistor(m + (o.sense == Sense::bottom ? m - 1 : 0), ground, o.sense_ohm);
    for (int i = 0; i + 1 < m; ++i) {
        network.resistor(i, i + 1, o.row_ohm);
        network.resistor(m + i, m + i + 1, o.col_ohm);
    }
    const auto g = [&](int i) { return array.active[size_t(i)] != 0 ? array.g[size_t(i * array.cols + col)] : 0.0; };
    for (int i = 0; i < m; ++i)
        if (g(i) > 0) network.conductor(i, m + i, g(i));
    const std::vector<long double> v = network.solve();
    LadderExact exact{{v.begin(), v.begin() + m}, {v.begin() + m, v.begin() + 2 * m}, 0};
    for (int i = 0; i < m; ++i) exact.current += g(i) * (exact.source[size_t(i)] - exact.bit[size_t(i)]);
    return exact;
}

TEST(LadderWires, AgreeWithElimination) {
    Draw draw(20);
    for (int turn = 0; turn < 120; ++turn) {
        Array array = random_array(1 + draw.below(24), 1 + draw.below(9), draw);
        array.options.drive = std::vector{Drive::left, Drive::right, Drive::both}[size_t(turn % 3)];
        const LadderArray ladders = prepare_ladders(array.grid(), array.options);
        LadderBuffers buffers;
        std::vector<double> current(size_t(array.cols));
        solve_ladders(ladders, 0.7, array.active, buffers, current);
        const ArrayVoltages volts = ladder_voltages(ladders, 0.7, array.active);
        for (int j = 0; j < array.cols; ++j) {
            const LadderExact exact = exact_ladder(array, 0.7, j);
            EXPECT_NEAR(current[size_t(j)], double(exact.current), 1e-13 * double(exact.current)) << array.text();
            EXPECT_NEAR(volts.column_current[size_t(j)], double(exact.current), 1e-13 * double(exact.current));
            for (int i = 0; i < array.rows; ++i) {
                EXPECT_NEAR(volts.word[size_t(i * array.cols + j)], double(exact.source[size_t(i)]), 1e-12)
                    << array.text() << ", row " << i;
                EXPECT_NEAR(volts.bit[size_t(i * array.cols + j)], double(exact.bit[size_t(i)]), 1e-12)
                    << array.text() << ", row " << i;
            }
        }
    }
}

TEST(LadderWires, WithoutResistanceAreThePlainSumToTheBit) {
    Draw draw(21);
    Array array = random_array(33, 18, draw);
    array.options = {0, 0, 0, 0, Drive::left, Sense::bottom};
    std::vector<double> sum(18, 0.0), current(18);
    for (size_t i = 0; i < 33; ++i)
        for (size_t j = 0; j < 18 && array.active[i] != 0; ++j) sum[j] += array.g[i * 18 + j];
    for (double& g : sum) g *= 0.7;
    LadderBuffers buffers;
    solve_ladders(prepare_ladders(array.grid(), array.options), 0.7, array.active, buffers, current);
    EXPECT_EQ(current, sum);
}

TEST(LadderWires, HaveTheSameBitsOnEveryInstructionSet) {
    Draw draw(22);
    for (int turn = 0; turn < 20; ++turn) {
        Array array = random_array(1 + draw.below(40), 1 + draw.below(40), draw);
        const LadderArray ladders = prepare_ladders(array.grid(), array.options);
        LadderBuffers best, portable;
        portable.sweeps = &wires::kPortableSweeps;
        std::vector<double> a(size_t(array.cols)), b(size_t(array.cols));
        solve_ladders(ladders, 0.7, array.active, best, a);
        solve_ladders(ladders, 0.7, array.active, portable, b);
        EXPECT_EQ(a, b);
    }
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

TEST(GatedWires, RefuseBadInput) {
    const std::vector<double> g(6, 1e-5), two{0.1, 0.2};
    const std::vector<uint8_t> both{1, 1};
    WireOptions options{1, 1, 1, 1, Drive::left, Sense::bottom};
    const GatedArray array = prepare_gated({2, 3, g}, options);
    const auto said = [&](std::vector<double> drive, std::vector<uint8_t> active, SolveLimits limits) {
        GatedBuffers buffers;
        WireSolution solution;
        return refusal([&] { solve_gated(array, drive, active, limits, buffers, solution); });
    };
    EXPECT_EQ(said(two, both, {}), "accepted");
    EXPECT_NE(said({0.1}, both, {}).find("1 drive voltages and 2 input bits where 2 rows"), std::string::npos);
    EXPECT_NE(said(two, {1, 0, 1}, {}).find("3 input bits"), std::string::npos);
    EXPECT_NE(said({0.1, NAN}, both, {}).find("drive voltage 1 is nan"), std::string::npos);
    EXPECT_NE(said({0.1, 1e7}, both, {}).find("drive voltage 1"), std::string::npos);
    EXPECT_NE(said(two, both, {0, 5}).find("tolerance"), std::string::npos);
    EXPECT_NE(said(two, both, {double(NAN), 5}).find("tolerance"), std::string::npos);
    EXPECT_NE(said(two, both, {1e-6, 0}).find("0 sweeps"), std::string::npos);
    for (const double value : {-1.0, double(INFINITY), double(NAN), 1e31}) {
        options.col_ohm = value;
        EXPECT_NE(refusal([&] { prepare_gated({2, 3, g}, options); }).find("ohm"), std::string::npos) << value;
        EXPECT_NE(refusal([&] { prepare_ladders({2, 3, g}, options); }).find("ohm"), std::string::npos) << value;
    }
    options.col_ohm = 1;
    EXPECT_NE(refusal([&] { prepare_gated({2, 2, g}, options); }).find("6 conductances"), std::string::npos);
    options.drive = Drive::both;
    EXPECT_NE(refusal([&] { prepare_gated({2, 3, g}, options); }).find("one end"), std::string::npos);
    const LadderArray ladders = prepare_ladders({2, 3, g}, options);
    LadderBuffers buffers;
    std::vector<double> current(3);
    EXPECT_NE(refusal([&] { solve_ladders(ladders, NAN, both, buffers, current); }).find("nan"), std::string::npos);
    const std::vector<uint8_t> one{1};
    EXPECT_NE(refusal([&] { solve_ladders(ladders, 1, one, buffers, current); }).find("1 input bits"),
              std::string::npos);
}

}  // namespace
}  // namespace bitline
