#include <fmt/format.h>

#include "core/files.h"
#include "core/hdf5_file.h"
#include "mapping/mapping.h"
#include "mapping/sign_readout.h"

namespace bitline {

namespace {

void write_layer(Hdf5Writer& file, const std::string& path, const MappedLayer& layer) {
    file.group(path);
    file.write_string(path, "name", layer.name);
    file.write_string(path, "kind", layer.kind);
    file.write_string(path, "encoding", to_string(layer.stored.encoding));
    file.write_string(path, "note", layer.note);
    file.write_int(path, "weight_bits", layer.stored.bits);
    file.write_int(path, "offset", layer.stored.offset);
    file.write_int(path, "groups", layer.groups);
    file.write_int(path, "rows", layer.rows);
    file.write_int(path, "columns", layer.cols);
    file.write_int(path, "positions", layer.positions);
    file.write_int(path, "arrays", layer.array_count);
    file.write_int(path, "cells_used", layer.cells_used);
    file.write_int(path, "lossless_bits", layer.lossless_bits);
    file.write_int(path, "cycles", layer.cycles);
    file.write_int(path, "grid_level_step", layer.grid.level_step);
    file.write_int(path, "grid_g_min", layer.grid.g_min);
    file.write_double(path, "grid_siemens", layer.grid.siemens);
    file.write(path + "/weights", layer.weights,
               {layer.groups * layer.cols, static_cast<int64_t>(layer.weights.size()) / (layer.groups * layer.cols)});
    if (!layer.input.cycle_weight.empty())
        file.write(path + "/cycle_weight", layer.input.cycle_weight, {layer.input.cycles()});
}

/// One array: where it lies, what its columns mean, and the level that each cell is to have.
void write_array(Hdf5Writer& file, const std::string& path, const MappedLayer& layer, const ArrayPlan& array) {
    file.group(path);
    file.write_int(path, "pack", array.pack);
    file.write_int(path, "first_row", array.first_row);
    file.write_int(path, "rows", array.rows);
    file.write_int(path, "active_rows", array.active_rows);
    std::vector<int64_t> table;
    for (const Column& c : array.columns)
        table.insert(table.end(), {c.output, c.shift, c.bits, c.weight, c.flipped, c.negative});
    const auto columns = static_cast<int64_t>(array.columns.size());
    file.write(path + "/columns", table, {columns, 6});
    file.write_string(path + "/columns", "fields", "output, shift, bits, weight, flipped, negative");
    if (layer.sign) file.write(path + "/comparator_levels", comparator_levels(layer, array), {columns});
    std::vector<uint16_t> positive, negative;
    target_levels(layer, array, positive, negative);
    const auto write_levels = [&](const std::string& name, const std::vector<uint16_t>& levels) {
        file.write(path + name, std::vector<int32_t>(levels.begin(), levels.end()),
                   {static_cast<int64_t>(levels.size()) / columns, columns});
    };
    write_levels("/levels", positive);
    if (!negative.empty()) write_levels("/levels_negative", negative);
}

}  // namespace

void write_mapping(const Mapping& mapping, const std::string& path) {
    write_atomically(path, [&](const std::string& temporary) {
        Hdf5Writer file(temporary);
        file.write_string("/", "content", "bitline mapping");
        file.write_int("/", "format_version", 1);
        file.write_string("/", "architecture", to_yaml(mapping.architecture));
        file.write_string("/", "architecture_sha256", mapping.architecture.hash);
        file.write_int("/", "arrays", mapping.arrays);
        file.write_int("/", "cycles", mapping.cycles);
        file.group("/layers");
        for (size_t l = 0; l < mapping.layers.size(); ++l) {
            const MappedLayer& layer = mapping.layers[l];
            const std::string group = fmt::format("/layers/{:04}", l);
            write_layer(file, group, layer);
            file.group(group + "/arrays");
            for (size_t a = 0; a < layer.arrays.size(); ++a)
                write_array(file, fmt::format("{}/arrays/{:05}", group, a), layer, layer.arrays[a]);
        }
        file.close();
    });
}

}  // namespace bitline
