#pragma once

// What is wrong with the cells of an array, and where they lie on the chip.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "devices/cell_law.h"
#include "devices/fault_map.h"
#include "mapping/mapping.h"

namespace bitline {

/// What is wrong with an array: its word lines as far as they can be used, and of its bit lines the used and the spare.
struct FaultGrid {
    size_t lines = 0, used = 0, width = 0;
    std::vector<CellState> states;  // (lines x width)
    std::vector<double> stuck;      // (lines x width) grid steps; NaN: works
    std::vector<uint8_t> open_word_line, open_bit_line;

    bool none() const {
        return std::all_of(states.begin(), states.end(), [](CellState s) { return s == CellState::works; });
    }
};

/// Faults of the word lines 0 .. count - 1 of one array, by rate and by map. Spare bit line s draws its random numbers
/// as cell `used + s` of each row.
FaultGrid find_faults(const Architecture& architecture, const ArrayPlan& plan, const Grid& cells,
                      const CellStreams& streams, size_t count);

/// Whether anything can be wrong with a cell or a line, and whether chance decides that.
bool has_faults(const Architecture& architecture);
bool has_random_faults(const Architecture& architecture);

/// Physical bit line of each cell of a row as written: the array's own lines, and then spare ones.
std::vector<int64_t> physical_columns(const Architecture& architecture, const ArrayPlan& plan, size_t width);

/// Bit lines of an array, spare ones included.
int64_t bit_lines(const ArrayOptions& array, int64_t cells_per_column);

/// Numbers of arrays are below this one: those that the network takes, or all of a larger chip.
int64_t arrays_of_chip(const Mapping& mapping);

/// Upper limit of conductances, S.
double ceiling_of(const CellOptions& cell);

/// Throws ConfigError, with the row of the file, for known faults beyond the arrays of the chip or the cells'
/// conductances.
void require_known_faults(const Mapping& mapping);

}  // namespace bitline
