#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/model_io.h"
#include "core/options.h"
#include "core/quantize.h"
#include "core/summary.h"

namespace bitline::cli {

namespace {

struct Arguments : QuantizeTexts {
    std::optional<std::string> model, calibration, preprocess;
    std::vector<std::string> outputs;
};

QuantizeOptions parse_options(const Arguments& arguments, const CountedData& calibration) {
    QuantizeOptions options = parse_quantize_options(arguments);
    if (calibration.samples) options.calibration_samples = *calibration.samples;
    validate(options);
    return options;
}

bool is_onnx(const std::string& path) { return std::filesystem::path(path).extension() == ".onnx"; }

void check_outputs(const Arguments& arguments, const CountedData& calibration) {
    std::vector<std::string> inputs = files_of(calibration.spec);
    inputs.push_back(*arguments.model);
    for (const std::string& output : arguments.outputs) {
        if (!is_onnx(output) && std::filesystem::path(output).extension() != ".h5") {
            throw ConfigError(fmt::format("-o {}: the name ends in neither .onnx nor .h5", printable(output)));
        }
        require_output("-o", output, inputs);
    }
    require_distinct(arguments.outputs);
}

// See core/onnx/writer.cpp.
constexpr const char* kOnnxRuntimeNote =
    "note           ONNX Runtime gives the same results with graph optimizations off (ORT_DISABLE_ALL); with them\n"
    "               on, processors without VNNI add products in 16 bits that saturate\n";

Table layer_table(const NetworkSummary& summary) {
    Table table;
    table.columns = {{"layer", Align::left, true}, {"kind", Align::left}, {"weights"}, {"w bit"}, {"in bit"}};
    for (const NodeSummary& node : summary.nodes) {
        if (!node.mapped) continue;
        table.rows.push_back({node.name, short_kind(node.kind), count_text(node.parameters.count),
                              fmt::format("{}", node.weight_bits.value_or(0)),
                              fmt::format("{}", node.input_bits.value_or(0))});
    }
    return table;
}

void quantize(const Arguments& arguments) {
    const CountedData counted = parse_counted_data("--calibration", *arguments.calibration);
    const QuantizeOptions options = parse_options(arguments, counted);
    check_outputs(arguments, counted);
    const Model model = read_model(*arguments.model);
    const ChosenPreprocess chosen = choose_preprocess(arguments.preprocess, model.network);
    const auto data = open_dataset(counted.spec, counted.samples);
    const Network network = quantize_network(model.network, *data, chosen.preprocess, options);
    check_interrupt();
    for (const std::string& output : arguments.outputs) {
        is_onnx(output) ? write_onnx(network, output) : write_hdf5(network, output);
    }
    const NetworkSummary summary = summarize(network);
    std::string text = render(layer_table(summary));
    text += fmt::format("\ncalibration    {} samples of {}\n",
                        count_text(std::min(data->size(), options.calibration_samples)), clean_line(data->spec()));
    text += fmt::format("preprocess     {} ({})\n", to_string(chosen.preprocess), chosen.origin);
    text += fmt::format("average bits   {:.3f} per parameter\n", summary.average_bits());
    for (const std::string& output : arguments.outputs) text += fmt::format("written        {}\n", clean_line(output));
    if (std::any_of(arguments.outputs.begin(), arguments.outputs.end(), is_onnx)) text += kOnnxRuntimeNote;
    print(text);
}

}  // namespace

Command make_quantize(const CommandEntry& entry) {
    Command command =
        new_command(entry,
                    "Examples:\n"
                    "  bitline quantize float.onnx -o int8.onnx --calibration train.h5:512\n"
                    "  bitline quantize float.onnx -o int4.h5 -o int4.onnx --calibration idx:images.gz,labels.gz \\\n"
                    "      --preprocess unit --weight-bits 4 --input-bits 4 --method percentile --percentile 99.9\n");
    auto a = std::make_shared<Arguments>();
    command.required = {
        add_text(command, "MODEL", a->model, "", "float network: .onnx or Bitline's .h5"),
        add_texts(command, "-o,--output", a->outputs, "FILE", "OUT.onnx (QDQ) or OUT.h5; may be given twice"),
        add_text(command, "--calibration", a->calibration, "DATA[:N]",
                 "data whose first N samples (256) set the ranges"),
    };
    add_text(command, "--preprocess", a->preprocess, "P", "raw, unit, imagenet or scale=..,mean=..,std=..");
    add_text(command, "--weight-bits", a->weight_bits, "N", "2 to 16, per output channel (8)");
    add_text(command, "--input-bits", a->input_bits, "N", "2 to 16, per tensor (8)");
    add_text(command, "--method", a->method, "NAME", "of the ranges: minmax, percentile or mse (mse)");
    add_text(command, "--percentile", a->percentile, "P", "50 < P <= 100, with --method percentile (99.99)");
    command.run = [a] { quantize(*a); };
    return command;
}

}  // namespace bitline::cli
