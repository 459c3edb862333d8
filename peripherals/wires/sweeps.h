#pragma once

// The inner loops of solving an array line by line, on raw pointers: one source (sweeps_vector.h), compiled for each
// instruction set, with the same bits.
//
// A line is a chain of nodes 0 .. n - 1 with an open end and an end at a voltage; each node has a conductance g to the
// other kind of line. Seen from the open end, node k is a conductance Y(k) and a source J(k) to ground,
//
//     Y(k) = g(k) + S(k'),   S(k) = a(k) Y(k),   a(k) = 1 / (1 + r(k) Y(k)),   J(k) = s(k) + a(k') J(k'),
//
// where k' is the neighbour towards the open end, r(k) the resistance of the segment towards the other end, S(k) the
// conductance seen through it and s(k) the current that flows in at given voltages of the other lines. From the held
// end back, v(k) = a(k) (v(before) + r(k) J(k)). Nothing is subtracted and nothing is divided by a resistance: what has
// none is exact, and neighbours that are joined by 0 ohm have the same voltage to the bit.
//
// Word lines are held at their drivers on the left, four of them in the lanes of a vector. Bit lines are held at ground
// below the last row, four columns in the lanes.

namespace bitline::wires {

/// Rows that conduct, from the open end of the bit lines to the sensed one. rows and cols are multiples of four; rows
/// and columns that fill up have no conductance and no drive.
struct LineGrid {
    int rows = 0, cols = 0;
    double driver_ohm = 0, row_ohm = 0;  // left of column 0, left of every other column
    const double* col_ohm = nullptr;     // (rows) below each row; the last one: to ground
    const double* drive = nullptr;       // (rows) V
};

/// Numbers of cells, "blocks": 4 x 4 blocks one after another along the rows, each row by row. Factors of rows stand in
/// the same blocks turned, so that a vector holds one column of four rows.
constexpr long block_at(int cols, int row, int col) {
    return (long(row / 4) * (cols / 4) + col / 4) * 16 + row % 4 * 4 + col % 4;
}

/// Blocks.
struct LineFactors {
    double* share = nullptr;  // a
    double* seen = nullptr;   // S, S
};

/// What a solve is for: s = conductance * other, or s = conductance where `other` is null; the voltages become
/// volts + weight (solution - volts). Blocks.
struct LineStep {
    const double* conductance = nullptr;
    const double* other = nullptr;
    double weight = 1;
    double* volts = nullptr;
};

/// Voltages of the cells' nodes, and what the cells carry at them: `current`, or conductance (word - bit) where that is
/// null. Blocks.
struct CellState {
    const double* conductance = nullptr;
    const double* current = nullptr;
    const double* word = nullptr;
    const double* bit = nullptr;
};

/// What is known of voltages that need not be a solution; see the bound in gated.h. (cols) each, set to 0 before.
struct Certificate {
    double* current = nullptr;    // A, sum of the cells' currents from the first row to the last
    double* magnitude = nullptr;  // A, sum of their magnitudes
    double* error = nullptr;      // A, sum over segments of |what is missing in Kirchhoff's voltage law| * S
    double* reach = nullptr;      // sum over segments of r S
    double row_error = 0;         // A, sum of the same over all rows ...
    double row_rounding = 0;      // A, sum over rows of (sum of magnitudes) * (sum of r S)
};

/// A conducting row of ladders (ladder.h), and what lies between it and the one before.
struct Rung {
    int row = -1;                        // -1: none, only segments
    double source_ohm = 0, bit_ohm = 0;  // of the source line, of the bit line
};

/// Legs of the stars of ladders, (cols) each.
struct LadderLegs {
    double* bit = nullptr;   // S
    double* far = nullptr;   // ohm, to the first end of the source line ...
    double* near = nullptr;  // ... and to its other one
};

struct Sweeps {
    const char* name;
    /// Returns the least product of a row's shares: what reaches its open end of the drive, were the bit lines at 0 V.
    double (*factor_rows)(const LineGrid& grid, const double* conductance, const LineFactors& factors);
    /// Likewise for columns.
    double (*factor_cols)(const LineGrid& grid, const double* conductance, const LineFactors& factors);
    /// `scratch`: 8 cols numbers.
    void (*solve_rows)(const LineGrid& grid, const double* share, const LineStep& step, double* scratch);
    /// `scratch`: 16 rows numbers.
    void (*solve_cols)(const LineGrid& grid, const double* share, const LineStep& step, double* scratch);
    void (*certify)(const LineGrid& grid, const CellState& cells, const double* row_seen, const double* col_seen,
                    Certificate& certificate);
    /// cols: a multiple of four; conductance: row by row. Legs of 0 grow by the rungs, one after another.
    void (*ladders)(int cols, const Rung* rungs, int count, const double* conductance, const LadderLegs& legs);
};

extern const Sweeps kPortableSweeps;
#if defined(__x86_64__)
extern const Sweeps kAvx2Sweeps;
#endif

/// The fastest that this machine has.
const Sweeps& best_sweeps();

}  // namespace bitline::wires
