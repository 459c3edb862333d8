#include "peripherals/wires/segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "core/error.h"

namespace bitline::wires {

namespace {

constexpr double kLargestConductance = 1e9;  // S
constexpr double kShort = 0x1p100;           // times the largest cell

double largest_cell(const CellGrid& cells) {
    if (cells.rows < 1 || cells.cols < 1 || cells.rows > kMostLines || cells.cols > kMostLines) {
        throw ConfigError(fmt::format("wires: an array of {} x {} cells: rows and columns must lie within 1 .. {}",
                                      cells.rows, cells.cols, kMostLines));
    }
    const size_t wanted = size_t(cells.rows) * size_t(cells.cols);
    if (cells.conductance.size() != wanted) {
        throw ConfigError(fmt::format("wires: {} conductances for an array of {} x {} cells", cells.conductance.size(),
                                      cells.rows, cells.cols));
    }
    double largest = 0;
    for (size_t i = 0; i < wanted; ++i) {
        const double g = cells.conductance[i];
        if (!(g >= 0 && g <= kLargestConductance)) {
            throw ConfigError(fmt::format("wires: the cell in row {}, column {} has {} S: must lie within 0 .. {} S",
                                          i / size_t(cells.cols), i % size_t(cells.cols), g, kLargestConductance));
        }
        largest = std::max(largest, g);
    }
    return largest;
}

/// A resistance that not even the sum of all cells could tell from 0 counts as 0, too.
double conductance_of(double ohm, double shorted) { return ohm > 0 ? std::min(1 / ohm, shorted) : shorted; }

bool driven(const WireOptions& options, WireOptions::Drive end) {
    return options.drive == end || options.drive == WireOptions::Drive::both;
}

/// Throws unless the fault names a segment that exists.
void check_fault(const CellGrid& cells, const WireOptions& options, const SegmentFault& fault) {
    const bool row = fault.line == SegmentFault::Line::row;
    const char* line = row ? "row" : "column";
    const int lines = row ? cells.rows : cells.cols, last = row ? cells.cols : cells.rows;
    if (fault.index < 0 || fault.index >= lines || fault.position < 0 || fault.position > last) {
        throw ConfigError(
            fmt::format("wires: fault of segment {} of {} {}: lines lie within 0 .. {}, segments within "
                        "0 .. {}",
                        fault.position, line, fault.index, lines - 1, last));
    }
    const bool first = fault.position == 0, end = fault.position == last;
    if (!first && !end) return;
    const bool exists = row ? driven(options, first ? WireOptions::Drive::left : WireOptions::Drive::right)
                            : options.sense == (first ? WireOptions::Sense::top : WireOptions::Sense::bottom);
    if (exists) return;
    throw ConfigError(fmt::format("wires: fault of segment {} of {} {}: nothing is connected at this end",
                                  fault.position, line, fault.index));
}

void check_faults(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults) {
    std::set<std::tuple<SegmentFault::Line, int, int>> seen;
    for (const SegmentFault& fault : faults) {
        check_fault(cells, options, fault);
        if (seen.insert({fault.line, fault.index, fault.position}).second) continue;
        throw ConfigError(fmt::format("wires: segment {} of {} {} has more than one fault", fault.position,
                                      fault.line == SegmentFault::Line::row ? "row" : "column", fault.index));
    }
}

}  // namespace

void check_most_ohm(const WireOptions& options) {
    constexpr double kMostOhm = 1e30;
    for (const double ohm : {options.row_ohm, options.col_ohm, options.driver_ohm, options.sense_ohm})
        if (ohm > kMostOhm) throw ConfigError(fmt::format("wires: {} ohm: must be at most {} ohm", ohm, kMostOhm));
}

void check_volts(double volts, const char* name, std::size_t index) {
    if (std::abs(volts) <= 1e6) return;
    throw ConfigError(fmt::format("wires: {} {} is {} V: must lie within -1e6 .. 1e6 V", name, index, volts));
}

void lay_segments(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults,
                  Segments& segments) {
    check(options);
    const double shorted = largest_cell(cells) * kShort;
    check_faults(cells, options, faults);
    const auto rows = size_t(cells.rows), cols = size_t(cells.cols), along = cols + 1;
    segments.rows = cells.rows;
    segments.cols = cells.cols;
    segments.row.assign(rows * along, conductance_of(options.row_ohm, shorted));
    segments.col.assign((rows + 1) * cols, conductance_of(options.col_ohm, shorted));
    const double driver = conductance_of(options.driver_ohm, shorted);
    for (size_t i = 0; i < rows; ++i) {
        segments.row[i * along] = driven(options, WireOptions::Drive::left) ? driver : 0;
        segments.row[i * along + cols] = driven(options, WireOptions::Drive::right) ? driver : 0;
    }
    const double sense = conductance_of(options.sense_ohm, shorted);
    for (size_t j = 0; j < cols; ++j) {
        segments.col[j] = options.sense == WireOptions::Sense::top ? sense : 0;
        segments.col[rows * cols + j] = options.sense == WireOptions::Sense::bottom ? sense : 0;
    }
    for (const SegmentFault& fault : faults) {
        const auto index = size_t(fault.index), position = size_t(fault.position);
        double& segment = fault.line == SegmentFault::Line::row ? segments.row[index * along + position]
                                                                : segments.col[position * cols + index];
        segment = fault.kind == SegmentFault::Kind::open ? 0 : shorted;
    }
}

}  // namespace bitline::wires
