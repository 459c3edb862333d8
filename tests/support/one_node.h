#pragma once

// Networks of a single node, for tests of one operator at a time.

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "core/reference.h"

namespace bitline::testing {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

inline Quantizer quantizer(int bits, bool is_signed, float scale = 1, int32_t zero_point = 0) {
    Quantizer q;
    q.bits = bits;
    q.is_signed = is_signed;
    q.scale = {scale};
    q.zero_point = {zero_point};
    return q;
}

inline Quantizer bipolar() {
    Quantizer q = quantizer(1, true);
    q.kind = Quantizer::Kind::bipolar;
    return q;
}

/// A network of one node, whose inputs are values 0, 1, ... and whose output is the last value.
inline Network one_node(Operator op, std::vector<Value> inputs, const Shape& wanted = {},
                        std::optional<Quantizer> out = std::nullopt) {
    Network n;
    Node node{"node", "", {}, int(inputs.size()), std::move(op)};
    std::vector<Shape> shapes;
    for (const Value& input : inputs) {
        shapes.push_back(input.shape);
        node.inputs.push_back(int(node.inputs.size()));
    }
    n.values = std::move(inputs);
    n.values.push_back({"y", infer_shape(node.op, shapes, wanted), std::move(out)});
    n.nodes.push_back(std::move(node));
    n.input = 0;
    n.output = int(n.values.size()) - 1;
    return n;
}

inline Block evaluate(const Network& network, const std::vector<Block>& inputs, int64_t samples = 1) {
    if (network.nodes[0].inputs.size() == 1) validate(network);  // others would need producers for their inputs
    const auto engine = make_exact_engine(network);
    std::vector<const Block*> pointers;
    for (const Block& input : inputs) pointers.push_back(&input);
    return run_node(network, 0, *engine, pointers, samples, 0);
}

/// One operator on one real vector.
inline std::vector<float> on_reals(Operator op, const Shape& shape, const std::vector<float>& x,
                                   const Shape& wanted = {}) {
    return evaluate(one_node(std::move(op), {{"x", shape, std::nullopt}}, wanted), {{{}, x}}).real;
}

inline std::vector<int32_t> quantized(const Quantize& op, const std::vector<float>& x) {
    return evaluate(one_node(op, {{"x", {int64_t(x.size())}, std::nullopt}}, {}, op.to), {{{}, x}}).codes;
}

}  // namespace bitline::testing
