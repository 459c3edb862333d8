#pragma once

// Arrays of 1T1R cells whose input is the gate: the cells of a row whose input bit is 0 are disconnected, so the
// network depends on the input vector, and every vector is solved for itself.
//
// The picture is that of wires.h. The resistive lines along a row, driven at one end, are the source lines (row_ohm,
// driver_ohm); bit lines are as there. The word lines drive gates and carry no current. Where source lines run parallel
// to the bit lines instead, see ladder.h.
//
// Method: all source lines are solved exactly at given voltages of the bit lines, then all bit lines at those of the
// source lines, in turn. This is block Gauss-Seidel on two colours; its even and odd half steps are weighted as in the
// cyclic Chebyshev semi-iterative method (G. Golub, R. Varga, Numer. Math. 3, 147 and 157, 1961), whose interval
// follows from the shares that an array's lines let through.
//
// Bound. Given any voltages w of the source lines' and b of the bit lines' nodes, take as current of a segment the sum
// of the cells' currents x = G (w - b) between it and the line's open end. Kirchhoff's current law then holds at every
// node, and his voltage law fails by e(s) = difference of voltages - r(s) current in segment s. The difference between
// these currents and the true ones is what the passive network carries with all sources at 0 V and e(s) in series with
// every s; at column j that is the sum over s of e(s) c(s, j), where, the network being reciprocal, c(s, j) is the
// current of segment s when sense branch j holds 1 V. With some sense branches at 1 V and all else at 0 V all voltages
// lie within 0 .. 1 V (inverses of grounded Laplacians are nonnegative with column sums of at most one when multiplied
// by the conductances to the sources), and so the current through s is at most the conductance S(s) seen through it
// towards the open end (sweeps.h). For the signs of the errors at the columns, the columns where it is positive taken
// together and the others taken together,
//
//     sum over j of |I(j) - I_true(j)| <= 2 sum over s of |e(s)| S(s).
//
// (The same argument with conservation of charge in place of S gives the sum of |residual currents| of the nodes as a
// bound; r(s) times a current at the end of a line is what it becomes in e. Unlike it this form divides by no
// resistance, so it is as sharp at 0 ohm, and lower where lines lose little.) Nothing is asked of w and b, so whatever
// makes the iteration stop early or go astray is told by the bound. It includes the rounding of its own evaluation and
// of the column sums, from the magnitudes of all terms: it holds down to the floor of double precision.

#include <cstdint>
#include <span>
#include <vector>

#include "peripherals/wires/reduction.h"
#include "peripherals/wires/sweeps.h"
#include "peripherals/wires/wires.h"

namespace bitline {

struct SolveLimits {
    double tolerance = 1e-9;  // > 0, of the bound over the largest magnitude of a column's current
    int sweeps = 1000;        // >= 1, over all rows and all columns
};

/// What a solve that works step by step found.
struct WireSolution {
    std::vector<double> current;    // A, (cols), out of the bit lines
    double bound = 0;               // A, at least the sum over columns of |error of current|
    int sweeps = 0;                 // done
    bool converged = false;         // whether the bound is within the tolerance
    double relative_bound() const;  // over the largest magnitude of a current; 0 where the bound is 0
};

/// An array that input vectors are solved for.
struct GatedArray {
    int rows = 0, cols = 0, stride = 0;  // stride: cols, rounded up to four
    WireOptions options;
    std::vector<double> conductance;  // S, (rows, stride), from the driven end to the open one
};

/// Throws ConfigError for what `effective_conductances` refuses, for a resistance above 1e30 ohm, and for source lines
/// that are driven at both ends.
GatedArray prepare_gated(const CellGrid& cells, const WireOptions& options);

/// What a solve computes in. One for each thread; serves arrays of any sizes one after another.
struct GatedBuffers {
    const wires::Sweeps* sweeps = &wires::best_sweeps();
    wires::LineGrid grid;
    std::vector<int> row;  // of the array, for each line of the grid; -1 where it fills up
    std::vector<double> col_ohm, drive;
    std::vector<double> conductance, word, bit;                    // S, V, V; blocks, see sweeps.h
    std::vector<double> row_share, row_seen, col_share, col_seen;  // blocks
    std::vector<double> scratch;
    std::vector<double> sums;  // of certificates
};

/// Rows with active[i] != 0 conduct; `drive` (rows) V stands behind their drivers. Without resistance the currents are
/// the plain sums of G V over the rows to the bit, in the order from the open end of the bit lines to the sensed one.
/// Throws ConfigError for wrong sizes, voltages that are not finite or beyond 1e6 V, and limits out of range.
void solve_gated(const GatedArray& array, std::span<const double> drive, std::span<const uint8_t> active,
                 const SolveLimits& limits, GatedBuffers& buffers, WireSolution& solution);

/// The voltages of the last solve with these buffers. Source lines of rows that do not conduct have the voltage of
/// their driver; bit lines are linear between rows that do.
ArrayVoltages voltages_of(const GatedArray& array, std::span<const double> drive, const GatedBuffers& buffers,
                          const WireSolution& solution);

}  // namespace bitline
