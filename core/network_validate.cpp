// What protects everything behind a file reader: no later stage checks again what is checked here.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/network.h"

namespace bitline {

namespace {

constexpr int64_t kMaxElements = (int64_t(1) << 31) - 1;  // per sample, so that an int can index rows and elements
constexpr int64_t kExactDouble = int64_t(1) << 53;        // integers below it are exact in double, the type of a sum

template <typename... Args>
void require(bool holds, fmt::format_string<Args...> text, Args&&... args) {
    if (!holds) throw FormatError(fmt::format(text, std::forward<Args>(args)...));
}

void require_finite(const std::vector<float>& values, const char* what) {
    const auto bad = std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    require(bad == values.end(), "{}[{}] violates a finite number", what, bad - values.begin());
}

void require_size(size_t size, int64_t wanted, const char* what) {
    require(size == uint64_t(wanted), "{} {} violate {} entries", size, what, wanted);
}

void check_shape(const Shape& shape) {
    const bool positive = std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size >= 1; });
    require(positive, "shape {} violates every size >= 1", to_string(shape));
    require(element_count(shape) <= kMaxElements, "shape {} violates fewer than 2^31 elements", to_string(shape));
}

void check_quantizer(const Quantizer& q) {
    require(q.bits >= 1 && q.bits <= 16, "bits = {} violates 1 <= bits <= 16", q.bits);
    require(!q.scale.empty() && q.scale.size() == q.zero_point.size(),
            "{} scales and {} zero points violate the same number, at least 1", q.scale.size(), q.zero_point.size());
    for (const float s : q.scale) require(std::isfinite(s) && s > 0, "scale = {} violates 0 < scale < infinity", s);
    const bool bipolar = q.kind == Quantizer::Kind::bipolar;
    require(!bipolar || q.bits == 1, "bits = {} violates bits = 1 of a bipolar quantizer", q.bits);
    require(q.code_min() < q.code_max(), "code range {}..{} violates at least two codes", q.code_min(), q.code_max());
    for (const int32_t z : q.zero_point) {
        require(!bipolar || z == 0, "zero point {} violates zero point = 0 of a bipolar quantizer", z);
        require(z >= q.code_min() && z <= q.code_max(), "zero point {} violates {} <= zero point <= {}", z,
                q.code_min(), q.code_max());
    }
}

void check_activation_quantizer(const Quantizer& q) {
    check_quantizer(q);
    require(q.per_tensor(), "{} scales violate a quantizer per tensor: values carry one scale", q.scale.size());
}

void check_codes(const std::vector<int32_t>& codes, const Quantizer& q, const char* what) {
    const int32_t low = q.code_min(), high = q.code_max();
    const bool bipolar = q.kind == Quantizer::Kind::bipolar;
    for (size_t i = 0; i < codes.size(); ++i) {
        require(codes[i] >= low && codes[i] <= high, "{}[{}] = {} violates {} <= code <= {}", what, i, codes[i], low,
                high);
        require(!bipolar || codes[i] != 0, "{}[{}] = 0 violates code = -1 or +1", what, i);
    }
}

/// Checks one node. Holds what every check needs; the shapes of the inputs and the output were checked before.
class NodeCheck {
 public:
    NodeCheck(const Network& network, const Node& node)
        : network_(network), node_(node), out_(network.values[size_t(node.output)]) {}

    void operator()(const MatVec& op) const;
    void operator()(const Quantize& op) const { check_output_quantizer(op.to); }
    void operator()(const Truncate& op) const;
    void operator()(const Arithmetic& op) const;
    void operator()(const BatchNorm& op) const;
    void operator()(const Activation& op) const;
    void operator()(const Pool& op) const;
    void operator()(const AddValues&) const { require_real_output(); }
    void operator()(const Concat&) const;
    void operator()(const Reshape&) const { require_moved(); }
    void operator()(const Permute&) const { require_moved(); }
    void operator()(const Softmax&) const { require_real_output(); }
    void operator()(const Bucketize& op) const;

    /// Before shapes are inferred: sizes that shape inference divides by or multiplies.
    void check_sizes() const;

 private:
    const Value& input(size_t i = 0) const { return network_.values[size_t(node_.inputs[i])]; }
    void check_output_quantizer(const Quantizer& to) const;
    void require_real_output() const;
    void require_moved() const;
    void check_weights(const MatVec& op) const;
    void check_output(const MatVec& op) const;
    void check_thresholds(const MatVec& op, const ThresholdOutput& output) const;
    void check_real_scale(const MatVec& op, const ScaleOutput& output) const;
    void check_sum_bound(const MatVec& op) const;
    void check_padded_input(const MatVec& op) const;

    const Network& network_;
    const Node& node_;
    const Value& out_;
};

void NodeCheck::check_sizes() const {
    const auto* op = std::get_if<MatVec>(&node_.op);
    if (!op) return;
    for (const int64_t size : {op->in_channels, op->out_channels, op->groups}) {
        require(size >= 1 && size <= kMaxElements, "{} channels or groups violate 1 <= number < 2^31", size);
    }
    require(op->in_channels % op->groups == 0 && op->out_channels % op->groups == 0,
            "{} inputs and {} outputs violate whole multiples of {} groups", op->in_channels, op->out_channels,
            op->groups);
}

void NodeCheck::check_output_quantizer(const Quantizer& to) const {
    check_activation_quantizer(to);
    require(out_.quantizer == to, "output '{}' violates the quantizer that the operator writes", out_.name);
}

void NodeCheck::require_real_output() const {
    require(!out_.quantizer, "output '{}' carries a quantizer, but the operator gives real numbers", out_.name);
}

void NodeCheck::require_moved() const {
    require(out_.quantizer == input().quantizer, "output '{}' violates the same quantizer as input '{}'", out_.name,
            input().name);
}

void NodeCheck::operator()(const Concat&) const {
    if (!out_.quantizer) return;
    for (size_t i = 0; i < node_.inputs.size(); ++i) {
        require(input(i).quantizer == out_.quantizer, "output '{}' violates the same quantizer as input '{}'",
                out_.name, input(i).name);
    }
}

void NodeCheck::operator()(const Bucketize& op) const {
    check_output_quantizer(op.to);
    require(!op.threshold.empty(), "0 thresholds violate at least one");
    require_finite(op.threshold, "threshold");
    const auto falls = std::adjacent_find(op.threshold.begin(), op.threshold.end(), std::greater<>());
    require(falls == op.threshold.end(), "threshold[{}] violates ascending order", falls - op.threshold.begin() + 1);
    require_size(op.codes.size(), static_cast<int64_t>(op.threshold.size()) + 1, "codes");
    check_codes(op.codes, op.to, "codes");
}

void NodeCheck::operator()(const Truncate& op) const {
    check_output_quantizer(op.to);
    require(std::isfinite(op.input_scale) && op.input_scale > 0, "input scale {} violates 0 < scale < infinity",
            op.input_scale);
    require(op.shift >= 0 && op.shift <= 31, "shift {} violates 0 <= shift <= 31", op.shift);
}

void NodeCheck::operator()(const Arithmetic& op) const {
    require_real_output();
    require_finite(op.constant, "constant");
}

void NodeCheck::operator()(const BatchNorm& op) const {
    require_real_output();
    const auto channels = int64_t(op.gamma.size());
    require_size(op.beta.size(), channels, "beta");
    require_size(op.mean.size(), channels, "mean");
    require_size(op.variance.size(), channels, "variance");
    require_finite(op.gamma, "gamma");
    require_finite(op.beta, "beta");
    require_finite(op.mean, "mean");
    require_finite(op.variance, "variance");
    for (const float v : op.variance) {
        require(v + op.epsilon > 0 && std::isfinite(v + op.epsilon),
                "variance {} with epsilon {} violates 0 < variance + epsilon < infinity", v, op.epsilon);
    }
}

void NodeCheck::operator()(const Activation& op) const {
    if (op.kind == Activation::Kind::clip) {
        require(op.low <= op.high, "clip from {} to {} violates low <= high", op.low, op.high);
    }
    if (op.kind != Activation::Kind::sign || !out_.quantizer) return require_real_output();
    const Quantizer& q = *out_.quantizer;  // sign may write its results as codes: -1, 0, +1
    require(q.kind == Quantizer::Kind::uniform && q.scale[0] == 1 && q.zero_point[0] == 0 && q.code_min() <= -1 &&
                q.code_max() >= 1,
            "output '{}' of sign violates a uniform quantizer with scale 1, zero point 0 and codes -1, 0, +1",
            out_.name);
}

void NodeCheck::operator()(const Pool& op) const {
    const Window& w = op.window;
    const int64_t extent_h = w.dilation_h * (w.kernel_h - 1) + 1, extent_w = w.dilation_w * (w.kernel_w - 1) + 1;
    require(std::max(w.pad_top, w.pad_bottom) < extent_h && std::max(w.pad_left, w.pad_right) < extent_w,
            "pads {},{},{},{} violate pad < kernel extent {}x{}", w.pad_top, w.pad_left, w.pad_bottom, w.pad_right,
            extent_h, extent_w);
    op.kind == Pool::Kind::max ? require_moved() : require_real_output();
}

void NodeCheck::operator()(const MatVec& op) const {
    require(op.codes.empty() != op.real_weights.empty(), "{} codes and {} real weights violate: exactly one of the two",
            op.codes.size(), op.real_weights.size());
    check_padded_input(op);
    check_weights(op);
    check_output(op);
    if (is_mappable(network_, node_)) check_sum_bound(op);
}

void NodeCheck::check_padded_input(const MatVec& op) const {
    if (!op.is_convolution) return;
    const Shape& in = input().shape;
    check_shape(
        {in[0], in[1] + op.window.pad_top + op.window.pad_bottom, in[2] + op.window.pad_left + op.window.pad_right});
}

void NodeCheck::check_weights(const MatVec& op) const {
    const Shape weights{op.out_channels, op.in_channels / op.groups, op.window.kernel_h, op.window.kernel_w};
    check_shape(weights);
    require_size(op.quantized_weights() ? op.codes.size() : op.real_weights.size(), element_count(weights), "weights");
    if (!op.quantized_weights()) {
        require_finite(op.real_weights, "weight");
        require_finite(op.real_bias, "bias");
        if (!op.real_bias.empty()) require_size(op.real_bias.size(), op.out_channels, "biases");
        require(op.bias_codes.empty(), "{} integer biases violate none with real weights", op.bias_codes.size());
        return;
    }
    require(op.real_bias.empty(), "{} real biases violate none with integer weights", op.real_bias.size());
    check_quantizer(op.weight);
    require(op.weight.per_tensor() || (op.weight.axis == 0 && op.weight.scale.size() == uint64_t(op.out_channels)),
            "{} weight scales along axis {} violate one, or one per output channel ({}) along axis 0",
            op.weight.scale.size(), op.weight.axis, op.out_channels);
    check_codes(op.codes, op.weight, "weight");
    if (!op.bias_codes.empty()) require_size(op.bias_codes.size(), op.out_channels, "biases");
}

void NodeCheck::check_output(const MatVec& op) const {
    const bool codes_in = input().quantizer.has_value();
    if (const auto* scaled = std::get_if<ScaleOutput>(&op.output)) {
        require_real_output();
        require_finite(scaled->scale, "scale");
        require_finite(scaled->bias, "output bias");
        if (!op.quantized_weights()) {
            require(*scaled == ScaleOutput{}, "output scale and bias violate none with real weights");
            return;
        }
        require_size(scaled->scale.size(), op.out_channels, "output scales");
        if (!scaled->bias.empty()) require_size(scaled->bias.size(), op.out_channels, "output biases");
        if (!codes_in) check_real_scale(op, *scaled);
        return;
    }
    require(op.quantized_weights() && codes_in, "integer output violates integer weights and an integer input");
    require(out_.quantizer.has_value(), "output '{}' violates a quantizer for its codes", out_.name);
    if (const auto* requantized = std::get_if<RequantizeOutput>(&op.output)) {
        require_size(requantized->multiplier.size(), op.out_channels, "multipliers");
        require_finite(requantized->multiplier, "multiplier");
    } else {
        check_thresholds(op, std::get<ThresholdOutput>(op.output));
    }
}

/// Integer weights on a real input stand for real weights: s_x = 1, and a bias can only be a real one.
void NodeCheck::check_real_scale(const MatVec& op, const ScaleOutput& output) const {
    require(op.bias_codes.empty(), "{} integer biases violate none on a real input, which has no scale",
            op.bias_codes.size());
    for (size_t c = 0; c < output.scale.size(); ++c) {
        const float scale = op.weight.scale[op.weight.per_tensor() ? 0 : c];
        require(output.scale[c] == scale, "output scale {} violates weight scale {} on a real input", output.scale[c],
                scale);
    }
}

void NodeCheck::check_thresholds(const MatVec& op, const ThresholdOutput& output) const {
    const auto levels = int64_t(output.codes.size());
    require(levels >= 2 && levels <= 65536, "{} levels violate 2 <= levels <= 65536", levels);
    check_codes(output.codes, *out_.quantizer, "level");
    const bool rising =
        std::adjacent_find(output.codes.begin(), output.codes.end(), std::greater_equal<>()) == output.codes.end();
    require(rising, "level codes violate a strictly ascending order");
    require_size(output.falling.size(), op.out_channels, "falling flags");
    require_size(output.threshold.size(), op.out_channels * (levels - 1), "thresholds");
    for (const int8_t flag : output.falling) require(flag == 0 || flag == 1, "falling flag {} violates 0 or 1", flag);
    for (int64_t c = 0; c < op.out_channels; ++c) {
        const auto first = output.threshold.begin() + c * (levels - 1);
        require(std::is_sorted(first, first + levels - 1), "thresholds of channel {} violate an ascending order", c);
    }
}

/// max |sum (q_x - z_x)(q_w - z_w) + bias| < 2^53, so that every partial sum is exact in int64 and in double.
void NodeCheck::check_sum_bound(const MatVec& op) const {
    const Quantizer& x = *input().quantizer;
    const int64_t largest = std::max(x.code_max() - x.zero_point[0], x.zero_point[0] - x.code_min());
    for (int64_t c = 0; c < op.out_channels; ++c) {
        const int64_t zero = op.weight.zero_point[op.weight.per_tensor() ? 0 : size_t(c)];
        int64_t sum = 0;  // below 2^31 * 2^17
        for (int64_t r = 0; r < op.rows(); ++r) sum += std::abs(op.codes[size_t(c * op.rows() + r)] - zero);
        const int64_t bias = op.bias_codes.empty() ? 0 : op.bias_codes[size_t(c)];
        const bool holds =
            bias > -kExactDouble && bias < kExactDouble && sum <= (kExactDouble - 1 - std::abs(bias)) / largest;
        require(holds, "channel {} with bias {} violates largest sum < 2^53", c, bias);
    }
}

// ---------------------------------------------------------------------------------------------- graph

void require_index(int index, size_t count, const char* what) {
    require(index >= 0 && size_t(index) < count, "{} {} violates 0 <= index < {} values", what, index, count);
}

void check_values(const Network& network) {
    for (size_t i = 0; i < network.values.size(); ++i) {
        const Value& value = network.values[i];
        try {
            check_shape(value.shape);
            if (value.quantizer) check_activation_quantizer(*value.quantizer);
        } catch (const FormatError& error) {
            throw FormatError(
                fmt::format("network '{}', value '{}' ({}): {}", network.name, value.name, i, error.what()));
        }
    }
}

/// `produced` marks the values that exist before this node runs; its output is added.
void check_node(const Network& network, const Node& node, std::vector<bool>& produced) {
    std::vector<Shape> shapes;
    for (const int input : node.inputs) {
        require_index(input, network.values.size(), "input");
        const Value& value = network.values[size_t(input)];
        require(produced[size_t(input)], "input '{}' violates: produced by an earlier node", value.name);
        shapes.push_back(value.shape);
    }
    require_index(node.output, network.values.size(), "output");
    const Value& out = network.values[size_t(node.output)];
    require(!produced[size_t(node.output)], "output '{}' violates: produced once, and not the network's input",
            out.name);

    const NodeCheck check(network, node);
    check.check_sizes();
    const Shape inferred = infer_shape(node.op, shapes, out.shape);
    require(inferred == out.shape, "output '{}' of shape {} violates inferred shape {}", out.name, to_string(out.shape),
            to_string(inferred));
    std::visit(check, node.op);
    produced[size_t(node.output)] = true;
}

void check_preprocess(const Preprocess& p, const Shape& input) {
    require(std::isfinite(p.scale), "preprocess scale {} violates a finite number", p.scale);
    require_finite(p.mean, "preprocess mean");
    require_finite(p.std, "preprocess std");
    const auto channels = uint64_t(input.empty() ? 1 : input[0]);
    for (const size_t entries : {p.mean.size(), p.std.size()}) {
        require(entries == 1 || entries == channels, "{} preprocess entries violate one, or one per channel ({})",
                entries, channels);
    }
    for (const float s : p.std) require(s > 0, "preprocess std {} violates std > 0", s);
}

}  // namespace

void validate(const Network& network) {
    check_values(network);
    std::vector<bool> produced(network.values.size(), false);
    try {
        require_index(network.input, network.values.size(), "network input");
        require_index(network.output, network.values.size(), "network output");
        if (network.preprocess) check_preprocess(*network.preprocess, network.values[size_t(network.input)].shape);
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("network '{}': {}", network.name, error.what()));
    }
    produced[size_t(network.input)] = true;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const Node& node = network.nodes[i];
        try {
            check_node(network, node, produced);
        } catch (const FormatError& error) {
            throw FormatError(fmt::format("network '{}', node '{}' ({}, number {}): {}", network.name, node.name,
                                          describe_kind(node.op), i, error.what()));
        }
    }
    require(produced[size_t(network.output)], "network '{}': output '{}' violates: produced by a node", network.name,
            network.values[size_t(network.output)].name);
}

}  // namespace bitline
