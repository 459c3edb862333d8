#pragma once

// Where the cells of an array lie on the chip, which of them are faulty, and how programming goes around those.
//
// The chip knows its faults from a test. What it does about them, in this order:
//
//   rows     (mapping.fault_remap = rows) The rows of a part, driven together, change places among the word lines of
//   that
//            part, unused ones included. The sum over their faulty cells of |G_stuck - G_target|, times the
//            significance of the column, becomes least: an assignment problem, solved exactly by shortest augmenting
//            paths (Kuhn 1955; Jonker and Volgenant 1987).
//   spares   (array.spare_columns = k) Of the k bit lines with the largest such sum, worst first, each moves to the
//   free
//            spare bit line that leaves least of it, if that is less than before.
//   pairs    (mapping.fault_remap = pairs) Where one cell of a differential pair is faulty and the other works, the
//   other
//            gets the level that leaves the difference of the two closest to what was wanted. Spares then count only
//            what remains.

#include <cstdint>
#include <span>
#include <vector>

#include "devices/cell_law.h"
#include "mapping/fault_grid.h"
#include "mapping/mapping.h"

namespace bitline {

/// The cells of one array as they are written.
struct Placement {
    size_t lines = 0;                 // drive rows
    size_t used = 0;                  // bit lines that the converters read
    size_t width = 0;                 // bit lines that are written: `used`, and then spare ones
    std::vector<uint32_t> word_line;  // (lines) physical
    std::vector<uint32_t> bit_line;   // (used) in the row as written
    std::vector<uint16_t> levels;     // (lines x width)
    std::vector<double> stuck;        // (lines x width) grid steps, NaN where a cell works; empty: all work
    std::vector<double> measured;     // (lines x width) grid steps, NaN where it was not measured; empty: nowhere

    bool uses_spares() const { return width > used; }
};

/// Every cell where the plan puts it, none faulty. A placement that is filled again keeps its memory.
void place_cells(const MappedLayer& layer, const ArrayPlan& plan, Placement& placement);

/// The same on a chip with faults and measured cells. Adds the faults of the cells in use to `report`.
void place_cells(const Architecture& architecture, const MappedLayer& layer, const ArrayPlan& plan, const CellLaw& law,
                 const CellStreams& streams, Placement& placement, ProgrammingReport& report);

/// The conductances that `cell.conductance_map` has of the array's cells.
void add_measured(const Architecture& architecture, const ArrayPlan& plan, const Grid& grid, Placement& placement);

/// Throws ConfigError where measured conductances do not fit the arrays: another shape, or beyond the cells' ceiling.
void require_measured_cells(const Mapping& mapping);

/// Throws ConfigError where rows are to change places and more of them are driven together than can be assigned.
void require_assignable_rows(const Mapping& mapping);

/// The level whose target is nearest; the lower of two. `targets` rise.
uint16_t nearest_level(const std::vector<double>& targets, double g);

/// For each of n rows one of m >= n places, no place twice, with the least sum of cost (n x m). n >= 1.
std::vector<uint32_t> assign_rows(std::span<const double> cost, size_t n, size_t m);

}  // namespace bitline
