#pragma once

// The box of a single cell: its left port is the word line's node at the cell to the left (or the driver), its right
// port the word line's node at the cell itself, its top port the bit line's node at the cell itself, its bottom port
// the bit line's node at the cell below (or the sense amplifier). In the last column the right port is the driver
// there, in the first row the top port is the sense amplifier there, and the cell's own nodes are eliminated.

#include <cstddef>

#include "peripherals/wires/elimination.h"
#include "peripherals/wires/segments.h"
#include "peripherals/wires/stars.h"

namespace bitline::wires {

struct Element {
    double cell = 0, left = 0, bottom = 0;  // S
    double right = 0, top = 0;              // S, in the last column, in the first row
    bool last_col = false, first_row = false;
};

inline Element element_at(const CellGrid& cells, const Segments& segments, int row, int col) {
    const auto i = size_t(row), j = size_t(col), cols = size_t(cells.cols);
    Element element;
    element.cell = cells.conductance[i * cols + j];
    element.left = segments.row[i * (cols + 1) + j];
    element.bottom = segments.col[(i + 1) * cols + j];
    element.last_col = j + 1 == cols;
    element.first_row = i == 0;
    if (element.last_col) element.right = segments.row[i * (cols + 1) + cols];
    if (element.first_row) element.top = segments.col[j];
    return element;
}

/// share(a, sum) = a / sum: how much of a node's current goes one way; 0 where it is connected to nothing.
inline double share(double conductance, double sum) { return sum > 0 ? conductance / sum : 0; }

/// Conductances between ports and the bit line's node once the word line's node is eliminated where it is no port.
struct BitStar {
    double left_right = 0;
    double left = 0, right = 0, bottom = 0, top = 0;  // to the bit line's node
};

inline BitStar bit_star(const Element& e) {
    if (!e.last_col) return {e.left, 0, e.cell, e.bottom, e.top};
    const double sum = e.left + e.right + e.cell;
    const double left = share(e.left, sum), right = share(e.right, sum);
    return {left * e.right, left * e.cell, right * e.cell, e.bottom, e.top};
}

/// In the order of kCoupled.
struct Couplings {
    double siemens[kCouplings];
};

inline Couplings couplings_of(const Element& e) {
    const BitStar star = bit_star(e);
    if (!e.first_row) return {{star.left_right, star.right, star.bottom, star.left, 0, 0}};
    const double sum = (star.left + star.right) + (star.bottom + star.top);
    const double left = share(star.left, sum), right = share(star.right, sum), top = share(star.top, sum);
    return {{star.left_right + left * star.right, right * star.top, top * star.bottom, left * star.top,
             left * star.bottom, right * star.bottom}};
}

/// Voltages of the cell's own nodes.
struct NodeVoltages {
    double word = 0, bit = 0;
};

/// From the voltages at its ports.
inline NodeVoltages element_voltages(const Element& e, double left, double right, double top, double bottom) {
    NodeVoltages node{right, top};
    if (e.first_row) {
        const BitStar star = bit_star(e);
        const double sum = (star.left + star.right) + (star.bottom + star.top);
        node.bit = (share(star.left, sum) * left + share(star.right, sum) * right) +
                   (share(star.bottom, sum) * bottom + share(star.top, sum) * top);
    }
    if (e.last_col) {
        const double sum = e.left + e.right + e.cell;
        node.word = (share(e.left, sum) * left + share(e.right, sum) * right) + share(e.cell, sum) * node.bit;
    }
    return node;
}

}  // namespace bitline::wires
