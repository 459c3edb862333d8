#include <fmt/format.h>

#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "core/summary.h"
#include "core/version.h"

namespace bitline::cli {

namespace {

struct Arguments {
    std::optional<std::string> model, json;
};

std::string bits_text(const std::optional<int>& bits) { return bits ? fmt::format("{}", *bits) : "real"; }

std::string all_bits_text(const NodeSummary& node, bool layer) {
    return fmt::format("{}/{}/{}", layer ? bits_text(node.weight_bits) : "-", bits_text(node.input_bits),
                       bits_text(node.output_bits));
}

std::string place_text(const NodeSummary& node) {
    return node.mapped ? "crossbar" : node.why_digital.empty() ? "-" : "digital";
}

std::string flow_text(const NodeSummary& node) { return to_string(node.input) + " -> " + to_string(node.output); }

std::vector<std::string> table_row(const NodeSummary& node) {
    const bool layer = node.mapped || !node.why_digital.empty();
    return {node.name,
            short_kind(node.kind),
            flow_text(node),
            node.parameters.count > 0 ? count_text(node.parameters.count) : "",
            layer ? count_text(node.macs) : "",
            all_bits_text(node, layer),
            place_text(node)};
}

Table node_table(const NetworkSummary& summary) {
    Table table;
    table.columns = {
        {"node", Align::left, true}, {"kind", Align::left, true}, {"shape", Align::left}, {"parameters"}, {"MACs"},
        {"w/in/out bits"},           {"place", Align::left}};
    for (const NodeSummary& node : summary.nodes) table.rows.push_back(table_row(node));
    table.totals = {"total", "", "", count_text(summary.parameters.count), count_text(summary.macs), "", ""};
    return table;
}

std::string mapped_text(const NetworkSummary& summary) {
    const double share = summary.macs > 0 ? double(summary.mapped_macs) / double(summary.macs) : 0.0;
    return fmt::format("on crossbars   {} of {} layers, {} of the multiply-accumulates\n", summary.mapped_layers,
                       summary.mapped_layers + summary.digital_layers, percent_text(share));
}

std::string digital_text(const NetworkSummary& summary) {
    if (summary.mapped_layers == 0) return {};  // the advice to quantize says it for all of them
    std::string text;
    for (const NodeSummary& node : summary.nodes) {
        if (node.why_digital.empty()) continue;
        text += fmt::format("digital        {}: {}\n", shorten(clean_line(node.name), 48), node.why_digital);
    }
    return text;
}

std::string report(const Model& model, const NetworkSummary& summary) {
    const Network& network = model.network;
    std::string text = styled(clean_line(network.name.empty() ? model.path : network.name), Style::bold) + "\n\n";
    text += render(node_table(summary)) + "\n" + mapped_text(summary);
    text += digital_text(summary);
    text += fmt::format(
        "average bits   {:.3f} per parameter (weights at their own width; biases, thresholds, "
        "batch norm: 32)\n",
        summary.average_bits());
    text += fmt::format("preprocess     {}\n", network.preprocess
                                                   ? to_string(*network.preprocess)
                                                   : "none in the model: raw unless --preprocess says otherwise");
    text += fmt::format("SHA-256        {}\n", model.sha256);
    if (summary.mapped_layers == 0 && summary.digital_layers > 0) {
        text += fmt::format(
            "\nThis network is not quantized: its weights or inputs are real numbers. To put it on crossbars:\n  {}\n",
            clean_line(quantize_advice(model.path)));
    }
    return text;
}

Json bits_json(const std::optional<int>& bits) { return bits ? Json(*bits) : Json(nullptr); }

Json node_json(const NodeSummary& node) {
    return {{"name", node.name},
            {"kind", node.kind},
            {"origin", node.origin},
            {"input", to_json(node.input)},
            {"output", to_json(node.output)},
            {"parameters", node.parameters.count},
            {"parameter_bits", node.parameters.bits},
            {"macs", node.macs},
            {"weight_bits", bits_json(node.weight_bits)},
            {"input_bits", bits_json(node.input_bits)},
            {"output_bits", bits_json(node.output_bits)},
            {"mapped", node.mapped},
            {"why_digital", node.why_digital.empty() ? Json(nullptr) : Json(node.why_digital)}};
}

Json report_json(const Model& model, const NetworkSummary& summary) {
    Json nodes = Json::array();
    for (const NodeSummary& node : summary.nodes) nodes.push_back(node_json(node));
    const auto& preprocess = model.network.preprocess;
    return {{"version", kVersion},
            {"model", to_json(model)},
            {"preprocess", preprocess ? Json(to_string(*preprocess)) : Json(nullptr)},
            {"nodes", nodes},
            {"parameters", summary.parameters.count},
            {"parameter_bits", summary.parameters.bits},
            {"average_bits", number(summary.average_bits())},
            {"macs", summary.macs},
            {"mapped_macs", summary.mapped_macs},
            {"mapped_layers", summary.mapped_layers},
            {"digital_layers", summary.digital_layers}};
}

void inspect(const Arguments& arguments) {
    const std::string json = arguments.json.value_or("");
    if (arguments.json && json != kStandardOutput) require_output("--json", json, {*arguments.model});
    const Model model = read_model(*arguments.model);
    const NetworkSummary summary = summarize(model.network);
    if (arguments.json) write_json(report_json(model, summary), json);
    if (json != kStandardOutput) print(report(model, summary));
}

}  // namespace

Command make_inspect(const CommandEntry& entry) {
    Command command = new_command(entry,
                                  "Examples:\n"
                                  "  bitline inspect model.onnx\n"
                                  "  bitline inspect model.onnx --json - | jq .average_bits\n");
    auto arguments = std::make_shared<Arguments>();
    command.required = {add_text(command, "MODEL", arguments->model, "", "network: .onnx or Bitline's .h5")};
    add_text(command, "--json", arguments->json, "FILE", "write the result as JSON; - for standard output");
    command.run = [arguments] { inspect(*arguments); };
    return command;
}

}  // namespace bitline::cli
