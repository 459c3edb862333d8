#pragma once

// The conductances of an array's wires, segment by segment.

#include <cstddef>
#include <span>
#include <vector>

#include "peripherals/wires/wires.h"

namespace bitline::wires {

/// Position p of a line lies in front of its cell p; the first and the last one lead to drivers and sense amplifiers,
/// and are 0 S where there is none.
struct Segments {
    int rows = 0, cols = 0;
    std::vector<double> row;  // S, (rows, cols + 1)
    std::vector<double> col;  // S, (rows + 1, cols)
};

/// Checks everything that a caller gives, see `effective_conductances`. What has no resistance gets 2^100 times the
/// largest cell: its voltage is below 1e-22 of any cell's, and sums of positive numbers lose nothing beside it.
void lay_segments(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults,
                  Segments& segments);

/// Throws ConfigError for a resistance above 1e30 ohm, for solvers that multiply conductances by resistances.
void check_most_ohm(const WireOptions& options);

/// Throws ConfigError, by name and index, for a voltage that is not finite or beyond 1e6 V.
void check_volts(double volts, const char* name, std::size_t index);

}  // namespace bitline::wires
