#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "bindings/cli/wire_plot.h"
#include "core/error.h"
#include "core/files.h"
#include "core/version.h"
#include "mapping/cell_files.h"
#include "mapping/wire_study.h"

namespace bitline::cli {

namespace {

using Pattern = WireStudyOptions::Pattern;
using Topology = WireStudyOptions::Topology;

struct Arguments {
    std::optional<std::string> architecture, device, rows, cols, row_ohm, col_ohm, driver_ohm, sense_ohm, drive, sense;
    std::optional<std::string> topology, active, tolerance, pattern, voltage, vectors, seed, plot, json;
    std::vector<std::string> settings;

    std::string base() const { return architecture.value_or("default"); }
    /// As `--set` would say it; what --set says itself comes last.
    std::vector<std::string> all_settings() const {
        std::vector<std::string> all = with_device(device, {});
        const auto add = [&](const char* key, const std::optional<std::string>& value) {
            if (value) all.push_back(fmt::format("{}={}", key, *value));
        };
        add("array.rows", rows);
        add("array.cols", cols);
        add("wires.row_ohm", row_ohm);
        add("wires.col_ohm", col_ohm);
        add("wires.driver_ohm", driver_ohm);
        add("wires.sense_ohm", sense_ohm);
        add("wires.drive", drive);
        add("wires.sense", sense);
        all.insert(all.end(), settings.begin(), settings.end());
        return all;
    }
};

struct Run {
    Architecture architecture;
    WireStudyOptions options;
    std::string pattern = "random", topology = "crossbar";
    WireStudy study;
};

Pattern parse_pattern(const std::string& text) {
    if (text == "random") return Pattern::random;
    if (text == "low") return Pattern::low;
    if (text == "high") return Pattern::high;
    throw ConfigError(fmt::format("--cells = {} is none of random, low, high", printable(text)));
}

Topology parse_topology(const std::string& text) {
    if (text == "crossbar") return Topology::crossbar;
    if (text == "gated") return Topology::gated;
    if (text == "ladder") return Topology::ladder;
    throw ConfigError(fmt::format("--topology = {} is none of crossbar, gated, ladder", printable(text)));
}

/// The factors of solving for voltages take some 44 bytes for each cell and doubling of the size.
void require_size(const ArrayOptions& array) {
    constexpr int kMost = 1024;
    if (array.rows <= kMost && array.cols <= kMost) return;
    throw ConfigError(fmt::format("an array of {} x {} cells violates rows, cols <= {} of `bitline wires`", array.rows,
                                  array.cols, kMost));
}

Run begin(const Arguments& a) {
    Run run;
    if (a.voltage) run.options.voltage = parse_number("--voltage", *a.voltage, 0, 100, true);
    if (a.vectors) run.options.vectors = static_cast<int>(parse_whole("--vectors", *a.vectors, 1, 10000));
    if (a.seed) run.options.seed = static_cast<uint64_t>(parse_whole("--seed", *a.seed, 0, (int64_t(1) << 53) - 1));
    if (a.active) run.options.active = parse_number("--active", *a.active, 0, 1, true);
    run.topology = a.topology.value_or("crossbar");
    run.options.topology = parse_topology(run.topology);
    if (a.tolerance && run.options.topology != Topology::gated)
        throw ConfigError("--tolerance is for --topology gated: crossbars and ladders are solved directly");
    if (a.tolerance) run.options.tolerance = parse_number("--tolerance", *a.tolerance, 0, 1, true);
    run.pattern = a.pattern.value_or("random");
    run.options.pattern = parse_pattern(run.pattern);
    run.architecture = read_chip(a.base(), a.all_settings());
    require_size(run.architecture.array);
    return run;
}

std::string place_text(const CellPlace& place) {
    return fmt::format("word line {}, bit line {}", place.row, place.col);
}

size_t cell_of(const WireStudy& study, const CellPlace& place) {
    return static_cast<size_t>(place.row) * static_cast<size_t>(study.cols) + static_cast<size_t>(place.col);
}

/// The cell that errs most.
CellPlace worst_cell(const WireStudy& study) {
    size_t worst = 0;
    for (size_t i = 1; i < study.target.size(); ++i)
        if (std::abs(study.error(i)) > std::abs(study.error(worst))) worst = i;
    return {static_cast<int>(worst / static_cast<size_t>(study.cols)),
            static_cast<int>(worst % static_cast<size_t>(study.cols))};
}

std::string title_of(const Run& run) {
    const WireOptions& lines = run.architecture.wires.lines;
    return fmt::format("{} x {} cells of {:.6g} to {:.6g} uS, {:.6g} and {:.6g} ohm per segment of word and bit lines",
                       run.study.rows, run.study.cols, 1e6 * run.architecture.cell.g_min,
                       1e6 * run.architecture.cell.g_max, lines.row_ohm, lines.col_ohm);
}

std::string error_text(const ProductError& error) {
    return fmt::format("{:.4g} %, at most {:.4g} %", 100 * error.rms, 100 * error.largest);
}

/// How far gated rows are from one matrix, and how exactly they were solved.
std::string gated_text(const Run& run) {
    const WireStudy& study = run.study;
    if (run.options.topology == Topology::crossbar) return {};
    std::string text = fmt::format("one matrix    {} of the rms product: mean contributions of cells for all inputs\n",
                                   error_text(study.linear));
    if (run.options.topology == Topology::ladder) return text;
    text += fmt::format("solved        to {:.2g} of the largest current, guaranteed, in at most {} sweeps\n",
                        study.bound, study.sweeps);
    if (study.unconverged > 0)
        text += fmt::format("not converged {} inputs stay above {:.2g}\n", count_text(study.unconverged),
                            run.options.tolerance);
    return text;
}

std::string report(const Run& run) {
    const WireStudy& study = run.study;
    const WireOptions& lines = run.architecture.wires.lines;
    const CellPlace worst = worst_cell(study);
    std::string text = styled(title_of(run), Style::bold) + "\n";
    text += fmt::format("ends          {:.6g} ohm at drivers, {:.6g} ohm at converters; {} cells\n", lines.driver_ohm,
                        lines.sense_ohm, run.pattern);
    const auto [least, most] = std::minmax_element(study.gain.begin(), study.gain.end());
    if (run.architecture.compensation.wires == CompensationOptions::Wires::targets)
        text += fmt::format("targets       against the wires, columns' gains {:.4g} to {:.4g}\n", *least, *most);
    text += fmt::format("\nall rows at {:.6g} mV\n", 1e3 * run.options.voltage);
    text += fmt::format("total loss    {:.4g} % of the current without wires\n", 100 * study.total_loss);
    text += fmt::format("least voltage {:.4g} mV, {}\n", 1e3 * study.voltage[cell_of(study, study.weakest)],
                        place_text(study.weakest));
    text += fmt::format("most current  {:.4g} uA in a bit line\n", 1e6 * study.largest_current);
    text += fmt::format("worst cell    {:.4g} % of G_max seen wrongly, {}\n", 100 * study.error(cell_of(study, worst)),
                        place_text(worst));
    text += fmt::format("\n{} random inputs, each row driven with probability {:.4g}\n",
                        count_text(run.options.vectors), run.options.active);
    text += fmt::format("product error {} of the rms product\n", error_text(study.product));
    text += fmt::format("rescaled      {}, with one factor of {:.4g} for all results\n",
                        error_text(study.scaled_product), study.common_gain);
    return text + gated_text(run);
}

Json gated_json(const Run& run) {
    const WireStudy& study = run.study;
    if (run.options.topology == Topology::crossbar) return nullptr;
    Json json{{"linear_error", {{"rms", number(study.linear.rms)}, {"largest", number(study.linear.largest)}}}};
    if (run.options.topology == Topology::ladder) return json;
    json["tolerance"] = number(run.options.tolerance);
    json["bound"] = number(study.bound);
    json["sweeps"] = study.sweeps;
    json["unconverged"] = study.unconverged;
    return json;
}

Json matrix_json(const WireStudy& study, const std::function<double(size_t)>& value) {
    Json rows = Json::array();
    for (int r = 0; r < study.rows; ++r) {
        Json row = Json::array();
        for (int c = 0; c < study.cols; ++c) row.push_back(number(value(cell_of(study, {r, c}))));
        rows.push_back(std::move(row));
    }
    return rows;
}

Json cell_json(const CellPlace& place, const char* name, double value) {
    return {{"row", place.row}, {"col", place.col}, {name, number(value)}};
}

Json json_of(const Run& run, const Arguments& a) {
    const WireStudy& study = run.study;
    const CellPlace worst = worst_cell(study);
    const auto error = [](const ProductError& e) {
        return Json{{"rms", number(e.rms)}, {"largest", number(e.largest)}};
    };
    const auto matrix = [&](const std::vector<double>& values) {
        return matrix_json(study, [&](size_t cell) { return values[cell]; });
    };
    Json gains = Json::array();
    for (const double gain : study.gain) gains.push_back(number(gain));
    return {{"version", kVersion},
            {"architecture", to_json(run.architecture, a.base(), a.all_settings())},
            {"rows", study.rows},
            {"cols", study.cols},
            {"topology", run.topology},
            {"cells", run.pattern},
            {"seed", run.options.seed},
            {"row_voltage", number(run.options.voltage)},
            {"total_loss", number(study.total_loss)},
            {"least_voltage", cell_json(study.weakest, "voltage", study.voltage[cell_of(study, study.weakest)])},
            {"largest_column_current", number(study.largest_current)},
            {"worst_cell", cell_json(worst, "error", study.error(cell_of(study, worst)))},
            {"vectors", run.options.vectors},
            {"active", number(run.options.active)},
            {"product_error", error(study.product)},
            {"common_gain", number(study.common_gain)},
            {"rescaled_product_error", error(study.scaled_product)},
            {"gated", gated_json(run)},
            {"column_gain", gains},
            {"target", matrix(study.target)},
            {"conductance", matrix(study.conductance)},
            {"effective", matrix(study.effective)},
            {"voltage", matrix(study.voltage)}};
}

void check_outputs(const Arguments& a, const Architecture& architecture) {
    std::vector<std::string> inputs = files_of(architecture.cell), outputs;
    inputs.push_back(a.base());
    if (a.device) inputs.push_back(*a.device);
    for (const auto& [option, path] : {std::pair("--plot", &a.plot), std::pair("--json", &a.json)}) {
        if (!*path || **path == kStandardOutput) continue;
        require_output(option, **path, inputs);
        outputs.push_back(**path);
    }
    require_distinct(outputs);
}

void wires(const Arguments& a) {
    if (a.plot == kStandardOutput) throw ConfigError("--plot needs the name of a file");
    Run run = begin(a);
    check_outputs(a, run.architecture);
    run.study = study_wires(run.architecture, run.options);
    if (a.plot)
        write_text_atomically(*a.plot,
                              wire_maps(run.study, run.options.voltage, run.architecture.wires.lines, title_of(run)));
    if (a.json) write_json(json_of(run, a), *a.json);
    if (a.json != kStandardOutput) print(report(run));
}

}  // namespace

Command make_wires(const CommandEntry& entry) {
    Command command = new_command(
        entry,
        "Solves one linear array exactly: word lines driven at one end, bit lines held at 0 V at one end, cells at\n"
        "their levels without errors. For a whole network: bitline simulate with a resistance below wires.\n"
        "In 1T1R arrays whose input is the gate, rows that are not driven are disconnected: with --topology gated\n"
        "source lines run along the rows (wires.row_ohm, wires.driver_ohm), with --topology ladder along the bit\n"
        "lines (wires.drive: left at row 0, right at the last one). Every input is then solved for itself.\n"
        "Examples:\n"
        "  bitline wires --row-ohm 2.5 --col-ohm 2.5\n"
        "  bitline wires --rows 256 --cols 64 --device rram-wan2022 --row-ohm 1 --col-ohm 1 --plot wires.svg\n"
        "  bitline wires --row-ohm 2.5 --col-ohm 2.5 --topology gated --active 0.25\n"
        "  bitline wires --row-ohm 2.5 --col-ohm 2.5 --set compensation.wires=targets --json -\n");
    auto a = std::make_shared<Arguments>();
    add_text(command, "--rows", a->rows, "R", "word lines, 1 to 1024 (array.rows)");
    add_text(command, "--cols", a->cols, "C", "bit lines, 1 to 1024 (array.cols)");
    add_text(command, "--row-ohm", a->row_ohm, "OHM", "of a word line between two cells (wires.row_ohm)");
    add_text(command, "--col-ohm", a->col_ohm, "OHM", "of a bit line between two cells (wires.col_ohm)");
    add_text(command, "--driver-ohm", a->driver_ohm, "OHM", "of a row driver (wires.driver_ohm)");
    add_text(command, "--sense-ohm", a->sense_ohm, "OHM", "at the end of a bit line (wires.sense_ohm)");
    add_text(command, "--drive", a->drive, "SIDE", "left, right or both (wires.drive)");
    add_text(command, "--sense", a->sense, "SIDE", "bottom or top (wires.sense)");
    add_text(command, "--topology", a->topology, "T", "crossbar, gated or ladder (crossbar)");
    add_text(command, "--active", a->active, "SHARE", "of the rows that a random input drives (0.5)");
    add_text(command, "--tolerance", a->tolerance, "E",
             "of a gated array's guaranteed error over its largest current (1e-9)");
    add_text(command, "--cells", a->pattern, "WHAT", "levels of the cells: random, low or high (random)");
    add_text(command, "--voltage", a->voltage, "V", "of a driven row (0.2)");
    add_text(command, "--vectors", a->vectors, "N", "random inputs for the error of a product (200)");
    add_text(command, "--seed", a->seed, "S", "of all random numbers (0)");
    add_text(command, "--arch", a->architecture, "A", "name (bitline list architectures) or YAML file (default)");
    add_text(command, "--device", a->device, "D", "cells: name (bitline list devices) or YAML file");
    add_texts(command, "--set", a->settings, "KEY=VALUE", "override a key (bitline list keys); may be repeated");
    add_text(command, "--plot", a->plot, "FILE", "draw voltages and errors of all cells as SVG");
    add_text(command, "--json", a->json, "FILE", "write the result, cell by cell, as JSON; - for standard output");
    command.run = [a] { wires(*a); };
    return command;
}

}  // namespace bitline::cli
