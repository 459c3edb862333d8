#include "peripherals/wires/reduction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "peripherals/wires/element.h"

namespace bitline {

namespace wires {

namespace {

constexpr int kLeaf = 16;  // cells along a leaf's side, at most
constexpr int kBox = 4;    // likewise of the boxes that leaves are made of, whose nodes are eliminated one by one

/// An odd number of cache lines: rows that follow each other lie in different sets of a cache.
ptrdiff_t stride_for(size_t ports) { return ptrdiff_t((ports + 15) / 16 * 16 + 8); }

/// The same for boxes in lanes, in vectors.
size_t lane_stride(size_t ports) { return ports | 1; }

void provide(Numbers& numbers, size_t count) {
    if (numbers.size() * 8 < count) numbers.resize((count + 7) / 8);
}
double* start(Numbers& numbers) { return numbers.empty() ? nullptr : numbers[0].number; }

// ------------------------------------------------------------------------------------------------ plan

int cells_between(const std::vector<int>& cut, int part) { return cut[size_t(part) + 1] - cut[size_t(part)]; }

/// The programs of a leaf's box: it may lie at the array's right or upper edge if it lies at the leaf's.
void add_programs(LeafShape& shape, Node& box) {
    MergeTree& tree = shape.tree;
    const int rows = cells_between(tree.row_cut, box.row), cols = cells_between(tree.col_cut, box.col);
    size_t factor = 0;
    for (const bool last_col : {false, true}) {
        for (const bool first_row : {false, true}) {
            if (last_col && box.col + 2 < int(tree.col_cut.size())) continue;
            if (first_row && box.row > 0) continue;
            const auto same = [&](const StarProgram& program) {
                return program.rows == rows && program.cols == cols && program.last_col == last_col &&
                       program.first_row == first_row;
            };
            auto found = std::find_if(shape.programs.begin(), shape.programs.end(), same);
            if (found == shape.programs.end()) {
                const size_t stride = lane_stride(size_t(box.ports.total()));
                shape.programs.push_back(make_star_program(rows, cols, last_col, first_row, int(stride)));
                found = shape.programs.end() - 1;
            }
            factor = std::max(factor, size_t(found->factor) * kLanes);
        }
    }
    box.factor = tree.factors;
    tree.factors += factor;
    tree.largest_factor = std::max(tree.largest_factor, factor);
}

LeafShape make_shape(int rows, int cols) {
    LeafShape shape;
    shape.rows = rows;
    shape.cols = cols;
    shape.tree.row_cut = cut_evenly(rows, kBox);
    shape.tree.col_cut = cut_evenly(cols, kBox);
    plan_merges(shape.tree, lane_factor_size);
    for (Node& node : shape.tree.nodes)
        if (node.is_leaf()) add_programs(shape, node);
    size_t program = 0;
    for (const StarProgram& each : shape.programs) program = std::max(program, size_t(each.size));
    for (const size_t ports : shape.tree.slots) {
        shape.slot.push_back(shape.size);
        shape.size += std::max(program, ports * lane_stride(ports));
    }
    return shape;
}

void add_leaf(ReductionPlan& plan, int node) {
    const Node& leaf = plan.tree.nodes[size_t(node)];
    const int rows = cells_between(plan.tree.row_cut, leaf.row), cols = cells_between(plan.tree.col_cut, leaf.col);
    for (LeafShape& shape : plan.shapes) {
        if (shape.rows == rows && shape.cols == cols) return shape.leaves.push_back(node);
    }
    plan.shapes.push_back(make_shape(rows, cols));
    plan.shapes.back().leaves.push_back(node);
}

void make_plan(const CellGrid& cells, const WireOptions& options, ReductionPlan& plan) {
    if (plan.rows == cells.rows && plan.cols == cells.cols && plan.drive == options.drive &&
        plan.sense == options.sense)
        return;
    plan = {cells.rows, cells.cols, options.drive, options.sense, {}, {}};
    plan.tree.row_cut = cut_evenly(cells.rows, kLeaf);
    plan.tree.col_cut = cut_evenly(cells.cols, kLeaf);
    plan.tree.open[kLeft] = options.drive != WireOptions::Drive::right;
    plan.tree.open[kRight] = options.drive != WireOptions::Drive::left;
    plan.tree.open[kTop] = options.sense == WireOptions::Sense::top;
    plan.tree.open[kBottom] = options.sense == WireOptions::Sense::bottom;
    plan_merges(plan.tree, factor_size);
    // Of the whole array only what joins drivers and sense amplifiers is wanted.
    Node& whole = plan.tree.nodes.back();
    whole.merge.row_end = whole.merge.col_begin = whole.ports.first(kTop);
    for (int node = 0; node < int(plan.tree.nodes.size()); ++node)
        if (plan.tree.nodes[size_t(node)].is_leaf()) add_leaf(plan, node);
}

}  // namespace

size_t groups(const LeafShape& shape) { return (shape.leaves.size() + kLanes - 1) / kLanes; }

LeafGroup group_of(const ReductionPlan& plan, const LeafShape& shape, size_t number) {
    LeafGroup group{};
    for (int lane = 0; lane < kLanes; ++lane) {
        const size_t leaf = std::min(number * kLanes + size_t(lane), shape.leaves.size() - 1);
        group.node[lane] = shape.leaves[leaf];
        const Node& node = plan.tree.nodes[size_t(group.node[lane])];
        group.row[lane] = plan.tree.row_cut[size_t(node.row)];
        group.col[lane] = plan.tree.col_cut[size_t(node.col)];
        group.last_col |= node.col + 2 == int(plan.tree.col_cut.size());
        group.first_row |= node.row == 0;
    }
    return group;
}

const StarProgram& program_of(const LeafShape& shape, const Node& box, const LeafGroup& group) {
    const MergeTree& tree = shape.tree;
    const bool last_col = group.last_col && box.col + 2 == int(tree.col_cut.size());
    const bool first_row = group.first_row && box.row == 0;
    const int rows = cells_between(tree.row_cut, box.row), cols = cells_between(tree.col_cut, box.col);
    return *std::find_if(shape.programs.begin(), shape.programs.end(), [&](const StarProgram& program) {
        return program.rows == rows && program.cols == cols && program.last_col == last_col &&
               program.first_row == first_row;
    });
}

namespace {

// ------------------------------------------------------------------------------------------------ leaves

BoxMatrix lane_matrix(const LeafShape& shape, const Node& node, double* lanes) {
    const size_t stride = lane_stride(size_t(node.ports.total()));
    return {lanes + shape.slot[size_t(node.slot)] * kLanes, ptrdiff_t(stride)};
}

/// The conductances of a box's elements, a leaf in each lane.
void fill_box(const CellGrid& cells, const Segments& segments, const LeafGroup& group, const StarProgram& program,
              int first_row, int first_col, double* box) {
    std::fill_n(box, size_t(program.size) * kLanes, 0.0);
    const int* slot = program.element_slots.data();
    for (int row = first_row; row < first_row + program.rows; ++row) {
        for (int col = first_col; col < first_col + program.cols; ++col, slot += kCouplings) {
            for (int lane = 0; lane < kLanes; ++lane) {
                const Element element = element_at(cells, segments, group.row[lane] + row, group.col[lane] + col);
                const Couplings couplings = couplings_of(element);
                for (int k = 0; k < kCouplings && slot[k] >= 0; ++k)
                    box[slot[k] * kLanes + lane] = couplings.siemens[k];
            }
        }
    }
}

/// The matrix of a leaf out of its lane; ports that lead out of the array are none.
void take_leaf(const LeafShape& shape, const Node& leaf, const BoxMatrix& lane, const BoxMatrix& result) {
    const PortCounts& all = shape.tree.nodes.back().ports;
    int row = 0;
    for (int side = 0; side < kSides; ++side) {
        for (int n = 0; n < leaf.ports.count[side]; ++n, ++row) {
            const double* from = lane.at + (all.first(Side(side)) + n) * lane.stride * kLanes;
            int col = leaf.ports.first(Side(side));
            for (int across = side; across < kSides; ++across) {
                const double* at = from + ptrdiff_t(all.first(Side(across))) * kLanes;
                double* to = result.at + row * result.stride + col;
                const int count = leaf.ports.count[across];
                for (int k = 0; k < count; ++k) to[k] = at[k * kLanes];
                col += count;
            }
        }
    }
}

BoxMatrix leaf_matrix(ReductionBuffers& buffers, int node) {
    return {start(buffers.leaves[size_t(node)]),
            stride_for(size_t(buffers.plan.tree.nodes[size_t(node)].ports.total()))};
}

void reduce_group(const CellGrid& cells, ReductionBuffers& buffers, const LeafShape& shape, size_t number,
                  double* factor, bool keep) {
    const LeafGroup group = group_of(buffers.plan, shape, number);
    double* lanes = start(buffers.lanes);
    for (const Node& node : shape.tree.nodes) {
        const BoxMatrix box = lane_matrix(shape, node, lanes);
        double* to = factor + (keep ? node.factor : 0);
        if (node.is_leaf()) {
            const StarProgram& program = program_of(shape, node, group);
            fill_box(cells, buffers.segments, group, program, shape.tree.row_cut[size_t(node.row)],
                     shape.tree.col_cut[size_t(node.col)], box.at);
            buffers.elimination->eliminate_stars(program.code.data(), program.stars, box.at, to);
            continue;
        }
        const BoxMatrix children[2] = {lane_matrix(shape, shape.tree.nodes[size_t(node.child[0])], lanes),
                                       lane_matrix(shape, shape.tree.nodes[size_t(node.child[1])], lanes)};
        buffers.elimination->merge_lanes(node.merge, children, to, box);
    }
    const BoxMatrix whole = lane_matrix(shape, shape.tree.nodes.back(), lanes);
    for (int lane = 0; lane < kLanes; ++lane) {
        const int node = group.node[lane];
        if (lane > 0 && node == group.node[lane - 1]) break;
        const Node& leaf = buffers.plan.tree.nodes[size_t(node)];
        const size_t ports = size_t(leaf.ports.total());
        provide(buffers.leaves[size_t(node)], size_t(round_up(int(ports), kLanes)) * size_t(stride_for(ports)));
        take_leaf(shape, leaf, {whole.at + lane, whole.stride}, leaf_matrix(buffers, node));
    }
}

void reduce_leaves(const CellGrid& cells, ReductionBuffers& buffers, bool keep) {
    size_t all = 0, largest = 0, lanes = 0;
    for (const LeafShape& shape : buffers.plan.shapes) {
        all += groups(shape) * shape.tree.factors;
        largest = std::max(largest, shape.tree.largest_factor);
        lanes = std::max(lanes, shape.size * kLanes);
    }
    provide(buffers.lane_factor, keep ? all : largest);
    provide(buffers.lanes, lanes);
    if (buffers.leaves.size() < buffers.plan.tree.nodes.size()) buffers.leaves.resize(buffers.plan.tree.nodes.size());
    double* factor = start(buffers.lane_factor);
    for (const LeafShape& shape : buffers.plan.shapes) {
        for (size_t number = 0; number < groups(shape); ++number) {
            reduce_group(cells, buffers, shape, number, factor, keep);
            if (keep) factor += shape.tree.factors;
        }
    }
}

// ------------------------------------------------------------------------------------------------ array

BoxMatrix matrix_of(ReductionBuffers& buffers, int node) {
    const Node& box = buffers.plan.tree.nodes[size_t(node)];
    if (box.is_leaf()) return leaf_matrix(buffers, node);
    return {start(buffers.slots[size_t(box.slot)]), stride_for(size_t(box.ports.total()))};
}

/// The matrix of the whole array.
BoxMatrix reduce(const CellGrid& cells, ReductionBuffers& buffers, bool keep) {
    const MergeTree& tree = buffers.plan.tree;
    reduce_leaves(cells, buffers, keep);
    provide(buffers.factor, keep ? tree.factors : tree.largest_factor);
    buffers.slots.resize(std::max(buffers.slots.size(), tree.slots.size()));
    for (size_t slot = 0; slot < tree.slots.size(); ++slot) {
        const size_t ports = tree.slots[slot];
        provide(buffers.slots[slot], size_t(round_up(int(ports), kLanes)) * size_t(stride_for(ports)));
    }
    for (int i = 0; i < int(tree.nodes.size()); ++i) {
        const Node& node = tree.nodes[size_t(i)];
        if (node.is_leaf()) continue;
        check_interrupt();
        const BoxMatrix children[2] = {matrix_of(buffers, node.child[0]), matrix_of(buffers, node.child[1])};
        double* factor = start(buffers.factor) + (keep ? node.factor : 0);
        buffers.elimination->merge(node.merge, children, factor, matrix_of(buffers, i));
    }
    return matrix_of(buffers, int(tree.nodes.size()) - 1);
}

/// What the drivers at both ends of row i and the sense amplifier of each column have between them.
void take_row(const PortCounts& ports, const BoxMatrix& whole, int row, std::span<double> effective) {
    const int sense = ports.first(kTop);
    std::fill(effective.begin(), effective.end(), 0.0);
    for (const Side side : {kLeft, kRight}) {
        if (ports.count[side] == 0) continue;
        const double* from = whole.at + (ports.first(side) + row) * whole.stride + sense;
        for (size_t col = 0; col < effective.size(); ++col) effective[col] += from[col];
    }
}

}  // namespace

}  // namespace wires

void effective_conductances(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults,
                            ReductionBuffers& buffers, std::span<double> effective) {
    wires::lay_segments(cells, options, faults, buffers.segments);
    if (effective.size() != cells.conductance.size()) {
        throw ConfigError(fmt::format("wires: room for {} effective conductances of an array of {} x {} cells",
                                      effective.size(), cells.rows, cells.cols));
    }
    if (!has_resistance(options) && faults.empty()) {
        std::copy(cells.conductance.begin(), cells.conductance.end(), effective.begin());
        return;
    }
    wires::make_plan(cells, options, buffers.plan);
    const wires::BoxMatrix whole = wires::reduce(cells, buffers, false);
    const wires::PortCounts& ports = buffers.plan.tree.nodes.back().ports;
    const auto cols = size_t(cells.cols);
    for (int row = 0; row < cells.rows; ++row)
        wires::take_row(ports, whole, row, effective.subspan(size_t(row) * cols, cols));
}

std::vector<double> effective_conductances(const CellGrid& cells, const WireOptions& options,
                                           std::span<const SegmentFault> faults) {
    ReductionBuffers buffers;
    std::vector<double> effective(cells.conductance.size());
    effective_conductances(cells, options, faults, buffers, effective);
    return effective;
}

FactoredArray factor_array(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults) {
    FactoredArray array;
    wires::lay_segments(cells, options, faults, array.buffers.segments);
    array.conductance.assign(cells.conductance.begin(), cells.conductance.end());
    wires::make_plan(cells, options, array.buffers.plan);
    wires::reduce(cells, array.buffers, true);
    return array;
}

}  // namespace bitline
