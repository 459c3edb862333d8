#pragma once

// Boxes of a few cells: their own nodes are eliminated one by one, as lists of places that are made once.

#include <cstddef>
#include <vector>

namespace bitline::wires {

/// Conductances between the left, right, top and bottom port of an element, in this order:
/// left-right, right-top, top-bottom, left-top, left-bottom, right-bottom. Only cells whose own nodes are eliminated
/// (see element.h) have the last three.
constexpr int kCouplings = 6, kInnerCouplings = 3;
constexpr int kCoupled[kCouplings][2] = {{0, 1}, {1, 2}, {2, 3}, {0, 2}, {0, 3}, {1, 3}};

struct StarProgram {
    int rows = 0, cols = 0;
    bool last_col = false, first_row = false;  // cells there may have all couplings
    std::vector<int> code;                     // see Elimination::eliminate_stars
    int stars = 0;
    std::vector<int> star_nodes;     // for each star itself, how many neighbours, and these
    std::vector<int> element_nodes;  // (cells, 4): the nodes at the ports of each element
    std::vector<int> element_slots;  // (cells, kCouplings): where its conductances stand, -1: always 0
    int nodes = 0;                   // ports first
    int size = 0;                    // vectors of conductances: the matrix of the ports first
    int factor = 0;                  // vectors left behind: for each star 1 / sqrt(d_s) and X of its neighbours
};

/// `stride` of the ports' matrix, in vectors.
StarProgram make_star_program(int rows, int cols, bool last_col, bool first_row, int stride);

}  // namespace bitline::wires
