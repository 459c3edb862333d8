#include "peripherals/wires/gated.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace bitline {

namespace {

using wires::Certificate;
using wires::kLanes;
using wires::LineFactors;
using wires::LineGrid;
using wires::LineStep;
using wires::round_up;

size_t cells_of(const LineGrid& grid) { return size_t(grid.rows) * size_t(grid.cols); }

// ------------------------------------------------------------------------------------------------ rows that conduct

/// Lists the rows from the open end of the bit lines to the sensed one, and what lies between them.
void select_rows(const GatedArray& array, std::span<const double> drive, std::span<const uint8_t> active,
                 GatedBuffers& buffers) {
    const bool bottom = array.options.sense == WireOptions::Sense::bottom;
    buffers.row.clear();
    for (int k = 0; k < array.rows; ++k) {
        const int row = bottom ? k : array.rows - 1 - k;
        if (active[size_t(row)] != 0) buffers.row.push_back(row);
    }
    const int fill = round_up(int(buffers.row.size()), kLanes) - int(buffers.row.size());
    buffers.row.insert(buffers.row.begin(), size_t(fill), -1);
    LineGrid& grid = buffers.grid;
    grid = {int(buffers.row.size()), array.stride, array.options.driver_ohm, array.options.row_ohm, nullptr, nullptr};
    buffers.col_ohm.assign(buffers.row.size(), 0);
    buffers.drive.assign(buffers.row.size(), 0);
    for (size_t k = size_t(fill); k < buffers.row.size(); ++k) {
        const int row = buffers.row[k], end = bottom ? array.rows - 1 : 0;
        const bool last = k + 1 == buffers.row.size();
        const double segments = std::abs((last ? end : buffers.row[k + 1]) - row) * array.options.col_ohm;
        buffers.col_ohm[k] = last ? segments + array.options.sense_ohm : segments;
        buffers.drive[k] = drive[size_t(row)];
    }
    grid.col_ohm = buffers.col_ohm.data();
    grid.drive = buffers.drive.data();
}

void gather_cells(const GatedArray& array, GatedBuffers& buffers) {
    const int cols = buffers.grid.cols;
    for (std::vector<double>* values : {&buffers.conductance, &buffers.word, &buffers.bit, &buffers.row_share,
                                        &buffers.row_seen, &buffers.col_share, &buffers.col_seen})
        values->resize(cells_of(buffers.grid));
    buffers.scratch.resize(std::max(8 * size_t(cols), 16 * buffers.row.size()));
    for (int k = 0; k < buffers.grid.rows; ++k) {
        const int row = buffers.row[size_t(k)];
        const double* from = row < 0 ? nullptr : &array.conductance[size_t(row) * size_t(cols)];
        double* to = &buffers.conductance[size_t(wires::block_at(cols, k, 0))];
        for (int col = 0; col < cols; col += kLanes, to += 16)
            for (int c = 0; c < kLanes; ++c) to[c] = from ? from[col + c] : 0;
    }
}

// ------------------------------------------------------------------------------------------------ bound

/// See gated.h. The currents are those of the cells at the present voltages.
void certify(GatedBuffers& buffers, WireSolution& solution) {
    constexpr double kUnit = 0x1p-53;
    const LineGrid& grid = buffers.grid;
    const auto cols = size_t(grid.cols);
    buffers.sums.assign(4 * cols, 0);
    double* sums = buffers.sums.data();
    Certificate found{sums, sums + cols, sums + 2 * cols, sums + 3 * cols, 0, 0};
    buffers.sweeps->certify(grid, {buffers.conductance.data(), nullptr, buffers.word.data(), buffers.bit.data()},
                            buffers.row_seen.data(), buffers.col_seen.data(), found);
    // Of a sum of n currents, each with a relative error of two units, at most (n + 2) units of the sum of magnitudes;
    // a few more for the product with r, which is rounded itself, and for the differences.
    const double in_row = (grid.cols + 10) * kUnit, in_col = (grid.rows + 10) * kUnit;
    double error = found.row_error + in_row * found.row_rounding, sum = 0;
    for (size_t j = 0; j < cols; ++j) {
        error += found.error[j] + in_col * found.magnitude[j] * found.reach[j];
        sum += in_col * found.magnitude[j];
    }
    constexpr double kOwn = 1 + 1e-6;  // the sums above and S are right to less, however large the array
    solution.bound = kOwn * (2 * error + sum);
}

// ------------------------------------------------------------------------------------------------ iteration

/// The share of its cells' far voltages that the slowest mode of a uniform line keeps, from the share `held` of the
/// drive that reaches its open end: held = 1 / cosh(t), share = t^2 / (t^2 + (pi / 2)^2), t^2 = r g n^2.
double slowest_mode(double held) {
    constexpr double kMostT = 1e4, kQuarterWave = 2.4674011002723395;
    const double t = held > 1 / kMostT ? fixed_log(1 / held + std::sqrt((1 / held - 1) * (1 / held + 1))) : kMostT;
    return t * t / (t * t + kQuarterWave);
}

/// Weights of the half steps after the first one.
struct ChebyshevWeights {
    double square;  // of the largest eigenvalue of a half step; too small or too large costs sweeps and nothing else
    double weight = 1;
    bool first = true;
    double next() {
        weight = 1 / (1 - square / (first ? 2 : 4) * weight);
        first = false;
        return weight;
    }
    /// How much of an error a whole step leaves, in the long run.
    double rate() const {
        const double root = std::sqrt(square) / (1 + std::sqrt(1 - square));
        return root * root;
    }
};

/// From what the lossiest row and column hold: cells are not uniform, but no row passes on more of its bit lines'
/// voltage than it keeps back of its own drive, nor a column.
ChebyshevWeights choose_weights(double held_by_rows, double held_by_cols) {
    const double uniform = 1.05 * slowest_mode(held_by_rows) * slowest_mode(held_by_cols);
    return {std::min({uniform, (1 - held_by_rows) * (1 - held_by_cols), 1 - 1e-9})};
}

/// Sweeps after which the tolerance is likely to be met.
int expected_sweeps(const LineGrid& grid, const ChebyshevWeights& weights, const SolveLimits& limits) {
    const double rate = weights.rate(), first = weights.square * grid.cols;
    if (!(rate > 0) || first <= limits.tolerance) return 1;
    const double more = fixed_log(limits.tolerance / first) / fixed_log(rate);
    return 1 + int(std::ceil(std::min(more, double(limits.sweeps))));
}

void iterate(const SolveLimits& limits, GatedBuffers& buffers, WireSolution& solution) {
    const LineGrid& grid = buffers.grid;
    const wires::Sweeps& sweeps = *buffers.sweeps;
    const double* g = buffers.conductance.data();
    const LineFactors rows{buffers.row_share.data(), buffers.row_seen.data()};
    const LineFactors cols{buffers.col_share.data(), buffers.col_seen.data()};
    double *word = buffers.word.data(), *bit = buffers.bit.data(), *scratch = buffers.scratch.data();
    const double held_by_rows = sweeps.factor_rows(grid, g, rows);
    const double held_by_cols = sweeps.factor_cols(grid, g, cols);
    ChebyshevWeights weights = choose_weights(held_by_rows, held_by_cols);
    std::fill(buffers.bit.begin(), buffers.bit.end(), 0.0);
    sweeps.solve_rows(grid, rows.share, {g, bit, 1, word}, scratch);
    sweeps.solve_cols(grid, cols.share, {g, word, 1, bit}, scratch);
    solution.sweeps = 1;
    int check = std::min(expected_sweeps(grid, weights, limits), limits.sweeps), stuck = 0;
    for (double before = INFINITY;;) {
        for (; solution.sweeps < check; ++solution.sweeps) {
            sweeps.solve_rows(grid, rows.share, {g, bit, weights.next(), word}, scratch);
            sweeps.solve_cols(grid, cols.share, {g, word, weights.next(), bit}, scratch);
        }
        certify(buffers, solution);
        double largest = 0;
        for (int j = 0; j < grid.cols; ++j) largest = std::max(largest, std::abs(buffers.sums[size_t(j)]));
        solution.converged = solution.bound <= limits.tolerance * largest;
        stuck = solution.bound > 0.9 * before ? stuck + 1 : 0;
        if (solution.converged || solution.sweeps >= limits.sweeps || stuck == 3) return;
        before = solution.bound;
        check = std::min(limits.sweeps, solution.sweeps + 1 + solution.sweeps / 8);
    }
}

// ------------------------------------------------------------------------------------------------ checks

void check_input(const GatedArray& array, std::span<const double> drive, std::span<const uint8_t> active,
                 const SolveLimits& limits) {
    if (drive.size() != size_t(array.rows) || active.size() != size_t(array.rows)) {
        throw ConfigError(fmt::format("wires: {} drive voltages and {} input bits where {} rows are", drive.size(),
                                      active.size(), array.rows));
    }
    for (size_t i = 0; i < drive.size(); ++i) wires::check_volts(drive[i], "drive voltage", i);
    if (!(limits.tolerance > 0))
        throw ConfigError(fmt::format("wires: a tolerance of {}: must be above 0", limits.tolerance));
    if (limits.sweeps < 1) throw ConfigError(fmt::format("wires: {} sweeps: must be at least 1", limits.sweeps));
}

}  // namespace

double WireSolution::relative_bound() const {
    double largest = 0;
    for (const double i : current) largest = std::max(largest, std::abs(i));
    return bound > 0 ? bound / largest : 0;
}

GatedArray prepare_gated(const CellGrid& cells, const WireOptions& options) {
    wires::Segments checked;
    wires::lay_segments(cells, options, {}, checked);
    if (options.drive == WireOptions::Drive::both)
        throw ConfigError("wires: source lines of arrays with gated rows are driven at one end, left or right");
    wires::check_most_ohm(options);
    GatedArray array{cells.rows, cells.cols, round_up(cells.cols, kLanes), options, {}};
    const auto rows = size_t(cells.rows), cols = size_t(cells.cols), stride = size_t(array.stride);
    array.conductance.assign(rows * stride, 0);
    for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < cols; ++j) {
            const size_t from = options.drive == WireOptions::Drive::left ? j : cols - 1 - j;
            array.conductance[i * stride + j] = cells.conductance[i * cols + from];
        }
    return array;
}

void solve_gated(const GatedArray& array, std::span<const double> drive, std::span<const uint8_t> active,
                 const SolveLimits& limits, GatedBuffers& buffers, WireSolution& solution) {
    check_input(array, drive, active, limits);
    select_rows(array, drive, active, buffers);
    solution = {std::vector<double>(size_t(array.cols), 0.0), 0, 0, true};
    if (buffers.row.empty()) return;
    gather_cells(array, buffers);
    iterate(limits, buffers, solution);
    for (int j = 0; j < array.cols; ++j) {
        const int to = array.options.drive == WireOptions::Drive::left ? j : array.cols - 1 - j;
        solution.current[size_t(to)] = buffers.sums[size_t(j)];
    }
}

ArrayVoltages voltages_of(const GatedArray& array, std::span<const double> drive, const GatedBuffers& buffers,
                          const WireSolution& solution) {
    const auto rows = size_t(array.rows), cols = size_t(array.cols);
    ArrayVoltages volts{std::vector<double>(rows * cols), std::vector<double>(rows * cols), solution.current};
    for (size_t i = 0; i < rows; ++i) std::fill_n(volts.word.begin() + long(i * cols), cols, drive[i]);
    const bool left = array.options.drive == WireOptions::Drive::left;
    const bool bottom = array.options.sense == WireOptions::Sense::bottom;
    const double col_ohm = array.options.col_ohm;
    size_t filled = 0;
    while (filled < buffers.row.size() && buffers.row[filled] < 0) ++filled;
    for (size_t j = 0; j < cols; ++j) {
        const size_t to = left ? j : cols - 1 - j;
        const auto at = [&](size_t k) { return size_t(wires::block_at(array.stride, int(k), int(j))); };
        size_t k = filled;
        double flow = 0, volt = k < buffers.row.size() ? buffers.bit[at(k)] : 0;  // of the bit line
        for (size_t n = 0; n < rows; ++n) {
            const size_t i = bottom ? n : rows - 1 - n;
            if (k < buffers.row.size() && buffers.row[k] == int(i)) {
                volt = buffers.bit[at(k)];
                flow += buffers.conductance[at(k)] * (buffers.word[at(k)] - volt);
                volts.word[i * cols + to] = buffers.word[at(k)];
                ++k;
            }
            volts.bit[i * cols + to] = volt;
            volt -= flow * col_ohm;
        }
    }
    return volts;
}

}  // namespace bitline
