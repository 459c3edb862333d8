#pragma once

// In which order the boxes of an array are merged.

#include <cstddef>
#include <vector>

#include "peripherals/wires/elimination.h"

namespace bitline::wires {

/// Ports of a box by side.
enum Side { kLeft, kRight, kTop, kBottom, kSides };

struct PortCounts {
    int count[kSides] = {0, 0, 0, 0};
    int total() const { return count[kLeft] + count[kRight] + count[kTop] + count[kBottom]; }
    int first(Side side) const {
        int sum = 0;
        for (int before = 0; before < side; ++before) sum += count[before];
        return sum;
    }
};

/// A box: either a leaf, or made of two others.
struct Node {
    int row = 0, col = 0;  // its place among the leaves, where it is one
    int child[2] = {-1, -1};
    PortCounts ports;
    Merge merge;
    std::size_t factor = 0;   // where what its elimination leaves behind begins
    std::size_t voltage = 0;  // where the voltages of its ports begin
    int slot = 0;             // two boxes that are needed at the same time have different slots
    bool is_leaf() const { return child[0] < 0; }
};

/// Boxes of a rectangle that is cut into leaves, each after the two that it is made of; the last one is the whole.
struct MergeTree {
    std::vector<int> row_cut, col_cut;             // (leaves + 1), cells: where leaves begin and end
    bool open[kSides] = {true, true, true, true};  // whether the rectangle has ports on this side
    std::vector<Node> nodes;
    std::vector<std::size_t> slots;  // ports of the largest box in each slot
    std::size_t factors = 0, largest_factor = 0, voltages = 0;
};

/// How much memory an elimination fills.
using FactorSize = std::size_t (*)(const Merge& merge);

/// Sets the nodes: halves across the longer side, down to the leaves.
void plan_merges(MergeTree& tree, FactorSize factor_size);

/// `count` cells in equal parts of at most `most`: where they begin and end.
std::vector<int> cut_evenly(int count, int most);

}  // namespace bitline::wires
