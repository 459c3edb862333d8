#include "mapping/wire_study.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "core/error.h"
#include "core/random.h"
#include "mapping/array_wires.h"
#include "peripherals/wires/reduction.h"

namespace bitline {

namespace {

using Pattern = WireStudyOptions::Pattern;

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

/// Which rows are driven, (vectors x rows).
std::vector<uint8_t> draw_inputs(int rows, const WireStudyOptions& options) {
    const StreamKey key = stream_key(options.seed, 0, Purpose::wire_study_inputs);
    std::vector<uint8_t> driven(static_cast<size_t>(options.vectors) * static_cast<size_t>(rows));
    for (size_t i = 0; i < driven.size(); ++i)
        driven[i] = philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0, 0}, key)[0] >> 31;
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

void compare_products(const WireStudyOptions& options, WireStudy& study) {
    const std::vector<uint8_t> driven = draw_inputs(study.rows, options);
    const std::vector<double> wanted = products(study, study.target, driven);
    std::vector<double> found = products(study, study.effective, driven);
    double cross = 0, squares = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        found[i] *= study.gain[i % study.gain.size()];
        cross += found[i] * wanted[i];
        squares += found[i] * found[i];
    }
    study.product = compare(wanted, found, 1);
    if (squares > 0) study.common_gain = cross / squares;
    study.scaled_product = compare(wanted, found, study.common_gain);
}

/// Everything while all rows are driven.
void drive_all(const WireOptions& lines, double voltage, WireStudy& study) {
    const FactoredArray array = factor_array({study.rows, study.cols, study.conductance}, lines);
    const std::vector<double> drive(static_cast<size_t>(study.rows), voltage);
    const ArrayVoltages volts = solve_voltages(array, drive);
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
    if (a.compensation.wires == CompensationOptions::Wires::targets) {
        const WireTargets targets = find_wire_targets(a, full.plan, full.placement, law);
        study.gain = targets.gain;
        for (size_t i = 0; i < targets.conductance.size(); ++i) study.conductance[i] = siemens(targets.conductance[i]);
    }
    study.effective = effective_conductances({study.rows, study.cols, study.conductance}, a.wires.lines);
    drive_all(a.wires.lines, options.voltage, study);
    compare_products(options, study);
    return study;
}

}  // namespace bitline
