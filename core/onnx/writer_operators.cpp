// Everything but the products. A value of codes is, in QDQ, a float tensor behind QuantizeLinear and DequantizeLinear;
// operators that only move or compare numbers work on that float tensor and stay on its grid.

#include <fmt/format.h>

#include "core/onnx/narrow_bits.h"
#include "core/onnx/writer_graph.h"

namespace bitline::onnx_writer {

namespace {

class OperatorWriter {
 public:
    OperatorWriter(GraphWriter& graph, const Node& node) : graph_(graph), node_(node), label_(label_of(graph, node)) {}

    void operator()(const MatVec& op) { write_matvec(graph_, node_, op); }
    void operator()(const Quantize& op);
    void operator()(const Truncate&) { refuse(graph_, node_, "dropping low bits (Trunc) has no form in QDQ ONNX"); }
    void operator()(const Bucketize& op) { quantize_steps(op); }
    void operator()(const Arithmetic& op);
    void operator()(const BatchNorm& op);
    void operator()(const Activation& op);
    void operator()(const Pool& op);
    void operator()(const AddValues&) { simple("Add"); }
    void operator()(const Concat& op) { set_int(simple("Concat"), "axis", op.axis + 1); }
    void operator()(const Reshape&);
    void operator()(const Permute& op);
    void operator()(const Softmax& op);

 private:
    const Value& in() const { return graph_.network.values[size_t(node_.inputs[0])]; }
    const Value& out() const { return graph_.network.values[size_t(node_.output)]; }
    const std::string& input() const { return real_tensor(graph_, node_.inputs[0]); }

    /// Name of the float tensor that this node writes.
    const std::string& output() {
        std::string& name = graph_.real_name[size_t(node_.output)];
        if (name.empty()) name = graph_.value_name[size_t(node_.output)];
        return name;
    }

    /// A node on the float tensors of all inputs, then on `constants`.
    onnx::NodeProto& simple(const std::string& type, const std::vector<std::string>& constants = {}) {
        std::vector<std::string> inputs;
        for (const int value : node_.inputs) inputs.push_back(real_tensor(graph_, value));
        inputs.insert(inputs.end(), constants.begin(), constants.end());
        return add_node(graph_, type, label_, inputs, output());
    }

    void quantize(const std::string& real, const Quantizer& quantizer);
    void quantize_steps(const Bucketize& op);
    void add_codes_of(const std::string& within, const Quantizer& quantizer);
    std::string constant_node(const std::string& type, const std::string& real, float constant,
                              const std::string& suffix);
    std::string clipped(const std::string& real, const Quantizer& quantizer);
    void reshape(const std::string& from, const Shape& shape, const std::string& to);

    GraphWriter& graph_;
    const Node& node_;
    std::string label_;
};

/// QuantizeLinear saturates where its integer type ends. Fewer bits, or a narrow range, need the limits before it:
/// Clip to (code_min - z) * s .. (code_max - z) * s in float32, whose quotients by s round back to exactly these codes.
std::string OperatorWriter::clipped(const std::string& real, const Quantizer& quantizer) {
    const float s = quantizer.scale[0];
    const int32_t z = quantizer.zero_point[0];
    const std::string low = add_floats(graph_, label_ + "_low", {float(quantizer.code_min() - z) * s}, {});
    const std::string high = add_floats(graph_, label_ + "_high", {float(quantizer.code_max() - z) * s}, {});
    const std::string name = unique_name(graph_, label_ + kClipSuffix);
    add_node(graph_, "Clip", name, {real, low, high}, name);
    return name;
}

/// QuantizeLinear and DequantizeLinear of numbers within the codes' range. The value's own name goes to the tensor of
/// codes, as in a network that was read from QDQ.
void OperatorWriter::add_codes_of(const std::string& within, const Quantizer& quantizer) {
    const auto index = size_t(node_.output);
    const std::string& codes = graph_.value_name[index];
    const QuantizerNames names = add_quantizer(graph_, codes, quantizer);
    add_node(graph_, "QuantizeLinear", label_, {within, names.scale, names.zero_point}, codes);
    graph_.code_name[index] = codes;
    graph_.real_name[index] = unique_name(graph_, codes + "_dequantized");
    const std::string& real_out = graph_.real_name[index];
    add_node(graph_, "DequantizeLinear", real_out, {codes, names.scale, names.zero_point}, real_out);
    note_bits(graph_.model, codes, quantizer);
}

void OperatorWriter::quantize(const std::string& real, const Quantizer& quantizer) {
    add_codes_of(fills_type(quantizer) ? real : clipped(real, quantizer), quantizer);
}

/// real op constant, a scalar; returns the result's name.
std::string OperatorWriter::constant_node(const std::string& type, const std::string& real, float constant,
                                          const std::string& suffix) {
    const std::string name = unique_name(graph_, label_ + suffix);
    add_node(graph_, type, name, {real, add_floats(graph_, name + "_constant", {constant}, {})}, name);
    return name;
}

/// ONNX has no quantizer with steps of its own, but comparisons: code - z = (codes[0] - z) + sum over the thresholds t
/// of (rise at t) [x >= t], whole numbers that float32 adds without error; times the scale, they lie on the quantizer's
/// grid.
void OperatorWriter::quantize_steps(const Bucketize& op) {
    std::string sum;
    for (size_t k = 0; k < op.threshold.size(); ++k) {
        const auto rise = float(op.codes[k + 1] - op.codes[k]);
        if (rise == 0) continue;
        const std::string crossed = constant_node("GreaterOrEqual", input(), op.threshold[k], "_crossed");
        std::string step = unique_name(graph_, label_ + "_step");
        set_int(add_node(graph_, "Cast", step, {crossed}, step), "to", onnx::TensorProto::FLOAT);
        if (rise != 1) step = constant_node("Mul", step, rise, "_rise");
        if (sum.empty()) {
            sum = step;
            continue;
        }
        const std::string added = unique_name(graph_, label_ + "_sum");
        add_node(graph_, "Add", added, {sum, step}, added);
        sum = added;
    }
    if (sum.empty()) refuse(graph_, node_, "all its codes are the same");
    const auto first = float(op.codes[0] - op.to.zero_point[0]);
    if (first != 0) sum = constant_node("Add", sum, first, "_first");
    add_codes_of(constant_node("Mul", sum, op.to.scale[0], "_grid"), op.to);
}

void OperatorWriter::operator()(const Quantize& op) {
    if (op.to.kind == Quantizer::Kind::bipolar) return quantize_steps({{0.0F}, {-1, 1}, op.to});
    if (op.rounding != Rounding::half_even) refuse(graph_, node_, "QuantizeLinear only rounds half to even");
    if (op.zero_point_inside && op.to.zero_point[0] != 0) {
        refuse(graph_, node_, "QuantizeLinear adds the zero point behind the rounding, not before it");
    }
    quantize(input(), op.to);
}

void OperatorWriter::operator()(const Arithmetic& op) {
    using Kind = Arithmetic::Kind;
    Shape shape;  // one constant: a scalar
    if (op.constant.size() != 1) {
        const bool per_channel = op.constant.size() == uint64_t(in().shape[0]);
        shape = in().shape;
        if (per_channel) std::fill(shape.begin() + 1, shape.end(), 1);
    }
    const std::string constant = add_floats(graph_, label_ + "_constant", op.constant, shape);
    switch (op.kind) {
        case Kind::add:
            simple("Add", {constant});
            return;
        case Kind::subtract:
            simple("Sub", {constant});
            return;
        case Kind::multiply:
            simple("Mul", {constant});
            return;
        case Kind::divide:
            simple("Div", {constant});
            return;
        case Kind::power:
            simple("Pow", {constant});
            return;
        case Kind::subtract_from:
            add_node(graph_, "Sub", label_, {constant, input()}, output());
            return;
        case Kind::divide_into:
            add_node(graph_, "Div", label_, {constant, input()}, output());
            return;
    }
}

void OperatorWriter::operator()(const BatchNorm& op) {
    const Shape channels{int64_t(op.gamma.size())};
    const std::vector<std::string> constants{
        add_floats(graph_, label_ + "_gamma", op.gamma, channels),
        add_floats(graph_, label_ + "_beta", op.beta, channels),
        add_floats(graph_, label_ + "_mean", op.mean, channels),
        add_floats(graph_, label_ + "_variance", op.variance, channels),
    };
    set_float(simple("BatchNormalization", constants), "epsilon", op.epsilon);
}

void OperatorWriter::operator()(const Activation& op) {
    switch (op.kind) {
        case Activation::Kind::relu:
            simple("Relu");
            return;
        case Activation::Kind::sigmoid:
            simple("Sigmoid");
            return;
        case Activation::Kind::tanh:
            simple("Tanh");
            return;
        case Activation::Kind::clip: {
            const std::string low = add_floats(graph_, label_ + "_min", {op.low}, {});
            const std::string high = add_floats(graph_, label_ + "_max", {op.high}, {});
            simple("Clip", {low, high});
            return;
        }
        case Activation::Kind::sign: {
            if (!out().quantizer) {
                simple("Sign");
                return;
            }
            const std::string real = unique_name(graph_, label_ + "_sign");
            add_node(graph_, "Sign", real, {input()}, real);
            quantize(real, *out().quantizer);
            return;
        }
    }
}

void OperatorWriter::operator()(const Pool& op) {
    const Window& w = op.window;
    const bool average = op.kind == Pool::Kind::average;
    const bool dilated = w.dilation_h != 1 || w.dilation_w != 1;
    onnx::NodeProto& proto = simple(average ? "AveragePool" : "MaxPool");
    set_ints(proto, "kernel_shape", {w.kernel_h, w.kernel_w});
    set_ints(proto, "strides", {w.stride_h, w.stride_w});
    set_ints(proto, "pads", {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
    if (dilated) set_ints(proto, "dilations", {w.dilation_h, w.dilation_w});
    if (average) set_int(proto, "count_include_pad", op.count_padding ? 1 : 0);
    graph_.needs_opset_21 = graph_.needs_opset_21 || (average && dilated);  // dilated averages came with opset 19
}

void OperatorWriter::reshape(const std::string& from, const Shape& shape, const std::string& to) {
    std::vector<int64_t> with_batch{-1};
    with_batch.insert(with_batch.end(), shape.begin(), shape.end());
    const std::string target = add_int64s(graph_, to + "_shape", with_batch);
    add_node(graph_, "Reshape", to == output() ? label_ : to, {from, target}, to);
}

void OperatorWriter::operator()(const Reshape&) {
    if (out().shape.size() == 1) {
        set_int(simple("Flatten"), "axis", 1);
    } else {
        reshape(input(), out().shape, output());
    }
}

void OperatorWriter::operator()(const Permute& op) {
    std::vector<int64_t> order{0};
    for (const int64_t axis : op.order) order.push_back(axis + 1);
    set_ints(simple("Transpose"), "perm", order);
}

/// Before opset 13 Softmax ran over all axes from `axis` on; opset 13 runs over one, so these axes are merged first.
void OperatorWriter::operator()(const Softmax& op) {
    const auto rank = int64_t(in().shape.size());
    const int64_t axis = op.axis < 0 ? op.axis + rank : op.axis;
    if (!op.flatten_from_axis || axis == rank - 1) {
        set_int(simple("Softmax"), "axis", axis + 1);
        return;
    }
    const Shape& shape = in().shape;
    const Shape kept(shape.begin(), shape.begin() + axis), merged(shape.begin() + axis, shape.end());
    const std::string rows = unique_name(graph_, label_ + "_rows"), result = unique_name(graph_, label_ + "_softmax");
    reshape(input(), {element_count(kept), element_count(merged)}, rows);
    set_int(add_node(graph_, "Softmax", result, {rows}, result), "axis", 2);
    reshape(result, shape, output());
}

}  // namespace

void write_operator(GraphWriter& graph, const Node& node) { std::visit(OperatorWriter(graph, node), node.op); }

}  // namespace bitline::onnx_writer
