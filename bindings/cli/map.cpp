#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/version.h"
#include "mapping/cell_files.h"
#include "mapping/lines.h"
#include "mapping/mapping.h"
#include "peripherals/threshold_errors.h"

namespace bitline::cli {

namespace {

struct Arguments {
    std::optional<std::string> model, architecture, output, targets, json;
    std::vector<std::string> settings;
    std::optional<std::string> device;

    std::vector<std::string> all_settings() const { return with_device(device, settings); }
};

/// Bit lines of one pack, over all of its column tiles.
int64_t physical_columns(const MappedLayer& layer) {
    int64_t columns = 0;
    for (const ArrayPlan& array : layer.arrays) {
        if (array.pack == 0 && array.first_row == 0) {
            columns += static_cast<int64_t>(array.columns.size()) * array.cells_per_column;
        }
    }
    return columns;
}

int64_t word_lines(const MappedLayer& layer) {
    return layer.packs.empty() ? 0 : layer.packs[0].rows * drive_rows_per_row(layer);
}

int given_bits(const MappedLayer& layer, const AdcOptions& adc) {
    if (layer.sign) return 1;
    return adc.bits == 0 ? layer.lossless_bits : adc.bits;
}

std::vector<std::string> table_row(const MappedLayer& layer, const AdcOptions& adc, bool packs) {
    std::vector<std::string> row{layer.name,
                                 short_kind(layer.kind),
                                 count_text(word_lines(layer)),
                                 count_text(physical_columns(layer)),
                                 fmt::format("{}", layer.stored.slices.size()),
                                 count_text(layer.array_count),
                                 fmt::format("{:.1f} %", 100 * layer.utilisation),
                                 fmt::format("{}/{}", given_bits(layer, adc), layer.lossless_bits),
                                 count_text(layer.cycles)};
    if (packs) row.insert(row.begin() + 2, count_text(static_cast<int64_t>(layer.packs.size())));
    return row;
}

Table layer_table(const Mapping& mapping) {
    const auto is_packed = [](const MappedLayer& layer) { return layer.packs.size() > 1; };
    const bool packs = std::any_of(mapping.layers.begin(), mapping.layers.end(), is_packed);
    Table table;
    table.columns = {{"layer", Align::left, true},
                     {"kind", Align::left, true},
                     {"rows"},
                     {"columns"},
                     {"slices"},
                     {"arrays"},
                     {"used"},
                     {"ADC bits"},
                     {"cycles"}};
    if (packs) table.columns.insert(table.columns.begin() + 2, {"packs"});
    for (const MappedLayer& layer : mapping.layers) {
        table.rows.push_back(table_row(layer, mapping.architecture.adc, packs));
    }
    table.totals = std::vector<std::string>(table.columns.size());
    table.totals.front() = "total";
    table.totals[table.columns.size() - 4] = count_text(mapping.arrays);
    table.totals.back() = count_text(mapping.cycles);
    return table;
}

std::string chip_text(const Mapping& mapping) {
    std::string text = fmt::format("arrays     {}", count_text(mapping.arrays));
    if (mapping.arrays_available > 0) text += fmt::format(" of {}", count_text(mapping.arrays_available));
    if (mapping.cores > 0) text += fmt::format(" (cores: {}", count_text(mapping.cores));
    if (mapping.tiles > 0) text += fmt::format(", tiles: {}", count_text(mapping.tiles));
    text += mapping.cores > 0 ? ")\n" : "\n";
    if (mapping.reloads > 1 && mapping.architecture.cell.reprogrammable) {
        text += fmt::format("reloads    the chip is filled {} times per pass over the network\n",
                            count_text(mapping.reloads));
    }
    return text;
}

/// What converters do beyond equal steps with an offset and a gain, which cost nothing.
std::string converters_text(const Architecture& architecture) {
    if (!decides_at_thresholds(architecture.adc) && !bends(architecture.array.transfer)) return {};
    return "converters thresholds of their own, looked up at every conversion: up to twice the time of equal steps, "
           "and "
           "no tiles of AMX\n";
}

/// What lies between cells and converters, and when it counts.
std::string wires_text(const WiringOptions& wires) {
    if (!wires.is_on()) return {};
    const WireOptions& lines = wires.lines;
    return wrap(fmt::format("wires      {:.6g} ohm per segment of word lines, {:.6g} of bit lines, {:.6g} at drivers, "
                            "{:.6g} at converters: solved for every array when it is programmed, products take no "
                            "longer",
                            lines.row_ohm, lines.col_ohm, lines.driver_ohm, lines.sense_ohm),
                kTableWidth, 0);
}

Json wires_json(const WiringOptions& wires) {
    if (!wires.is_on()) return nullptr;
    const WireOptions& lines = wires.lines;
    return {{"row_ohm", number(lines.row_ohm)},
            {"col_ohm", number(lines.col_ohm)},
            {"driver_ohm", number(lines.driver_ohm)},
            {"sense_ohm", number(lines.sense_ohm)}};
}

/// Which layers comparators decide alone, and with how many votes.
std::string sign_text(const Mapping& mapping) {
    std::vector<std::string> names;
    for (const MappedLayer& layer : mapping.layers) {
        if (!layer.sign) continue;
        const int64_t votes = layer.sign->votes;
        names.push_back(fmt::format("{} ({})", clean_line(layer.name),
                                    votes == 1 ? "alone" : fmt::format("majority of {} row parts", votes)));
    }
    if (names.empty()) return {};
    return wrap(fmt::format("readout    no converter, a comparator per column decides: {}", fmt::join(names, ", ")),
                kTableWidth, 0);
}

std::string notes_text(const Model& model, const Mapping& mapping) {
    std::string text;
    for (const int node : mapping.digital_nodes) {
        text += fmt::format("digital    {}\n", clean_line(model.network.nodes[static_cast<size_t>(node)].name));
    }
    for (const MappedLayer& layer : mapping.layers) {
        if (!layer.note.empty())
            text += fmt::format("note       {}: {}\n", clean_line(layer.name), clean_line(layer.note));
    }
    return text;
}

/// What word lines need beyond a line each, and which layers' do.
std::string rows_text(const Mapping& mapping) {
    std::map<std::string, std::vector<std::string>> layers;
    for (const MappedLayer& layer : mapping.layers)
        layers[describe_lines(mapping.architecture, layer.input, layer.grid)].push_back(clean_line(layer.name));
    std::string text;
    for (const auto& [note, names] : layers) {
        if (note.empty()) continue;
        const bool all = names.size() == mapping.layers.size();
        text +=
            fmt::format("rows       {}: {}\n", all ? "every layer" : fmt::format("{}", fmt::join(names, ", ")), note);
    }
    return text;
}

std::string report(const Model& model, const Mapping& mapping) {
    const Architecture& a = mapping.architecture;
    std::string text =
        styled(fmt::format("{} on {}", clean_line(model.network.name), clean_line(a.name)), Style::bold) +
        fmt::format(": arrays of {} x {} cells, {} bit per cell\n\n", a.array.rows, a.array.cols, a.cell.bits);
    return text + render(layer_table(mapping)) +
           "ADC bits: given/needed for a lossless sum; cycles: input cycles per sample, one after another\n\n" +
           chip_text(mapping) + wires_text(a.wires) + converters_text(a) + sign_text(mapping) + rows_text(mapping) +
           notes_text(model, mapping);
}

Json layer_json(const MappedLayer& layer, const Architecture& architecture) {
    const AdcOptions& adc = architecture.adc;
    const std::string lines = describe_lines(architecture, layer.input, layer.grid);
    return {{"name", layer.name},
            {"kind", layer.kind},
            {"packs", layer.packs.size()},
            {"rows", word_lines(layer)},
            {"columns", physical_columns(layer)},
            {"encoding", to_string(layer.stored.encoding)},
            {"stored_bits", layer.stored.bits},
            {"slices", layer.stored.slices.size()},
            {"arrays", layer.array_count},
            {"cells_used", layer.cells_used},
            {"utilisation", number(layer.utilisation)},
            {"adc_bits", given_bits(layer, adc)},
            {"adc_bits_lossless", layer.lossless_bits},
            {"votes", layer.sign ? Json(layer.sign->votes) : Json(nullptr)},
            {"cycles_per_vector", layer.cycles_per_vector},
            {"cycles", layer.cycles},
            {"lines_per_row", plan_lines(architecture, layer.input, layer.grid).copies()},
            {"note_on_rows", lines.empty() ? Json(nullptr) : Json(lines)},
            {"note", layer.note.empty() ? Json(nullptr) : Json(layer.note)}};
}

Json report_json(const Arguments& arguments, const Model& model, const Mapping& mapping, const std::string& misfit) {
    Json layers = Json::array(), digital = Json::array();
    for (const MappedLayer& layer : mapping.layers) layers.push_back(layer_json(layer, mapping.architecture));
    for (const int node : mapping.digital_nodes) {
        digital.push_back(model.network.nodes[static_cast<size_t>(node)].name);
    }
    return {{"version", kVersion},
            {"model", to_json(model)},
            {"architecture", to_json(mapping.architecture, *arguments.architecture, arguments.all_settings())},
            {"layers", layers},
            {"digital_layers", digital},
            {"converters", converters_text(mapping.architecture).empty() ? "equal steps" : "thresholds"},
            {"wires", wires_json(mapping.architecture.wires)},
            {"arrays", mapping.arrays},
            {"arrays_available", mapping.arrays_available > 0 ? Json(mapping.arrays_available) : Json(nullptr)},
            {"cores", mapping.cores},
            {"tiles", mapping.tiles},
            {"reloads", mapping.reloads},
            {"cycles", mapping.cycles},
            {"fits", misfit.empty()},
            {"misfit", misfit.empty() ? Json(nullptr) : Json(misfit)}};
}

void check_outputs(const Arguments& arguments, const Architecture& architecture) {
    std::vector<std::string> inputs = files_of(architecture.cell);
    inputs.insert(inputs.end(), {*arguments.model, *arguments.architecture});
    std::vector<std::string> outputs;
    const auto require = [&](const char* option, const std::optional<std::string>& path) {
        if (!path) return;
        require_output(option, *path, inputs);
        outputs.push_back(*path);
    };
    require("-o", arguments.output);
    require("--targets", arguments.targets);
    if (arguments.json != kStandardOutput) require("--json", arguments.json);
    require_distinct(outputs);
}

void map(const Arguments& arguments) {
    const Architecture architecture = read_chip(*arguments.architecture, arguments.all_settings());
    check_outputs(arguments, architecture);
    const Model model = read_model(*arguments.model);
    require_quantized(model);
    const Mapping mapping = map_network(model.network, architecture, false);
    // Cells that can be rewritten are filled several times instead.
    const std::string misfit = architecture.cell.reprogrammable ? "" : describe_misfit(mapping);
    if (arguments.json) write_json(report_json(arguments, model, mapping, misfit), *arguments.json);
    if (arguments.json != kStandardOutput) print(report(model, mapping));
    if (!misfit.empty()) throw ConfigError("the network does not fit the chip: " + misfit);
    if (arguments.output) write_mapping(mapping, *arguments.output);
    if (arguments.targets) write_targets(mapping, *arguments.targets);
}

}  // namespace

Command make_map(const CommandEntry& entry) {
    Command command =
        new_command(entry,
                    "Examples:\n"
                    "  bitline map model.onnx --arch default\n"
                    "  bitline map model.onnx --arch isaac --set array.rows=256 --set cell.bits=1 -o mapping.h5\n"
                    "A network that does not fit the chip is shown, and the exit code is 2.\n");
    auto a = std::make_shared<Arguments>();
    command.required = {
        add_text(command, "MODEL", a->model, "", "quantized network: .onnx or Bitline's .h5"),
        add_text(command, "--arch", a->architecture, "A", "name (bitline list architectures) or YAML file"),
    };
    add_text(command, "--device", a->device, "D",
             "cells: name (bitline list devices) or YAML file\n(default: those of --arch)");
    add_texts(command, "--set", a->settings, "KEY=VALUE", "override a key (bitline list keys); may be repeated");
    add_text(command, "-o,--output", a->output, "FILE", "write the mapping as HDF5");
    add_text(command, "--targets", a->targets, "FILE",
             "write what each cell is to be programmed to as HDF5,\nthe form that cell.conductance_map reads");
    add_text(command, "--json", a->json, "FILE", "write the result as JSON; - for standard output");
    command.run = [a] { map(*a); };
    return command;
}

}  // namespace bitline::cli
