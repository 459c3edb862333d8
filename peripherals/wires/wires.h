#pragma once

// Resistive wires of a crossbar, and the conductances that an array with them effectively has.
//
//          column 0         column 1                word line i: node w(i, j) at each cell, row_ohm between neighbours
//             |                |                    bit line j:  node b(i, j) at each cell, col_ohm between neighbours
//  V(i) -d- w(i,0) --row_ohm-- w(i,1) --- ...       cell (i, j): G(i, j) between w(i, j) and b(i, j)
//             \ G              \ G                  d: driver_ohm, from the ideal source to the nearest cell
//             b(i,0)           b(i,1)               s: sense_ohm, from the nearest cell to virtual ground
//             | col_ohm        | col_ohm
//            ...              ...
//             s                s
//           I(0)             I(1)
//
// The array is linear, so I = Y^T V with a matrix Y (rows x cols) that does not depend on V. Where positive and
// negative columns lie (in two arrays, side by side or interleaved) is a matter of which columns G holds.
//
// Method: Kron reduction (F. Doerfler, F. Bullo, IEEE TCAS-I 60(1), 2013) of the grid in the order of nested dissection
// (A. George, SIAM J. Numer. Anal. 10(2), 1973). A node is eliminated by the star-mesh transform c_pq += c_sp c_sq /
// d_s, d_s = sum of s's conductances to the nodes that are left. Only conductances between different nodes are held, so
// there is no subtraction anywhere, and every entry of Y is right to a few roundings, however extreme the cells and
// wires are (W. Grassmann, M. Taksar, D. Heyman, Oper. Res. 33(5), 1985; C. O'Cinneide, Numer. Math. 65, 1993).
//
// Same bits for any instruction set: IEEE operations and explicit fused multiply-adds in a fixed order. One array is
// reduced by one thread; arrays are independent.

#include <cstdint>
#include <span>
#include <vector>

namespace bitline {

struct WireOptions {
    enum class Drive { left, right, both };
    enum class Sense { bottom, top };
    double row_ohm = 0, col_ohm = 0;  // of the segment between neighbouring cells
    double driver_ohm = 0;            // at each driven end of a word line
    double sense_ohm = 0;             // at the sensed end of a bit line
    Drive drive = Drive::left;
    Sense sense = Sense::bottom;
};

/// Throws ConfigError unless every resistance is finite and at least 0.
void check(const WireOptions& options);

/// Whether any resistance differs from 0: without, and without faults, Y = G.
bool has_resistance(const WireOptions& options);

/// A segment that is broken, or that has no resistance. Position p of a row lies between its cells p - 1 and p, those
/// of a column likewise; 0 and the last one are the connections to the driver and to the sense amplifier, where there
/// is one.
struct SegmentFault {
    enum class Line { row, column };
    enum class Kind { open, shorted };
    Line line = Line::row;
    int index = 0;
    int position = 0;
    Kind kind = Kind::open;
};

inline constexpr int kMostLines = 4096;  // rows or columns of an array with wires

/// The cells of an array, at most kMostLines rows and columns.
struct CellGrid {
    int rows = 0, cols = 0;
    std::span<const double> conductance;  // S, (rows, cols) row by row, 0 <= G <= 1e9; 0: open
};

struct ReductionBuffers;  // in peripherals/wires/reduction.h

/// Y (rows, cols) in S: I(j) = sum over i of Y(i, j) V(i). Without resistance and faults Y = G to the bit. What is
/// connected to nothing carries no current. Throws ConfigError for a conductance, a size, a resistance or a fault out
/// of range.
std::vector<double> effective_conductances(const CellGrid& cells, const WireOptions& options,
                                           std::span<const SegmentFault> faults = {});

/// The same into `effective` (rows x cols), with buffers that serve one array after another.
void effective_conductances(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults,
                            ReductionBuffers& buffers, std::span<double> effective);

}  // namespace bitline
