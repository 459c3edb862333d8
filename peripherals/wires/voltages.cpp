// Voltages within an array, from its ports inwards: the eliminations backwards.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "peripherals/wires/element.h"
#include "peripherals/wires/reduction.h"

namespace bitline {

namespace wires {

namespace {

// ------------------------------------------------------------------------------------------------ eliminated ports

/// v(s) of the shared ports, see elimination.h. `v`: the shared ports, rounded up to four, and the ports that are left,
/// likewise; the latter are given.
void solve_shared(const Merge& merge, const double* factor, std::vector<double>& v) {
    const int shared = round_up(merge.shared, kLanes), end = shared + round_up(merge.ports, kLanes);
    const auto number = [&](int row, int col) {
        return factor + (ptrdiff_t(col / kLanes) * shared + row) * kLanes + col % kLanes;
    };
    for (int from = (shared - 1) / kBlock * kBlock; from >= 0; from -= kBlock) {
        const int size = std::min(kBlock, shared - from);
        double behind[kBlock][kLanes] = {};
        for (int col = from + size; col < end; col += kLanes) {
            const double* panel = number(from, col);
            for (int s = 0; s < size; ++s)
                for (int k = 0; k < kLanes; ++k) behind[s][k] += panel[s * kLanes + k] * v[size_t(col + k)];
        }
        for (int s = 0; s < size; ++s) {
            double sum = 0;
            for (int c = s; c < size; ++c)
                sum += *number(from + s, from + c) * ((behind[c][0] + behind[c][1]) + (behind[c][2] + behind[c][3]));
            v[size_t(from + s)] = sum;
        }
    }
}

/// The same for a box in each lane; the shared ports are not rounded up.
void solve_shared_lanes(const Merge& merge, const double* factor, std::vector<double>& v) {
    const int width = merge.shared + merge.ports;
    for (int s = merge.shared - 1; s >= 0; --s) {
        const double* row = factor + ptrdiff_t(s) * width * kLanes;
        double sum[kLanes] = {};
        for (int c = s + 1; c < width; ++c)
            for (int k = 0; k < kLanes; ++k) sum[k] += row[c * kLanes + k] * v[size_t(c * kLanes + k)];
        for (int k = 0; k < kLanes; ++k) v[size_t(s * kLanes + k)] = row[s * kLanes + k] * sum[k];
    }
}

/// Hands the voltages of a merged box (`ports` of them, `width` numbers each) on to its children.
void pass_on(const MergeTree& tree, const Node& node, int shared, int width, const std::vector<double>& v,
             std::vector<double>& voltages) {
    const auto copy = [&](int child, int to, int from, int count) {
        double* into = &voltages[(tree.nodes[size_t(node.child[child])].voltage + size_t(to)) * size_t(width)];
        for (int k = 0; k < count * width; ++k) into[k] = v[size_t(from * width + k)];
    };
    const Merge& merge = node.merge;
    for (int child = 0; child < 2; ++child) copy(child, merge.first_shared[child], 0, merge.shared);
    int from = shared;
    for (int i = 0; i < merge.runs; ++i) {
        copy(merge.run[i].child, merge.run[i].from, from, merge.run[i].count);
        from += merge.run[i].count;
    }
}

// ------------------------------------------------------------------------------------------------ leaves

/// Voltages at the ports of four leaves, as lanes; ports that lead out of the array are at 0 V.
void gather_leaves(const ReductionPlan& plan, const LeafShape& shape, const LeafGroup& group,
                   const std::vector<double>& voltages, std::vector<double>& lanes) {
    const Node& whole = shape.tree.nodes.back();
    for (int lane = 0; lane < kLanes; ++lane) {
        const Node& leaf = plan.tree.nodes[size_t(group.node[lane])];
        for (int side = 0; side < kSides; ++side) {
            const int to = whole.ports.first(Side(side)), from = leaf.ports.first(Side(side));
            for (int n = 0; n < whole.ports.count[side]; ++n) {
                const bool given = n < leaf.ports.count[side];
                lanes[(whole.voltage + size_t(to + n)) * kLanes + size_t(lane)] =
                    given ? voltages[leaf.voltage + size_t(from + n)] : 0;
            }
        }
    }
}

/// The nodes of a box of a few cells, one after another; `v`: those of its ports, a box in each lane.
void solve_stars(const StarProgram& program, const double* factor, std::vector<double>& v) {
    v.resize(size_t(program.nodes) * kLanes);
    std::vector<const int*> stars;  // from the last one eliminated to the first
    const int* at = program.star_nodes.data();
    for (int star = 0; star < program.stars; ++star, at += 2 + at[1]) stars.push_back(at);
    factor += program.factor * kLanes;
    for (size_t star = stars.size(); star-- > 0;) {
        const int degree = stars[star][1];
        const int* neighbour = stars[star] + 2;
        factor -= (1 + degree) * kLanes;
        double sum[kLanes] = {};
        for (int i = 0; i < degree; ++i)
            for (int k = 0; k < kLanes; ++k)
                sum[k] += factor[(1 + i) * kLanes + k] * v[size_t(neighbour[i] * kLanes + k)];
        for (int k = 0; k < kLanes; ++k) v[size_t(stars[star][0] * kLanes + k)] = factor[k] * sum[k];
    }
}

/// The cells of such a box.
void take_cells(const CellGrid& cells, const Segments& segments, const LeafGroup& group, const StarProgram& program,
                int first_row, int first_col, const std::vector<double>& v, ArrayVoltages& result) {
    const int* node = program.element_nodes.data();
    for (int row = first_row; row < first_row + program.rows; ++row) {
        for (int col = first_col; col < first_col + program.cols; ++col, node += 4) {
            for (int lane = 0; lane < kLanes; ++lane) {
                const auto volts = [&](int port) { return v[size_t(node[port] * kLanes + lane)]; };
                const int in_row = group.row[lane] + row, in_col = group.col[lane] + col;
                const NodeVoltages own = element_voltages(element_at(cells, segments, in_row, in_col), volts(0),
                                                          volts(1), volts(2), volts(3));
                const size_t cell = size_t(in_row) * size_t(cells.cols) + size_t(in_col);
                result.word[cell] = own.word;
                result.bit[cell] = own.bit;
            }
        }
    }
}

/// The nodes of the cells of four leaves, whose ports have the voltages `lanes`.
void solve_group(const CellGrid& cells, const Segments& segments, const LeafShape& shape, const LeafGroup& group,
                 const double* factor, std::vector<double>& lanes, ArrayVoltages& result) {
    std::vector<double> v;
    for (size_t i = shape.tree.nodes.size(); i-- > 0;) {
        const Node& node = shape.tree.nodes[i];
        const double* ports = &lanes[node.voltage * kLanes];
        if (!node.is_leaf()) {
            v.assign(size_t(node.merge.shared) * kLanes, 0.0);
            v.insert(v.end(), ports, ports + size_t(node.merge.ports) * kLanes);
            solve_shared_lanes(node.merge, factor + node.factor, v);
            pass_on(shape.tree, node, node.merge.shared, kLanes, v, lanes);
            continue;
        }
        v.assign(ports, ports + size_t(node.ports.total()) * kLanes);
        const StarProgram& program = program_of(shape, node, group);
        solve_stars(program, factor + node.factor, v);
        take_cells(cells, segments, group, program, shape.tree.row_cut[size_t(node.row)],
                   shape.tree.col_cut[size_t(node.col)], v, result);
    }
}

// ------------------------------------------------------------------------------------------------ array

void set_ports(const PortCounts& ports, std::span<const double> drive, std::span<const double> sense, double* to) {
    for (const Side side : {kLeft, kRight})
        for (int i = 0; i < ports.count[side]; ++i) *to++ = drive[size_t(i)];
    for (const Side side : {kTop, kBottom})
        for (int j = 0; j < ports.count[side]; ++j) *to++ = sense.empty() ? 0 : sense[size_t(j)];
}

void check_voltages(const char* name, std::span<const double> volts, int wanted) {
    if (volts.size() != size_t(wanted))
        throw ConfigError(fmt::format("wires: {} {} voltages where {} are wanted", volts.size(), name, wanted));
    for (size_t i = 0; i < volts.size(); ++i) {
        if (!std::isfinite(volts[i]))
            throw ConfigError(fmt::format("wires: {} voltage {} is {} V: must be finite", name, i, volts[i]));
    }
}

}  // namespace

}  // namespace wires

ArrayVoltages solve_voltages(const FactoredArray& array, std::span<const double> drive, std::span<const double> sense) {
    const ReductionBuffers& buffers = array.buffers;
    const wires::ReductionPlan& plan = buffers.plan;
    const wires::MergeTree& tree = plan.tree;
    wires::check_voltages("drive", drive, plan.rows);
    if (!sense.empty()) wires::check_voltages("sense", sense, plan.cols);
    const CellGrid cells{plan.rows, plan.cols, array.conductance};

    std::vector<double> voltages(tree.voltages), v;
    wires::set_ports(tree.nodes.back().ports, drive, sense, &voltages[tree.nodes.back().voltage]);
    for (size_t i = tree.nodes.size(); i-- > 0;) {
        const wires::Node& node = tree.nodes[i];
        if (node.is_leaf()) continue;
        const auto shared = size_t(wires::round_up(node.merge.shared, wires::kLanes));
        v.assign(shared + size_t(wires::round_up(node.merge.ports, wires::kLanes)), 0.0);
        std::copy_n(&voltages[node.voltage], node.merge.ports, v.begin() + ptrdiff_t(shared));
        wires::solve_shared(node.merge, buffers.factor[0].number + node.factor, v);
        wires::pass_on(tree, node, int(shared), 1, v, voltages);
    }

    ArrayVoltages result;
    result.word.resize(array.conductance.size());
    result.bit.resize(array.conductance.size());
    const double* factor = buffers.lane_factor.empty() ? nullptr : buffers.lane_factor[0].number;
    for (const wires::LeafShape& shape : plan.shapes) {
        std::vector<double> lanes(shape.tree.voltages * wires::kLanes);
        for (size_t number = 0; number < wires::groups(shape); ++number, factor += shape.tree.factors) {
            const wires::LeafGroup group = wires::group_of(plan, shape, number);
            wires::gather_leaves(plan, shape, group, voltages, lanes);
            wires::solve_group(cells, buffers.segments, shape, group, factor, lanes, result);
        }
    }
    result.column_current.assign(size_t(plan.cols), 0.0);
    for (size_t cell = 0; cell < array.conductance.size(); ++cell)
        result.column_current[cell % size_t(plan.cols)] +=
            array.conductance[cell] * (result.word[cell] - result.bit[cell]);
    return result;
}

}  // namespace bitline
