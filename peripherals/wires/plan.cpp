#include "peripherals/wires/plan.h"

#include <algorithm>

namespace bitline::wires {

namespace {

/// Leaves row_from .. row_to - 1 by col_from .. col_to - 1.
struct Rectangle {
    int row_from, row_to, col_from, col_to;
};

PortCounts count_ports(const MergeTree& tree, const Rectangle& at) {
    const int rows = tree.row_cut[size_t(at.row_to)] - tree.row_cut[size_t(at.row_from)];
    const int cols = tree.col_cut[size_t(at.col_to)] - tree.col_cut[size_t(at.col_from)];
    const bool inner[kSides] = {at.col_from > 0, at.col_to + 1 < int(tree.col_cut.size()), at.row_from > 0,
                                at.row_to + 1 < int(tree.row_cut.size())};
    PortCounts ports;
    for (int side = 0; side < kSides; ++side) {
        const int lines = side == kLeft || side == kRight ? rows : cols;
        ports.count[side] = inner[side] || tree.open[side] ? lines : 0;
    }
    return ports;
}

/// Child 0 lies left of child 1, or above it.
Merge plan_merge(const PortCounts& first, const PortCounts& second, bool beside) {
    const Side ends[2] = {beside ? kRight : kBottom, beside ? kLeft : kTop};
    const PortCounts* children[2] = {&first, &second};
    Merge merge;
    merge.shared = first.count[ends[0]];
    for (int child = 0; child < 2; ++child) merge.first_shared[child] = children[child]->first(ends[child]);
    for (int side = 0; side < kSides; ++side) {
        for (int child = 0; child < 2; ++child) {
            const int count = children[child]->count[side];
            if (side == ends[child] || count == 0) continue;
            merge.run[merge.runs++] = {child, children[child]->first(Side(side)), count};
            merge.ports += count;
        }
    }
    merge.row_end = merge.ports;
    return merge;
}

int add_box(MergeTree& tree, const Rectangle& at, int slot, FactorSize factor_size) {
    Node node;
    node.ports = count_ports(tree, at);
    node.slot = slot;
    const int leaf_rows = at.row_to - at.row_from, leaf_cols = at.col_to - at.col_from;
    if (leaf_rows == 1 && leaf_cols == 1) {
        node.row = at.row_from;
        node.col = at.col_from;
    } else {
        const int rows = tree.row_cut[size_t(at.row_to)] - tree.row_cut[size_t(at.row_from)];
        const int cols = tree.col_cut[size_t(at.col_to)] - tree.col_cut[size_t(at.col_from)];
        const bool beside = leaf_rows == 1 || (leaf_cols > 1 && cols >= rows);
        Rectangle first = at, second = at;
        if (beside)
            first.col_to = second.col_from = at.col_from + (leaf_cols + 1) / 2;
        else
            first.row_to = second.row_from = at.row_from + (leaf_rows + 1) / 2;
        const int below = (slot / 2 + 1) * 2;
        node.child[0] = add_box(tree, first, below, factor_size);
        node.child[1] = add_box(tree, second, below + 1, factor_size);
        node.merge =
            plan_merge(tree.nodes[size_t(node.child[0])].ports, tree.nodes[size_t(node.child[1])].ports, beside);
        node.factor = tree.factors;
        const size_t factor = factor_size(node.merge);
        tree.factors += factor;
        tree.largest_factor = std::max(tree.largest_factor, factor);
    }
    node.voltage = tree.voltages;
    tree.voltages += size_t(node.ports.total());
    tree.slots.resize(std::max(tree.slots.size(), size_t(slot) + 1));
    tree.slots[size_t(slot)] = std::max(tree.slots[size_t(slot)], size_t(node.ports.total()));
    tree.nodes.push_back(node);
    return int(tree.nodes.size()) - 1;
}

}  // namespace

void plan_merges(MergeTree& tree, FactorSize factor_size) {
    tree.nodes.clear();
    tree.slots.clear();
    tree.factors = tree.largest_factor = tree.voltages = 0;
    add_box(tree, {0, int(tree.row_cut.size()) - 1, 0, int(tree.col_cut.size()) - 1}, 0, factor_size);
}

std::vector<int> cut_evenly(int count, int most) {
    const int parts = (count + most - 1) / most;
    std::vector<int> cuts;
    for (int part = 0; part <= parts; ++part) cuts.push_back(int(int64_t(count) * part / parts));
    return cuts;
}

}  // namespace bitline::wires
