#pragma once

// Arrays of gated 1T1R cells whose source lines run parallel to the bit lines: every column is a ladder of its own,
// with the cells of the driven rows as rungs, and is solved exactly.
//
//   V -d- s(0) --row_ohm-- s(1) -- ... s(M-1)       source line (row_ohm: of its segments; d: driver_ohm), driven at
//          | G(0)           | G(1)     |            row 0 (Drive::left), at the last row (right) or at both ends
//         b(0) --col_ohm-- b(1) -- ... b(M-1) -s-   bit line; s: sense_ohm, from the last or the first row to ground
//
// Method: the part of a ladder above a row is a star of three resistances, to the upper end D of the source line, to
// the source line's node s and to the bit line's node b. Segments lengthen its legs; a rung G between s and b, turned
// with them from a triangle into a star, gives with q = 1 + r_b Y, n = Y + G (q + R_s Y), Y the conductance of leg b
//
//   Y' = n / q,   R_D' = R_D + R_s G q / n,   R_s' = R_s Y / n.
//
// Nothing is subtracted: every current is right to a few roundings for each rung, without iteration and whatever the
// resistances.

#include <cstdint>
#include <span>
#include <vector>

#include "peripherals/wires/reduction.h"
#include "peripherals/wires/sweeps.h"
#include "peripherals/wires/wires.h"

namespace bitline {

struct LadderArray {
    int rows = 0, cols = 0, stride = 0;  // stride: cols, rounded up to four
    WireOptions options;
    std::vector<double> conductance;  // S, (rows, stride)
};

/// Throws ConfigError for what `effective_conductances` refuses and for a resistance above 1e30 ohm.
LadderArray prepare_ladders(const CellGrid& cells, const WireOptions& options);

/// What a solve computes in. One for each thread.
struct LadderBuffers {
    const wires::Sweeps* sweeps = &wires::best_sweeps();
    std::vector<wires::Rung> rungs;
    std::vector<double> legs;
};

/// Currents (cols) in A out of the bit lines, with `drive` V behind the drivers of all source lines and the cells of
/// the rows with active[i] != 0. Without resistance they are V times the plain sums of G to the bit, in the order of
/// rows (from the last row on where the first one is sensed). Throws ConfigError for wrong sizes and a voltage that is
/// not finite or beyond 1e6 V.
void solve_ladders(const LadderArray& array, double drive, std::span<const uint8_t> active, LadderBuffers& buffers,
                   std::span<double> current);

/// Voltages of all nodes, those of cells that do not conduct included; `word`: the source lines'.
ArrayVoltages ladder_voltages(const LadderArray& array, double drive, std::span<const uint8_t> active);

}  // namespace bitline
