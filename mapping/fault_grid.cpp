#include "mapping/fault_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "core/error.h"

namespace bitline {

namespace {

constexpr double kWorks = std::numeric_limits<double>::quiet_NaN();

/// Physical bit line of spare 0. A pair that takes two arrays of one column each counts as two lines.
int64_t first_spare(const ArrayOptions& array, int64_t cells_per_column) {
    return std::max<int64_t>(array.cols, cells_per_column);
}

void open_line(FaultGrid& grid, bool word, size_t line) {
    (word ? grid.open_word_line : grid.open_bit_line)[line] = 1;
    const size_t first = word ? line * grid.width : line, step = word ? 1 : grid.width;
    const size_t count = word ? grid.width : grid.lines;
    for (size_t i = 0; i < count; ++i) grid.states[first + i * step] = CellState::open;
}

/// Index into the grid's bit lines; none for lines that this array's layer does not reach.
std::optional<size_t> grid_column(const FaultGrid& grid, int64_t spare, int32_t col) {
    const auto c = static_cast<size_t>(col);
    if (c < grid.used) return c;
    if (col < spare) return std::nullopt;
    const size_t column = grid.used + static_cast<size_t>(col - spare);
    return column < grid.width ? std::optional(column) : std::nullopt;
}

void add_known_faults(const Architecture& architecture, const ArrayPlan& plan, double siemens, FaultGrid& grid) {
    const FaultMap& map = *architecture.cell.stuck_at.known;
    const int64_t spare = first_spare(architecture.array, plan.cells_per_column);
    const auto [first, last] = map.of_array(plan.id);
    // Whole lines afterwards: what stands on an interrupted line carries no current, whatever else is said of it.
    for (const bool whole : {false, true}) {
        for (size_t i = first; i < last; ++i) {
            const Fault& fault = map.faults[i];
            const bool bit_line = fault.row == Fault::kWholeLine, word_line = fault.col == Fault::kWholeLine;
            if ((bit_line || word_line) != whole) continue;
            if (!bit_line && static_cast<size_t>(fault.row) >= grid.lines) continue;
            if (word_line) {
                open_line(grid, true, static_cast<size_t>(fault.row));
                continue;
            }
            const std::optional<size_t> column = grid_column(grid, spare, fault.col);
            if (!column) continue;
            if (bit_line) {
                open_line(grid, false, *column);
                continue;
            }
            const size_t cell = static_cast<size_t>(fault.row) * grid.width + *column;
            grid.states[cell] = fault.state;
            grid.stuck[cell] = fault.siemens / siemens;
        }
    }
}

}  // namespace

FaultGrid find_faults(const Architecture& architecture, const ArrayPlan& plan, const Grid& cells,
                      const CellStreams& streams, size_t count) {
    const ArrayOptions& array = architecture.array;
    const StuckAtOptions& stuck = architecture.cell.stuck_at;
    const auto id = static_cast<uint32_t>(plan.id);
    FaultGrid grid;
    grid.used = plan.columns.size() * static_cast<size_t>(plan.cells_per_column);
    grid.width = grid.used + static_cast<size_t>(array.spare_columns);
    grid.lines = count;
    grid.states.assign(grid.lines * grid.width, CellState::works);
    grid.stuck.assign(grid.states.size(), kWorks);
    grid.open_word_line.assign(grid.lines, 0);
    grid.open_bit_line.assign(grid.width, 0);
    for (size_t line = 0; line < grid.lines; ++line)
        draw_stuck_cells(stuck, streams.stuck_at, id, static_cast<uint32_t>(line),
                         std::span(grid.states).subspan(line * grid.width, grid.width));
    if (stuck.known) add_known_faults(architecture, plan, cells.siemens, grid);
    const auto lines = static_cast<uint32_t>(grid.lines), width = static_cast<uint32_t>(grid.width);
    for (const uint32_t line : draw_open_lines(array.line_faults.open_word_lines, streams.open_word_line, id, lines))
        open_line(grid, true, line);
    for (const uint32_t line : draw_open_lines(array.line_faults.open_bit_lines, streams.open_bit_line, id, width))
        open_line(grid, false, line);
    for (size_t i = 0; i < grid.states.size(); ++i) {
        if (grid.states[i] == CellState::low) grid.stuck[i] = cells.g_min;
        if (grid.states[i] == CellState::high) grid.stuck[i] = cells.g_max;
        if (grid.states[i] == CellState::open) grid.stuck[i] = 0;
    }
    return grid;
}

bool has_random_faults(const Architecture& architecture) {
    const StuckAtOptions& stuck = architecture.cell.stuck_at;
    const ArrayOptions::LineFaults& lines = architecture.array.line_faults;
    return stuck.low_rate + stuck.high_rate > 0 || lines.open_word_lines > 0 || lines.open_bit_lines > 0;
}

bool has_faults(const Architecture& architecture) {
    return has_random_faults(architecture) || architecture.cell.stuck_at.known;
}

std::vector<int64_t> physical_columns(const Architecture& architecture, const ArrayPlan& plan, size_t width) {
    const size_t used = plan.columns.size() * static_cast<size_t>(plan.cells_per_column);
    const int64_t spare = first_spare(architecture.array, plan.cells_per_column);
    std::vector<int64_t> columns(width);
    for (size_t i = 0; i < width; ++i)
        columns[i] = i < used ? static_cast<int64_t>(i) : spare + static_cast<int64_t>(i - used);
    return columns;
}

int64_t bit_lines(const ArrayOptions& array, int64_t cells_per_column) {
    return first_spare(array, cells_per_column) + array.spare_columns;
}

int64_t arrays_of_chip(const Mapping& mapping) {
    int64_t arrays = mapping.arrays_available;
    for (const MappedLayer& layer : mapping.layers)
        for (const ArrayPlan& plan : layer.arrays) arrays = std::max<int64_t>(arrays, plan.id + 1);
    return arrays;
}

double ceiling_of(const CellOptions& cell) { return cell.g_ceiling > 0 ? cell.g_ceiling : 1.5 * cell.g_max; }

void require_known_faults(const Mapping& mapping) {
    const Architecture& architecture = mapping.architecture;
    const ArrayOptions& array = architecture.array;
    if (!architecture.cell.stuck_at.known) return;
    const FaultMap& map = *architecture.cell.stuck_at.known;
    const int64_t arrays = arrays_of_chip(mapping);
    int64_t cells_per_column = 1;
    for (const MappedLayer& layer : mapping.layers) cells_per_column = layer.stored.pairs ? 2 : cells_per_column;
    const int64_t cols = bit_lines(array, cells_per_column);
    const std::vector<int64_t>& shape = map.shape;
    if (!shape.empty() && (shape[1] != array.rows || (shape[2] != cols && shape[2] != cols - array.spare_columns)))
        throw ConfigError(
            fmt::format("{}: its shape ({}) is not that of arrays of array.rows x (array.cols + "
                        "array.spare_columns) = {} x {}",
                        map.path, to_string(shape), array.rows, cols));
    const auto require = [&](const Fault& fault, const char* name, int64_t value, int64_t count, const char* relation) {
        if (value < count) return;
        throw ConfigError(fmt::format("{}: {} = {} lies outside of the chip: it violates {} < {} = {}",
                                      map.where(fault), name, value, name, relation, count));
    };
    const double ceiling = ceiling_of(architecture.cell);
    for (const Fault& fault : map.faults) {
        require(fault, "array", fault.array, arrays, "the number of arrays");
        require(fault, "row", fault.row, array.rows, "array.rows");
        require(fault, "col", fault.col, cols, "array.cols + array.spare_columns");
        if (fault.state == CellState::conductance && fault.siemens > ceiling)
            throw ConfigError(fmt::format("{}: a conductance of {} S violates state <= cell.g_ceiling = {} S",
                                          map.where(fault), fault.siemens, ceiling));
    }
}

}  // namespace bitline
