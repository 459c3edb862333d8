#include "mapping/array_wires.h"

#include <algorithm>
#include <cmath>

#include "mapping/fault_grid.h"
#include "peripherals/wires/reduction.h"

namespace bitline {

namespace {

constexpr double kMostConductance = 0x1p29;  // grid steps
constexpr int kMostRounds = 12;

/// A physical array, and where the cells that are written lie on it.
struct Sheet {
    CellGrid size;                         // without conductances
    std::vector<size_t> line, bit_line;    // (lines), (width)
    std::vector<double> conductance, has;  // S, (rows, cols): of the cells, and between drivers and converters

    size_t at(size_t line_number, size_t column) const {
        return line[line_number] * static_cast<size_t>(size.cols) + bit_line[column];
    }
};

/// Grid steps of a cell in its circuit, with what stands in series.
double in_circuit(const CellLaw& law, double g) { return g / (1 + g * law.series); }
double without_series(const CellLaw& law, double g) { return g / (1 - g * law.series); }

double unused_conductance(const Architecture& architecture, const CellLaw& law) {
    if (architecture.wires.unused_cells == WiringOptions::UnusedCells::open) return 0;
    return in_circuit(law, law.target.front() * law.heat) * law.grid.siemens;
}

/// The array with nothing but unused cells.
void lay_out(const Architecture& architecture, const ArrayPlan& plan, const Placement& placement, const CellLaw& law,
             Sheet& sheet) {
    sheet.size.rows = architecture.array.rows;
    sheet.size.cols = static_cast<int>(bit_lines(architecture.array, plan.cells_per_column));
    sheet.line.assign(placement.word_line.begin(), placement.word_line.end());
    const std::vector<int64_t> columns = physical_columns(architecture, plan, placement.width);
    sheet.bit_line.assign(columns.begin(), columns.end());
    const size_t cells = static_cast<size_t>(sheet.size.rows) * static_cast<size_t>(sheet.size.cols);
    sheet.conductance.assign(cells, unused_conductance(architecture, law));
    sheet.has.resize(cells);
}

void solve(const Architecture& architecture, Sheet& sheet) {
    thread_local ReductionBuffers buffers;  // as much for one array as for a thousand
    const CellGrid cells{sheet.size.rows, sheet.size.cols, sheet.conductance};
    effective_conductances(cells, architecture.wires.lines, {}, buffers, sheet.has);
}

/// The share of a cell's noise that reaches the converter.
float noise_share(double own, double seen) { return own > 0 ? static_cast<float>(std::min(1.0, seen / own)) : 1.0F; }

/// One cell of `find_wire_targets`, in grid steps and in its circuit.
struct Aim {
    double wanted = 0;   // of the array without wires
    bool fixed = false;  // stuck
};

/// All cells of an array.
struct Search {
    const CellLaw& law;
    const Placement& placement;
    Sheet& sheet;
    std::vector<Aim> aims;       // (lines x width)
    std::vector<double> share;   // (columns)
    std::vector<size_t> column;  // (width) converter column of each bit line as written; columns: none

    double low() const { return in_circuit(law, law.target.front()); }
    double high() const { return in_circuit(law, law.target.back()); }
    double has(size_t r, size_t b) const { return sheet.has[sheet.at(r, b)] / law.grid.siemens; }
    double own(size_t r, size_t b) const { return sheet.conductance[sheet.at(r, b)] / law.grid.siemens; }
    void set(size_t r, size_t b, double g) { sheet.conductance[sheet.at(r, b)] = g * law.grid.siemens; }

    /// body(line, bit line, aim) of every cell that is to be found.
    template <class Body>
    void for_each(const Body& body) {
        for (size_t r = 0; r < placement.lines; ++r) {
            for (size_t b = 0; b < placement.width; ++b) {
                const Aim& aim = aims[r * placement.width + b];
                if (column[b] < share.size() && !aim.fixed && aim.wanted > 0) body(r, b, aim);
            }
        }
    }

    void choose_shares() {
        std::fill(share.begin(), share.end(), 1.0);
        for_each([&](size_t r, size_t b, const Aim& aim) {
            double& of_column = share[column[b]];
            const double needed = own(r, b) * aim.wanted;  // times the share, over what the array has
            if (needed * of_column > high() * has(r, b)) of_column = high() * has(r, b) / needed;
        });
    }

    /// The largest distance from what is wanted, before the step.
    double step() {
        double largest = 0;
        for_each([&](size_t r, size_t b, const Aim& aim) {
            const double wanted = share[column[b]] * aim.wanted, found = has(r, b);
            if (!(found > 0)) return;
            const double next = own(r, b) * wanted / found;
            if (next >= low()) largest = std::max(largest, std::abs(found - wanted));
            set(r, b, std::clamp(next, low(), high()));
        });
        return largest;
    }
};

Search begin_search(const ArrayPlan& plan, const Placement& placement, const CellLaw& law, Sheet& sheet) {
    Search search{law, placement, sheet, {}, {}, {}};
    const auto per_column = static_cast<size_t>(plan.cells_per_column);
    search.share.assign(plan.columns.size(), 1.0);
    search.column.assign(placement.width, plan.columns.size());
    for (size_t i = 0; i < placement.used; ++i) search.column[placement.bit_line[i]] = i / per_column;
    search.aims.resize(placement.levels.size());
    for (size_t r = 0; r < placement.lines; ++r) {
        for (size_t b = 0; b < placement.width; ++b) {
            const size_t cell = r * placement.width + b;
            search.aims[cell].wanted = in_circuit(law, law.target[placement.levels[cell]]);
            search.aims[cell].fixed = !placement.stuck.empty() && !std::isnan(placement.stuck[cell]);
            search.set(r, b,
                       search.aims[cell].fixed ? in_circuit(law, placement.stuck[cell]) : search.aims[cell].wanted);
        }
    }
    return search;
}

}  // namespace

void read_through_wires(const Architecture& architecture, const ArrayPlan& plan, const Placement& placement,
                        const CellLaw& law, Cells& cells) {
    thread_local Sheet sheet;
    lay_out(architecture, plan, placement, law, sheet);
    for (size_t r = 0; r < placement.lines; ++r)
        for (size_t b = 0; b < placement.width; ++b)
            sheet.conductance[sheet.at(r, b)] =
                static_cast<double>(cells.g[r * placement.width + b]) * law.grid.siemens;
    solve(architecture, sheet);
    for (size_t r = 0; r < placement.lines; ++r) {
        for (size_t b = 0; b < placement.width; ++b) {
            const size_t cell = r * placement.width + b, at = sheet.at(r, b);
            const double seen = std::min(sheet.has[at] / law.grid.siemens, kMostConductance);
            cells.g[cell] = static_cast<int32_t>(std::floor(seen + 0.5));
            const float share = noise_share(sheet.conductance[at], sheet.has[at]);
            if (!cells.variance.empty()) cells.variance[cell] *= share * share;
            if (!cells.wander.empty()) cells.wander[cell] *= share;
            if (!cells.trap.empty()) cells.trap[cell] *= share;
        }
    }
}

WireTargets find_wire_targets(const Architecture& architecture, const ArrayPlan& plan, const Placement& placement,
                              const CellLaw& law) {
    constexpr double kClose = 1e-4;  // of G_max
    thread_local Sheet sheet;
    lay_out(architecture, plan, placement, law, sheet);
    Search search = begin_search(plan, placement, law, sheet);
    for (int round = 0; round < kMostRounds; ++round) {
        solve(architecture, sheet);
        search.choose_shares();
        if (search.step() <= kClose * search.high()) break;
    }
    WireTargets targets;
    targets.conductance.resize(placement.levels.size());
    for (size_t r = 0; r < placement.lines; ++r)
        for (size_t b = 0; b < placement.width; ++b)
            targets.conductance[r * placement.width + b] = without_series(law, search.own(r, b));
    for (const double share : search.share) targets.gain.push_back(1 / share);
    return targets;
}

Grid fine_grid(const Grid& grid) {
    constexpr int32_t kSteps = 1024;
    Grid fine = grid;
    fine.level_step = std::min(grid.level_step, std::max(1, (grid.g_max - grid.g_min) / kSteps));
    return fine;
}

}  // namespace bitline
