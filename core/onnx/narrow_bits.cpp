#include "core/onnx/narrow_bits.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace bitline::onnx_writer {

namespace {

const std::string kPrefix = "bitline.bits:";

struct Width {
    int bits = 8;
    bool narrow = false, bipolar = false;
};

const std::string kBipolar = "1 bipolar";

[[noreturn]] void fail(const Network& network, const std::string& key, const std::string& why) {
    throw FormatError(fmt::format("network '{}', metadata '{}': {}", network.name, key, why));
}

Width parse(const Network& network, const std::string& key, const std::string& text) {
    for (int bits = 1; bits <= 16; ++bits) {
        if (text == std::to_string(bits)) return {bits, false, false};
        if (text == fmt::format("{} narrow", bits)) return {bits, true, false};
    }
    if (text == kBipolar) return {1, false, true};
    fail(network, key, fmt::format("'{}' violates BITS or 'BITS narrow' with 1 <= BITS <= 16, or '1 bipolar'", text));
}

/// Takes the entries out of the network's metadata, by tensor.
std::map<std::string, Width> take_widths(Network& network) {
    std::map<std::string, Width> widths;
    for (auto it = network.metadata.begin(); it != network.metadata.end();) {
        if (it->first.rfind(kPrefix, 0) != 0) {
            ++it;
            continue;
        }
        widths[it->first.substr(kPrefix.size())] = parse(network, it->first, it->second);
        it = network.metadata.erase(it);
    }
    return widths;
}

bool has_range(const Quantizer& quantizer) { return quantizer.code_min() < quantizer.code_max(); }

bool holds(const Quantizer& quantizer, int32_t code) {
    const bool missing = quantizer.kind == Quantizer::Kind::bipolar && code == 0;
    return code >= quantizer.code_min() && code <= quantizer.code_max() && !missing;
}

/// Codes -1 and +1 out of signed ones.
Quantizer made_bipolar(const Network& network, const std::string& tensor, Quantizer quantizer) {
    const auto& zero = quantizer.zero_point;
    if (!quantizer.is_signed || std::any_of(zero.begin(), zero.end(), [](int32_t z) { return z != 0; })) {
        fail(network, kPrefix + tensor, "bipolar codes need signed ones with zero point 0");
    }
    quantizer.kind = Quantizer::Kind::bipolar;
    quantizer.bits = 1;
    quantizer.narrow = false;
    return quantizer;
}

/// Only ever makes a quantizer narrower, and only where every zero point still is one of its codes.
Quantizer narrowed(const Network& network, const std::string& tensor, Quantizer quantizer, const Width& width) {
    if (width.bipolar) return made_bipolar(network, tensor, std::move(quantizer));
    const bool wider = width.bits > quantizer.bits || quantizer.kind != Quantizer::Kind::uniform;
    quantizer.bits = wider ? quantizer.bits : width.bits;
    quantizer.narrow = width.narrow;
    const bool fits = !wider && has_range(quantizer) &&
                      std::all_of(quantizer.zero_point.begin(), quantizer.zero_point.end(),
                                  [&](int32_t zero) { return holds(quantizer, zero); });
    if (!fits) fail(network, kPrefix + tensor, fmt::format("{} bits do not fit the tensor's quantizer", width.bits));
    return quantizer;
}

void restore_weights(const Network& network, Node& node, const std::map<std::string, Width>& widths) {
    auto* op = std::get_if<MatVec>(&node.op);
    const auto found = widths.find(node.name + kWeightsSuffix);
    if (!op || !op->quantized_weights() || found == widths.end()) return;
    const Quantizer weight = narrowed(network, found->first, op->weight, found->second);
    if (!std::all_of(op->codes.begin(), op->codes.end(), [&](int32_t code) { return holds(weight, code); })) {
        fail(network, kPrefix + found->first,
             fmt::format("a weight violates '{}'",
                         found->second.bipolar ? kBipolar : fmt::format("{} bits", weight.bits)));
    }
    op->weight = weight;
}

/// The quantizer of a node's output, after those of its inputs.
void restore_output(Network& network, Node& node, const std::map<std::string, Width>& widths) {
    Value& out = network.values[size_t(node.output)];
    if (!out.quantizer) return;
    if (auto* quantize = std::get_if<Quantize>(&node.op)) {
        const auto found = widths.find(out.name);
        if (found != widths.end()) quantize->to = narrowed(network, found->first, quantize->to, found->second);
        out.quantizer = quantize->to;
        return;
    }
    const auto* pool = std::get_if<Pool>(&node.op);
    const bool moves = (pool && pool->kind == Pool::Kind::max) || std::holds_alternative<Concat>(node.op) ||
                       std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Permute>(node.op);
    if (moves) out.quantizer = network.values[size_t(node.inputs[0])].quantizer;
}

bool used_once(const Network& network, int value) {
    auto uses = int64_t(network.output == value);
    for (const Node& node : network.nodes) uses += std::count(node.inputs.begin(), node.inputs.end(), value);
    return uses == 1;
}

/// Removes node `index`, whose output nobody reads any more, and that output.
void remove_node(Network& network, size_t index) {
    const int value = network.nodes[index].output;
    network.nodes.erase(network.nodes.begin() + int64_t(index));
    network.values.erase(network.values.begin() + value);
    const auto shift = [value](int& i) { i -= i > value ? 1 : 0; };
    for (Node& node : network.nodes) {
        for (int& input : node.inputs) shift(input);
        shift(node.output);
    }
    shift(network.input);
    shift(network.output);
}

/// The clip right before a quantizer of the same name gives nothing that the quantizer's own range does not.
void drop_clips(Network& network, const std::map<std::string, Width>& widths) {
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const auto* clip = std::get_if<Activation>(&network.nodes[i].op);
        if (!clip || clip->kind != Activation::Kind::clip || !used_once(network, network.nodes[i].output)) continue;
        const auto reader = std::find_if(network.nodes.begin(), network.nodes.end(), [&](const Node& node) {
            return std::holds_alternative<Quantize>(node.op) && node.inputs[0] == network.nodes[i].output &&
                   node.name + kClipSuffix == network.nodes[i].name &&
                   widths.count(network.values[size_t(node.output)].name) != 0;
        });
        if (reader == network.nodes.end()) continue;
        reader->inputs = network.nodes[i].inputs;
        remove_node(network, i--);
    }
}

}  // namespace

void note_bits(onnx::ModelProto& model, const std::string& tensor, const Quantizer& quantizer) {
    const int type_bits = quantizer.bits > 8 ? 16 : 8;
    if (quantizer.bits == type_bits && !quantizer.narrow) return;
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(kPrefix + tensor);
    const bool bipolar = quantizer.kind == Quantizer::Kind::bipolar;
    entry.set_value(bipolar ? kBipolar : fmt::format("{}{}", quantizer.bits, quantizer.narrow ? " narrow" : ""));
}

void restore_bits(Network& network) {
    const std::map<std::string, Width> widths = take_widths(network);
    if (widths.empty()) return;
    for (Node& node : network.nodes) {
        restore_weights(network, node, widths);
        restore_output(network, node, widths);
    }
    drop_clips(network, widths);
}

}  // namespace bitline::onnx_writer
