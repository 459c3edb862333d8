#pragma once

// Arrays with wires: their reduction to ports, and the voltages within.

#include <memory>
#include <span>
#include <vector>

#include "peripherals/wires/elimination.h"
#include "peripherals/wires/plan.h"
#include "peripherals/wires/segments.h"
#include "peripherals/wires/stars.h"
#include "peripherals/wires/wires.h"

namespace bitline {

namespace wires {

/// Eight numbers, so that vectors do not straddle cache lines.
struct alignas(64) CacheLine {
    double number[8];
};
using Numbers = std::vector<CacheLine>;

/// Leaves of one size: their cells are merged four leaves at a time.
struct LeafShape {
    int rows = 0, cols = 0;
    MergeTree tree;
    std::vector<StarProgram> programs;  // of the leaves of its own tree
    std::vector<std::size_t> slot;      // where each slot begins, in vectors
    std::size_t size = 0;               // vectors of all slots
    std::vector<int> leaves;            // nodes of the array's tree that have this shape
};

/// Everything about the order that sizes and ends decide.
struct ReductionPlan {
    int rows = 0, cols = 0;
    WireOptions::Drive drive = WireOptions::Drive::left;
    WireOptions::Sense sense = WireOptions::Sense::bottom;
    MergeTree tree;
    std::vector<LeafShape> shapes;
};

/// Four leaves of one shape; the last one stands in where fewer are left.
struct LeafGroup {
    int node[kLanes];
    int row[kLanes], col[kLanes];  // the first cell
    bool last_col, first_row;      // whether any of them lies at the array's right or upper edge
};
std::size_t groups(const LeafShape& shape);
/// How the box of a few cells, a leaf of the shape's own tree, is made.
const StarProgram& program_of(const LeafShape& shape, const Node& box, const LeafGroup& group);
LeafGroup group_of(const ReductionPlan& plan, const LeafShape& shape, std::size_t number);

}  // namespace wires

/// What a reduction computes in. One for each thread; serves arrays of any sizes one after another.
struct ReductionBuffers {
    const wires::Elimination* elimination = &wires::best_elimination();
    wires::ReductionPlan plan;
    wires::Segments segments;
    std::vector<wires::Numbers> slots;   // of the array's tree
    std::vector<wires::Numbers> leaves;  // by node of the array's tree
    wires::Numbers lanes;                // slots of a leaf's tree
    wires::Numbers factor;               // scratch, or all factors of the array's tree
    wires::Numbers lane_factor;          // scratch, or all factors of all leaves' trees
};

/// An array whose eliminations are kept: about 44 bytes for each cell and each doubling of the size.
struct FactoredArray {
    std::vector<double> conductance;  // S, (rows, cols)
    ReductionBuffers buffers;
};

FactoredArray factor_array(const CellGrid& cells, const WireOptions& options,
                           std::span<const SegmentFault> faults = {});

/// Voltages of all nodes, in V; the cell (i, j) has word - bit. Nodes that are connected to no driver and no sense
/// amplifier are at 0 V.
struct ArrayVoltages {
    std::vector<double> word, bit;       // V, (rows, cols)
    std::vector<double> column_current;  // A, (cols), out of the bit lines
};

/// Voltages for sources of `drive` (rows) V behind the drivers and `sense` (cols) V behind the sense amplifiers (none:
/// 0 V; writing holds bit lines at other voltages). Throws ConfigError for a wrong size or a voltage that is not
/// finite.
ArrayVoltages solve_voltages(const FactoredArray& array, std::span<const double> drive,
                             std::span<const double> sense = {});

}  // namespace bitline
