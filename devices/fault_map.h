#pragma once

// Faults of a chip as a test found them, in physical coordinates:
//
//   array  0, 1, ... over all arrays of the chip, layer after layer (ArrayPlan::id)
//   row    word line, 0 at the top; logical row r drives line r, with xnor pairs lines 2 r and 2 r + 1
//   col    bit line, 0 at the left; converter column c reads line c, and of bit-line pairs the positive line 2 c and
//   the
//          negative line 2 c + 1; after the array's own lines (array.cols) follow its spare ones
//
// As CSV, one fault a row, `*` for a whole line:
//
//   array,row,col,state
//   0,17,3,low         stuck at G_min
//   0,17,4,high        stuck at G_max
//   2,0,9,12.5uS       stuck at a conductance (S where no unit is given)
//   2,5,5,open         carries no current
//   3,*,8,open         interrupted bit line
//   3,40,*,open        interrupted word line
//
// As HDF5, over (arrays x rows x cols): either `states`, integers 0 (works), 1 (low), 2 (high), 3 (open), or
// `conductances` in S, NaN where a cell works.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "devices/cell.h"

namespace bitline {

enum class CellState : uint8_t {
    works,
    low,          // stuck at G_min
    high,         // stuck at G_max
    open,         // carries no current
    conductance,  // stuck at a conductance of its own
};

struct Fault {
    static constexpr int32_t kWholeLine = -1;
    int32_t array = 0, row = 0, col = 0;  // row or col: kWholeLine, not both
    CellState state = CellState::low;
    double siemens = 0;  // of CellState::conductance
    int64_t line = 0;    // of the CSV file
};

struct FaultMap {
    std::string path;
    std::vector<Fault> faults;   // by array, row, col
    std::vector<int64_t> shape;  // (arrays, rows, cols) of an HDF5 file; empty: CSV

    /// File and line, or file and element.
    std::string where(const Fault& fault) const;
    /// The faults of one array: [first, last).
    std::pair<size_t, size_t> of_array(int32_t array) const;
};

/// Throws FormatError or ConfigError with the row and why: a missing or malformed file, a negative coordinate, an
/// unknown state, a cell that is named twice. Whether the chip has the cell is known to `map_network`.
FaultMap read_fault_map(const std::string& path);

/// What the rates make of the cells of one word line: cell i draws lane i % 4 of counter (i / 4, array, row, 0). Cells
/// that work are left as they are.
void draw_stuck_cells(const StuckAtOptions& stuck, StreamKey key, uint32_t array, uint32_t row,
                      std::span<CellState> states);

/// The lines 0 .. lines - 1 of an array that are interrupted: line i draws lane i % 4 of counter (i / 4, array, 0, 0).
std::vector<uint32_t> draw_open_lines(double rate, StreamKey key, uint32_t array, uint32_t lines);

}  // namespace bitline
