// Conductances that were measured stand for those that a model would draw.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "devices/conductance_map.h"
#include "mapping/placement.h"

namespace bitline {

namespace {

using Array = ConductanceMap::Array;

void require_range(const Mapping& mapping, const std::string& path, int32_t number, const Array& array) {
    const int64_t arrays = arrays_of_chip(mapping);
    if (number >= arrays)
        throw ConfigError(
            fmt::format("{}: array {} lies outside of the chip: it violates array < the number of arrays = {}", path,
                        number, arrays));
    const double ceiling = ceiling_of(mapping.architecture.cell);
    const auto above = std::find_if(array.siemens.begin(), array.siemens.end(), [&](double g) { return g > ceiling; });
    if (above == array.siemens.end()) return;
    const int64_t i = above - array.siemens.begin();
    throw ConfigError(
        fmt::format("{}: the conductance of array {}, row {}, col {} is {} S and violates conductance <= "
                    "cell.g_ceiling = {} S",
                    path, number, i / array.cols, i % array.cols, *above, ceiling));
}

void require_shape(const ArrayOptions& options, const MappedLayer& layer, const ArrayPlan& plan,
                   const std::string& path, const Array& array) {
    const int64_t rows = plan.rows * drive_rows_per_row(layer);
    const int64_t cols = static_cast<int64_t>(plan.columns.size()) * plan.cells_per_column;
    const int64_t all_cols = bit_lines(options, plan.cells_per_column);
    if (array.rows >= rows && array.rows <= options.rows && array.cols >= cols && array.cols <= all_cols) return;
    throw ConfigError(
        fmt::format("{}: array {} has {} x {} conductances, and layer {} uses {} x {} cells of the {} x {} of "
                    "that array",
                    path, plan.id, array.rows, array.cols, layer.name, rows, cols, options.rows, all_cols));
}

}  // namespace

void add_measured(const Architecture& architecture, const ArrayPlan& plan, const Grid& grid, Placement& placement) {
    placement.measured.clear();
    if (!architecture.cell.measured.cells) return;
    const ConductanceMap& map = *architecture.cell.measured.cells;
    const auto found = map.arrays.find(plan.id);
    if (found == map.arrays.end()) return;
    const Array& array = found->second;
    const std::vector<int64_t> columns = physical_columns(architecture, plan, placement.width);
    placement.measured.assign(placement.levels.size(), std::numeric_limits<double>::quiet_NaN());
    for (size_t r = 0; r < placement.lines; ++r) {
        if (placement.word_line[r] >= array.rows) continue;
        for (size_t c = 0; c < placement.width; ++c) {
            if (columns[c] >= array.cols) continue;
            placement.measured[r * placement.width + c] = array.at(placement.word_line[r], columns[c]) / grid.siemens;
        }
    }
}

void require_measured_cells(const Mapping& mapping) {
    if (!mapping.architecture.cell.measured.cells) return;
    const ConductanceMap& map = *mapping.architecture.cell.measured.cells;
    for (const auto& [number, array] : map.arrays) require_range(mapping, map.path, number, array);
    for (const MappedLayer& layer : mapping.layers)
        for (const ArrayPlan& plan : layer.arrays)
            if (const auto found = map.arrays.find(plan.id); found != map.arrays.end())
                require_shape(mapping.architecture.array, layer, plan, map.path, found->second);
}

}  // namespace bitline
