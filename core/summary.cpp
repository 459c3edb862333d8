#include "core/summary.h"

#include <variant>

namespace bitline {

namespace {

constexpr int64_t kWordBits = 32;  // float32, and int32 for the biases and thresholds of integer layers

int64_t length(const auto& values) { return static_cast<int64_t>(values.size()); }

ParameterCount count_parameters(const MatVec& op) {
    ParameterCount count;
    count.add(length(op.codes), op.weight.bits);
    count.add(length(op.bias_codes) + length(op.real_weights) + length(op.real_bias), kWordBits);
    if (const auto* scaled = std::get_if<ScaleOutput>(&op.output)) count.add(length(scaled->bias), kWordBits);
    if (const auto* steps = std::get_if<ThresholdOutput>(&op.output)) count.add(length(steps->threshold), kWordBits);
    return count;
}

ParameterCount count_parameters(const Operator& op) {
    if (const auto* layer = std::get_if<MatVec>(&op)) return count_parameters(*layer);
    ParameterCount count;
    if (const auto* norm = std::get_if<BatchNorm>(&op)) {
        count.add(length(norm->gamma) + length(norm->beta) + length(norm->mean) + length(norm->variance), kWordBits);
    } else if (const auto* arithmetic = std::get_if<Arithmetic>(&op)) {
        count.add(length(arithmetic->constant), kWordBits);
    }
    return count;
}

std::optional<int> bits_of(const Value& value) {
    return value.quantizer ? std::optional<int>(value.quantizer->bits) : std::nullopt;
}

std::string why_digital(const MatVec& op, const Value& input) {
    if (!op.quantized_weights()) return "its weights are real numbers";
    if (!input.quantizer) return "its input is real numbers";
    if (!input.quantizer->per_tensor()) return "its input has a scale per channel";
    return "its input codes fit no row driver";
}

NodeSummary summarize(const Network& network, const Node& node) {
    const Value& input = network.values[static_cast<size_t>(node.inputs[0])];
    const Value& output = network.values[static_cast<size_t>(node.output)];
    NodeSummary summary;
    summary.name = node.name;
    summary.kind = describe_kind(node.op);
    summary.origin = node.origin;
    summary.input = input.shape;
    summary.output = output.shape;
    summary.parameters = count_parameters(node.op);
    summary.input_bits = bits_of(input);
    summary.output_bits = bits_of(output);
    if (const auto* layer = std::get_if<MatVec>(&node.op)) {
        summary.macs = multiply_accumulates(network, node);
        if (layer->quantized_weights()) summary.weight_bits = layer->weight.bits;
        summary.mapped = is_mappable(network, node);
        if (!summary.mapped) summary.why_digital = why_digital(*layer, input);
    }
    return summary;
}

}  // namespace

NetworkSummary summarize(const Network& network) {
    NetworkSummary summary;
    for (const Node& node : network.nodes) {
        summary.nodes.push_back(summarize(network, node));
        const NodeSummary& added = summary.nodes.back();
        summary.parameters.count += added.parameters.count;
        summary.parameters.bits += added.parameters.bits;
        summary.macs += added.macs;
        if (added.mapped) {
            summary.mapped_macs += added.macs;
            ++summary.mapped_layers;
        } else if (!added.why_digital.empty()) {
            ++summary.digital_layers;
        }
    }
    return summary;
}

}  // namespace bitline
