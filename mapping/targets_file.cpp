#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_file.h"
#include "mapping/array_wires.h"
#include "mapping/placement.h"

namespace bitline {

namespace {

bool goes_around_faults(const Architecture& architecture) {
    return architecture.fault_remap != FaultRemap::none || architecture.array.spare_columns > 0;
}

void require_known_placement(const Architecture& architecture) {
    if (!has_random_faults(architecture) || !goes_around_faults(architecture)) return;
    throw ConfigError(
        "programming targets: mapping.fault_remap and array.spare_columns go around faults that differ from trial to "
        "trial; give the chip's own in cell.stuck_at.map and set the rates of cell.stuck_at and array.line_faults to "
        "0");
}

/// What the cells are written to, in grid steps, (lines x width).
std::vector<double> written_conductances(const Architecture& architecture, const ArrayPlan& plan,
                                         const Placement& placement, const CellLaw& law) {
    if (architecture.compensation.wires == CompensationOptions::Wires::targets)
        return find_wire_targets(architecture, plan, placement, law).conductance;
    std::vector<double> conductances;
    for (const uint16_t level : placement.levels) conductances.push_back(law.target[level]);
    return conductances;
}

/// One array's cells in use within the smallest rectangle of physical lines that holds them.
void write_array(Hdf5Writer& file, const Architecture& architecture, const MappedLayer& layer, const ArrayPlan& plan,
                 const CellLaw& law) {
    ProgrammingReport unused;
    Placement placement;
    if (goes_around_faults(architecture)) {
        place_cells(architecture, layer, plan, law, cell_streams(0, 0), placement, unused);
    } else {
        place_cells(layer, plan, placement);
    }
    const std::vector<double> written = written_conductances(architecture, plan, placement, law);
    const std::vector<int64_t> columns = physical_columns(architecture, plan, placement.width);
    const int64_t rows = 1 + *std::max_element(placement.word_line.begin(), placement.word_line.end());
    int64_t cols = 0;
    for (const uint32_t line : placement.bit_line) cols = std::max(cols, 1 + columns[line]);
    std::vector<int32_t> levels(static_cast<size_t>(rows * cols), -1);
    std::vector<double> conductances(levels.size(), std::numeric_limits<double>::quiet_NaN());
    for (size_t r = 0; r < placement.lines; ++r) {
        for (const uint32_t line : placement.bit_line) {
            const auto cell = static_cast<size_t>(placement.word_line[r] * cols + columns[line]);
            levels[cell] = placement.levels[r * placement.width + line];
            conductances[cell] = written[r * placement.width + line] * law.grid.siemens;
        }
    }
    const std::string group = fmt::format("/arrays/{:05}", plan.id);
    file.group(group);
    file.write_string(group, "layer", layer.name);
    file.write_int(group, "array", plan.id);
    file.write_int(group, "first_weight_row", plan.first_row);
    file.write_int(group, "weight_rows", plan.rows);
    file.write_int(group, "levels_per_cell", law.grid.levels());
    file.write_double(group, "g_min", law.target.front() * law.grid.siemens);
    file.write_double(group, "g_max", law.target.back() * law.grid.siemens);
    file.write(group + "/levels", levels, {rows, cols});
    file.write(group + "/conductances", conductances, {rows, cols});
    file.write_string(group + "/conductances", "unit", "S");
}

}  // namespace

void write_targets(const Mapping& mapping, const std::string& path) {
    const Architecture& architecture = mapping.architecture;
    require_known_placement(architecture);
    write_atomically(path, [&](const std::string& temporary) {
        Hdf5Writer file(temporary);
        file.write_string("/", "content", "bitline programming targets");
        file.write_int("/", "format_version", 1);
        file.write_string("/", "architecture", to_yaml(architecture));
        file.write_string("/", "architecture_sha256", architecture.hash);
        file.group("/arrays");
        for (const MappedLayer& layer : mapping.layers) {
            const CellLaw law = make_cell_law(architecture.cell, layer.grid, {});
            for (const ArrayPlan& plan : layer.arrays) write_array(file, architecture, layer, plan, law);
        }
        file.close();
    });
}

}  // namespace bitline
