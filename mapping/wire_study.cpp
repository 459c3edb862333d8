#include "mapping/wire_study.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "core/error.h"
#include "core/random.h"
#include "mapping/array_wires.h"
#include "peripherals/wires/gated.h"
#include "peripherals/wires/ladder.h"
#include "peripherals/wires/reduction.h"

namespace bitline {

namespace {

using Pattern = WireStudyOptions::Pattern;
using Topology = WireStudyOptions::Topology;

/// The array with every cell in use and its place that of the plan.
struct FullArray {
    ArrayPlan plan;
    Placement placement;
};

FullArray fill_array(const ArrayOptions& array, const Grid& grid, const WireStudyOptions& options) {
    FullArray full;
    full.plan.rows = full.plan.active_rows = array.rows;
    full.plan.columns.resize(static_cast<size_t>(array.cols));
    Placement& placement = full.placement;
    placement.lines = static_cast<size_t>(array.rows);
    placement.used = placement.width = static_cast<size_t>(array.cols);
    placement.word_line.resize(placement.lines);
    placement.bit_line.resize(placement.used);
    std::iota(placement.word_line.begin(), placement.word_line.end(), 0U);
    std::iota(placement.bit_line.begin(), placement.bit_line.end(), 0U);
    const auto top = static_cast<uint16_t>(grid.levels() - 1);
    placement.levels.assign(placement.lines * placement.width, options.pattern == Pattern::high ? top : uint16_t{0});
    if (options.pattern != Pattern::random) return full;
    const StreamKey key = stream_key(options.seed, 0, Purpose::wire_study_levels);
    for (size_t i = 0; i < placement.levels.size(); ++i) {
        const Counter random = philox({static_cast<uint32_t>(i), 0, 0, 0}, key);
        placement.levels[i] = static_cast<uint16_t>(uniform(random[0]) * (top + 1));
    }
    return full;
}

/// Which rows are driven, (vectors x rows), by the vectors from `first` on.
std::vector<uint8_t> draw_inputs(int rows, int first, const WireStudyOptions& options) {
    const StreamKey key = stream_key(options.seed, 0, Purpose::wire_study_inputs);
    std::vector<uint8_t> driven(static_cast<size_t>(options.vectors) * static_cast<size_t>(rows));
    const size_t skip = static_cast<size_t>(first) * static_cast<size_t>(rows);
    for (size_t i = 0; i < driven.size(); ++i) {
        const size_t draw = skip + i;
        const Counter random = philox({static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32), 0, 0}, key);
        driven[i] = uniform(random[0]) > 1 - options.active;
    }
    return driven;
}

/// Sums over the driven rows, (vectors x cols), S.
std::vector<double> products(const WireStudy& study, std::span<const double> conductance,
                             std::span<const uint8_t> driven) {
    const auto rows = static_cast<size_t>(study.rows), cols = static_cast<size_t>(study.cols);
    std::vector<double> sums(driven.size() / rows * cols, 0.0);
    for (size_t i = 0; i < driven.size(); ++i) {
        if (driven[i] == 0) continue;
        const double* row = conductance.data() + i % rows * cols;
        double* sum = sums.data() + i / rows * cols;
        for (size_t c = 0; c < cols; ++c) sum[c] += row[c];
    }
    return sums;
}

ProductError compare(std::span<const double> wanted, std::span<const double> found, double gain) {
    double signal = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
        const double error = gain * found[i] - wanted[i];
        signal += wanted[i] * wanted[i];
        squares += error * error;
        largest = std::max(largest, std::abs(error));
    }
    if (!(signal > 0)) return {};
    return {std::sqrt(squares / signal), largest / std::sqrt(signal / static_cast<double>(wanted.size()))};
}

// ------------------------------------------------------------------------------------------------ gated rows

/// One array, solved for one input after another.
struct GatedProducts {
    const WireStudyOptions& options;
    WireStudy& study;
    GatedArray gated;
    LadderArray ladders;
    GatedBuffers gated_buffers;
    LadderBuffers ladder_buffers;
    WireSolution solution;
    std::vector<double> drive;

    GatedProducts(const WireOptions& lines, const WireStudyOptions& study_options, WireStudy& of)
        : options(study_options), study(of), drive(static_cast<size_t>(of.rows), study_options.voltage) {
        const CellGrid cells{study.rows, study.cols, study.conductance};
        if (options.topology == Topology::gated)
            gated = prepare_gated(cells, lines);
        else
            ladders = prepare_ladders(cells, lines);
    }

    void solve_gated_row_bits(std::span<const uint8_t> active) {
        SolveLimits limits;
        limits.tolerance = options.tolerance;
        solve_gated(gated, drive, active, limits, gated_buffers, solution);
        study.unconverged += solution.converged ? 0 : 1;
        study.bound = std::max(study.bound, solution.relative_bound());
        study.sweeps = std::max(study.sweeps, solution.sweeps);
    }

    /// Column currents over the voltage, S.
    void product(std::span<const uint8_t> active, std::span<double> sums) {
        if (options.topology == Topology::gated) {
            solve_gated_row_bits(active);
            std::copy(solution.current.begin(), solution.current.end(), sums.begin());
        } else {
            solve_ladders(ladders, options.voltage, active, ladder_buffers, sums);
        }
        for (double& sum : sums) sum /= options.voltage;
    }

    ArrayVoltages voltages(std::span<const uint8_t> active) {
        if (options.topology == Topology::ladder) return ladder_voltages(ladders, options.voltage, active);
        solve_gated_row_bits(active);
        return voltages_of(gated, drive, gated_buffers, solution);
    }
};

/// What each cell contributes on average while its row is driven.
void average_contributions(GatedProducts& array, WireStudy& study) {
    const auto rows = static_cast<size_t>(study.rows), cols = static_cast<size_t>(study.cols);
    const std::vector<uint8_t> driven = draw_inputs(study.rows, array.options.vectors, array.options);
    std::vector<int> times(rows, 0);
    study.effective.assign(study.conductance.size(), 0);
    const auto add = [&](std::span<const uint8_t> active, const auto& counts) {
        const ArrayVoltages volts = array.voltages(active);
        for (size_t r = 0; r < rows; ++r) {
            if (active[r] == 0 || !counts(r)) continue;
            ++times[r];
            for (size_t k = r * cols; k < (r + 1) * cols; ++k)
                study.effective[k] += study.conductance[k] * (volts.word[k] - volts.bit[k]) / array.options.voltage;
        }
    };
    for (size_t v = 0; v < driven.size(); v += rows)
        add(std::span(driven).subspan(v, rows), [](size_t) { return true; });
    const std::vector<uint8_t> all(rows, 1);  // stands in for rows that no input has driven
    if (std::count(times.begin(), times.end(), 0) > 0) {
        const std::vector<int> before = times;
        add(all, [&](size_t r) { return before[r] == 0; });
    }
    for (size_t k = 0; k < study.effective.size(); ++k) study.effective[k] /= times[k / cols];
}

// ------------------------------------------------------------------------------------------------ products

/// `linear`: of effective conductances; `exact`: of the array.
void compare_products(std::span<const double> wanted, std::span<const double> linear, std::span<const double> exact,
                      WireStudy& study) {
    std::vector<double> found(exact.begin(), exact.end());
    double cross = 0, squares = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        found[i] *= study.gain[i % study.gain.size()];
        cross += found[i] * wanted[i];
        squares += found[i] * found[i];
    }
    study.product = compare(wanted, found, 1);
    if (squares > 0) study.common_gain = cross / squares;
    study.scaled_product = compare(wanted, found, study.common_gain);
    study.linear = compare(exact, linear, 1);
}

void study_products(const WireOptions& lines, const WireStudyOptions& options, WireStudy& study) {
    const auto rows = static_cast<size_t>(study.rows), cols = static_cast<size_t>(study.cols);
    const std::vector<uint8_t> driven = draw_inputs(study.rows, 0, options);
    const std::vector<double> wanted = products(study, study.target, driven);
    if (options.topology == Topology::crossbar) {
        study.effective = effective_conductances({study.rows, study.cols, study.conductance}, lines);
        const std::vector<double> found = products(study, study.effective, driven);
        return compare_products(wanted, found, found, study);
    }
    GatedProducts array(lines, options, study);
    average_contributions(array, study);
    std::vector<double> exact(wanted.size());
    for (size_t v = 0; v < wanted.size() / cols; ++v)
        array.product(std::span(driven).subspan(v * rows, rows), std::span(exact).subspan(v * cols, cols));
    compare_products(wanted, products(study, study.effective, driven), exact, study);
}

/// Everything while all rows are driven.
void drive_all(const WireOptions& lines, const WireStudyOptions& options, WireStudy& study) {
    const double voltage = options.voltage;
    const CellGrid cells{study.rows, study.cols, study.conductance};
    const std::vector<uint8_t> active(static_cast<size_t>(study.rows), 1);
    const std::vector<double> drive(static_cast<size_t>(study.rows), voltage);
    const ArrayVoltages volts = options.topology == Topology::ladder
                                    ? ladder_voltages(prepare_ladders(cells, lines), voltage, active)
                                    : solve_voltages(factor_array(cells, lines), drive);
    study.voltage.resize(study.conductance.size());
    for (size_t i = 0; i < study.voltage.size(); ++i) study.voltage[i] = volts.word[i] - volts.bit[i];
    const auto weakest = std::min_element(study.voltage.begin(), study.voltage.end()) - study.voltage.begin();
    study.weakest = {static_cast<int>(weakest / study.cols), static_cast<int>(weakest % study.cols)};
    const double without = voltage * std::accumulate(study.conductance.begin(), study.conductance.end(), 0.0);
    const std::vector<double>& current = volts.column_current;
    if (without > 0) study.total_loss = 1 - std::accumulate(current.begin(), current.end(), 0.0) / without;
    study.largest_current = *std::max_element(current.begin(), current.end());
}

}  // namespace

double WireStudy::error(size_t cell) const {
    return (gain[cell % gain.size()] * effective[cell] - target[cell]) / g_max;
}

WireStudy study_wires(const Architecture& architecture, const WireStudyOptions& options) {
    if (!architecture.wires.is_on())
        throw ConfigError(
            "wires: no resistance is given, so the array is its cells; set wires.row_ohm, wires.col_ohm, "
            "wires.driver_ohm or wires.sense_ohm");
    const bool targets = architecture.compensation.wires == CompensationOptions::Wires::targets;
    if (targets && options.topology != Topology::crossbar)
        throw ConfigError(
            "wires: compensation.wires = targets finds conductances for crossbars, whose wires are linear, and not for "
            "arrays with gated rows");
    Architecture a = architecture;
    a.array.spare_columns = 0;
    const CellLaw law = make_cell_law(a.cell, choose_grid(a.cell, a.cell.bits), {});
    const FullArray full = fill_array(a.array, law.grid, options);
    const auto siemens = [&](double g) { return g / (1 + g * law.series) * law.grid.siemens; };
    WireStudy study;
    study.rows = a.array.rows;
    study.cols = a.array.cols;
    study.g_max = siemens(law.target.back());
    for (const uint16_t level : full.placement.levels) study.target.push_back(siemens(law.target[level]));
    study.conductance = study.target;
    study.gain.assign(static_cast<size_t>(study.cols), 1.0);
    if (targets) {
        const WireTargets found = find_wire_targets(a, full.plan, full.placement, law);
        study.gain = found.gain;
        for (size_t i = 0; i < found.conductance.size(); ++i) study.conductance[i] = siemens(found.conductance[i]);
    }
    drive_all(a.wires.lines, options, study);
    study_products(a.wires.lines, options, study);
    return study;
}

}  // namespace bitline
