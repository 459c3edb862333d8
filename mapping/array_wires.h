#pragma once

// An array behind its word and bit lines (peripherals/wires/wires.h): what converters see of its cells, and what its
// cells must be written to so that they see something wanted.
//
// The whole physical array takes part, not only a layer's corner of it: spare columns, and cells that hold no weight.
// Word line 0 lies at the top, bit line 0 on the left, the two cells of a pair side by side, spare columns on the right
// (mapping/placement.h). Rows that are not driven in a cycle, or never, are held at 0 V; lines without a driven cell
// keep their wires. The array is linear, so one matrix holds for every input of every cycle, and partial row activation
// reads parts of it.

#include <span>
#include <vector>

#include "devices/cell_law.h"
#include "mapping/lines.h"
#include "mapping/placement.h"

namespace bitline {

/// Puts the conductances that the array has between drivers and converters in place of the cells' own, in the order of
/// `placement` (lines x width), rounded to grid steps and cut off at 2^29 of them. Noise of a cell (variance, wander,
/// trap) shrinks by as much as its conductance between driver and converter does, and never grows: beside sneak
/// currents, which other cells carry, it keeps its size.
void read_through_wires(const Architecture& architecture, const ArrayPlan& plan, const Placement& placement,
                        const CellLaw& law, Cells& cells);

/// Conductances for the cells of an array of which its wires make a share of the wanted ones.
struct WireTargets {
    std::vector<double> conductance;  // (lines x width) grid steps, G_min .. G_max of the cells
    std::vector<double> gain;         // (columns) 1 / share: what a converter column's results are to be multiplied by
};

/// By fixed-point iteration: every conductance is multiplied by what the array should have over what it has; the share
/// of a column is the largest, up to 1, at which none of its cells would leave the window. Cells that would fall below
/// G_min stay there. Ends when no conductance between drivers and converters is further from its share than 1e-4 of
/// G_max, those at G_min left out, or after twelve rounds. What the array has is that of cells without errors, and of
/// those that the chip knows to be stuck.
WireTargets find_wire_targets(const Architecture& architecture, const ArrayPlan& plan, const Placement& placement,
                              const CellLaw& law);

/// The same window with 1024 steps or more, for cells that are written to any conductance in it.
Grid fine_grid(const Grid& grid);

}  // namespace bitline
