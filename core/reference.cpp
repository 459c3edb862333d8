#include "core/reference.h"

#include <algorithm>
#include <cassert>

#include "core/reference_parts.h"

namespace bitline {

namespace {

using reference::Call;

Block apply_matvec(const Call& call, const MatVec& op, int node, ProductEngine& engine, int64_t first_sample) {
    if (!is_mappable(call.network, call.node)) return reference::apply_real_product(call, op);
    const int64_t sums = call.samples * element_count(call.output_value().shape);
    std::vector<double> acc(static_cast<size_t>(sums));
    engine.product(call.network, node, call.inputs[0]->codes, call.samples, first_sample, acc);
    return finish_product(call.network, call.node, acc, call.samples);
}

/// The network's input: codes where it carries a quantizer.
Block input_block(const Value& value, std::span<const float> input) {
    if (!value.quantizer) return {{}, {input.begin(), input.end()}};
    return {reference::quantize(Quantize{*value.quantizer}, input), {}};
}

/// For each value, the last node that reads it; nodes.size() for the network's output, -1 where no node does.
std::vector<int> last_readers(const Network& network) {
    std::vector<int> last(network.values.size(), -1);
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        for (const int value : network.nodes[i].inputs) last[size_t(value)] = int(i);
    }
    last[size_t(network.output)] = int(network.nodes.size());
    return last;
}

}  // namespace

Block run_node(const Network& network, int node, ProductEngine& engine, const std::vector<const Block*>& inputs,
               int64_t samples, int64_t first_sample) {
    const Call call{network, network.nodes[size_t(node)], inputs, samples};
    return std::visit(
        [&](const auto& op) {
            if constexpr (std::is_same_v<std::decay_t<decltype(op)>, MatVec>) {
                return apply_matvec(call, op, node, engine, first_sample);
            } else {
                return reference::apply(call, op);
            }
        },
        call.node.op);
}

std::vector<float> run(const Network& network, ProductEngine& engine, std::span<const float> input, int64_t samples,
                       int64_t first_sample, std::vector<Block>* keep) {
    const Value& in = network.values[size_t(network.input)];
    const Value& out = network.values[size_t(network.output)];
    assert(int64_t(input.size()) == samples * element_count(in.shape));
    std::vector<Block> values(network.values.size());
    values[size_t(network.input)] = input_block(in, input);
    const std::vector<int> last = last_readers(network);
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const Node& node = network.nodes[i];
        std::vector<const Block*> inputs;
        for (const int value : node.inputs) inputs.push_back(&values[size_t(value)]);
        values[size_t(node.output)] = run_node(network, int(i), engine, inputs, samples, first_sample);
        if (keep) continue;
        for (const int value : node.inputs) {
            if (last[size_t(value)] == int(i)) values[size_t(value)] = {};
        }
    }
    const Block& result = values[size_t(network.output)];
    std::vector<float> real = out.quantizer ? reference::dequantize(*out.quantizer, result.codes) : result.real;
    if (keep) *keep = std::move(values);
    return real;
}

int64_t top1(std::span<const float> row) { return std::max_element(row.begin(), row.end()) - row.begin(); }

}  // namespace bitline
