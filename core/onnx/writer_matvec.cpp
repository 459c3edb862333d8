// Convolutions and fully connected layers:
//   real        Conv / Gemm on float weights
//   QDQ         DequantizeLinear on weight codes and on int32 bias codes (scale s_x * s_w), then Conv / Gemm
//   requantized QLinearConv / QLinearMatMul, whose multiplier s_x * s_w / s_y is the network's own to the bit

#include <fmt/format.h>

#include <limits>

#include "core/onnx/narrow_bits.h"
#include "core/onnx/writer_graph.h"

namespace bitline::onnx_writer {

namespace {

Shape weight_shape(const MatVec& op) {
    if (!op.is_convolution) return {op.out_channels, op.in_channels};
    return {op.out_channels, op.in_channels / op.groups, op.window.kernel_h, op.window.kernel_w};
}

void set_window(onnx::NodeProto& proto, const MatVec& op) {
    const Window& w = op.window;
    set_ints(proto, "kernel_shape", {w.kernel_h, w.kernel_w});
    set_ints(proto, "strides", {w.stride_h, w.stride_w});
    set_ints(proto, "dilations", {w.dilation_h, w.dilation_w});
    set_ints(proto, "pads", {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
    set_int(proto, "group", op.groups);
}

/// Conv or Gemm on float tensors.
void add_product(GraphWriter& graph, const Node& node, const MatVec& op, const std::vector<std::string>& inputs,
                 const std::string& output) {
    onnx::NodeProto& proto =
        add_node(graph, op.is_convolution ? "Conv" : "Gemm", label_of(graph, node), inputs, output);
    if (op.is_convolution) {
        set_window(proto, op);
    } else {
        set_int(proto, "transB", 1);
    }
}

std::vector<int32_t> bias_codes(const GraphWriter& graph, const Node& node, const MatVec& op) {
    constexpr int64_t kLow = std::numeric_limits<int32_t>::min(), kHigh = std::numeric_limits<int32_t>::max();
    std::vector<int32_t> codes;
    for (const int64_t code : op.bias_codes) {
        if (code < kLow || code > kHigh) refuse(graph, node, fmt::format("bias code {} violates 32 bits", code));
        codes.push_back(int32_t(code));
    }
    return codes;
}

float weight_scale(const MatVec& op, size_t channel) { return op.weight.scale[op.weight.per_tensor() ? 0 : channel]; }

float input_scale(const GraphWriter& graph, const Node& node) {
    const auto& quantizer = graph.network.values[size_t(node.inputs[0])].quantizer;
    return quantizer ? quantizer->scale[0] : 1.0F;
}

/// The float product of dequantized numbers is the sum times s_x * s_w: no other scale can be expressed.
void require_product_scale(const GraphWriter& graph, const Node& node, const MatVec& op, const ScaleOutput& output) {
    const float s_x = input_scale(graph, node);
    for (size_t c = 0; c < output.scale.size(); ++c) {
        const float product = s_x * weight_scale(op, c);
        if (output.scale[c] != product) {
            refuse(graph, node,
                   fmt::format("output scale {} of channel {} violates input scale * weight scale = {}",
                               output.scale[c], c, product));
        }
    }
}

std::string add_integer_bias(GraphWriter& graph, const Node& node, const MatVec& op, const ScaleOutput& output) {
    const std::string label = label_of(graph, node);
    const std::vector<int32_t> codes = bias_codes(graph, node, op);
    // One scale where the weights have one; DequantizeLinear then broadcasts it.
    const bool per_tensor = op.weight.per_tensor();
    const Shape shape = per_tensor ? Shape{} : Shape{op.out_channels};
    const std::vector<float> scale = per_tensor ? std::vector<float>{output.scale[0]} : output.scale;
    const std::string codes_name = add_int32s(graph, label + "_bias", codes, {op.out_channels});
    const std::string scale_name = add_floats(graph, label + "_bias_scale", scale, shape);
    const std::string zero_name =
        add_int32s(graph, label + "_bias_zero_point", std::vector<int32_t>(scale.size(), 0), shape);
    const std::string real = unique_name(graph, label + "_bias_dequantized");
    onnx::NodeProto& proto = add_node(graph, "DequantizeLinear", real, {codes_name, scale_name, zero_name}, real);
    if (!per_tensor) set_int(proto, "axis", 0);
    return real;
}

std::string add_dequantized_weights(GraphWriter& graph, const Node& node, const MatVec& op) {
    const std::string label = label_of(graph, node) + kWeightsSuffix;
    const std::string codes = add_codes(graph, label, op.codes, weight_shape(op), op.weight);
    note_bits(graph.model, codes, op.weight);
    const QuantizerNames names = add_quantizer(graph, label, op.weight);
    const std::string real = unique_name(graph, label + "_dequantized");
    onnx::NodeProto& proto = add_node(graph, "DequantizeLinear", real, {codes, names.scale, names.zero_point}, real);
    if (!op.weight.per_tensor()) set_int(proto, "axis", 0);
    return real;
}

void write_real(GraphWriter& graph, const Node& node, const MatVec& op, const std::string& output) {
    const std::string label = label_of(graph, node);
    std::vector<std::string> inputs{real_tensor(graph, node.inputs[0]),
                                    add_floats(graph, label + kWeightsSuffix, op.real_weights, weight_shape(op))};
    if (!op.real_bias.empty()) inputs.push_back(add_floats(graph, label + "_bias", op.real_bias, {op.out_channels}));
    add_product(graph, node, op, inputs, output);
}

void write_qdq(GraphWriter& graph, const Node& node, const MatVec& op, const ScaleOutput& scaled,
               const std::string& output) {
    require_product_scale(graph, node, op, scaled);
    const std::string label = label_of(graph, node);
    std::vector<std::string> inputs{real_tensor(graph, node.inputs[0]), add_dequantized_weights(graph, node, op)};
    if (!op.bias_codes.empty()) inputs.push_back(add_integer_bias(graph, node, op, scaled));
    const bool two_biases = !op.bias_codes.empty() && !scaled.bias.empty();
    if (!scaled.bias.empty() && !two_biases) {
        inputs.push_back(add_floats(graph, label + "_bias", scaled.bias, {op.out_channels}));
    }
    if (!two_biases) return add_product(graph, node, op, inputs, output);

    const std::string product = unique_name(graph, label + "_product");
    add_product(graph, node, op, inputs, product);
    const Shape per_channel = op.is_convolution ? Shape{op.out_channels, 1, 1} : Shape{op.out_channels};
    const std::string bias = add_floats(graph, label + "_real_bias", scaled.bias, per_channel);
    add_node(graph, "Add", label + "_add", {product, bias}, output);
}

void require_operator_form(const GraphWriter& graph, const Node& node, const MatVec& op,
                           const RequantizeOutput& requantized) {
    const Quantizer& x = *graph.network.values[size_t(node.inputs[0])].quantizer;
    const Quantizer& y = *graph.network.values[size_t(node.output)].quantizer;
    for (const Quantizer* quantizer : {&x, &op.weight, &y}) {
        if (quantizer->kind != Quantizer::Kind::uniform) {
            refuse(graph, node, "QLinearConv and QLinearMatMul have no bipolar codes (-1 and +1 only)");
        }
        if (quantizer->bits > 8) refuse(graph, node, "QLinearConv and QLinearMatMul have at most 8 bits");
    }
    if (x.is_signed != y.is_signed || (x.is_signed && !op.weight.is_signed)) {
        refuse(graph, node,
               "ONNX Runtime requantizes signed to signed or unsigned to unsigned codes, signed ones only "
               "by signed weights");
    }
    if (!fills_type(y)) refuse(graph, node, "QLinearConv and QLinearMatMul saturate at 8 bits, not at fewer");
    for (size_t c = 0; c < requantized.multiplier.size(); ++c) {
        const float product = x.scale[0] * weight_scale(op, c);
        if (requantized.multiplier[c] != product / y.scale[0]) {
            refuse(graph, node,
                   fmt::format("multiplier {} of channel {} violates input scale * weight scale / output scale = {}",
                               requantized.multiplier[c], c, product / y.scale[0]));
        }
    }
}

/// QLinearMatMul takes its weights as (inputs x outputs).
std::vector<int32_t> transposed(const MatVec& op) {
    std::vector<int32_t> out(op.codes.size());
    for (int64_t m = 0; m < op.out_channels; ++m) {
        for (int64_t k = 0; k < op.in_channels; ++k) {
            out[size_t(k * op.out_channels + m)] = op.codes[size_t(m * op.in_channels + k)];
        }
    }
    return out;
}

void write_operator_form(GraphWriter& graph, const Node& node, const MatVec& op, const RequantizeOutput& requantized,
                         const std::string& output) {
    require_operator_form(graph, node, op, requantized);
    if (!op.is_convolution && !op.bias_codes.empty()) {
        refuse(graph, node, "QLinearMatMul, the fully connected layer that requantizes, has no bias");
    }
    const std::string label = label_of(graph, node);
    const int x = node.inputs[0];
    const std::string codes = code_tensor(graph, x);
    const QuantizerNames in = add_quantizer(graph, label + "_input", *graph.network.values[size_t(x)].quantizer);
    const QuantizerNames out =
        add_quantizer(graph, label + "_output", *graph.network.values[size_t(node.output)].quantizer);
    const std::string weights =
        op.is_convolution
            ? add_codes(graph, label + kWeightsSuffix, op.codes, weight_shape(op), op.weight)
            : add_codes(graph, label + kWeightsSuffix, transposed(op), {op.in_channels, op.out_channels}, op.weight);
    const QuantizerNames w = add_quantizer(graph, weights, op.weight);
    note_bits(graph.model, weights, op.weight);
    std::vector<std::string> inputs{codes,   in.scale,     in.zero_point, weights,
                                    w.scale, w.zero_point, out.scale,     out.zero_point};
    if (!op.bias_codes.empty()) {
        inputs.push_back(add_int32s(graph, label + "_bias", bias_codes(graph, node, op), {op.out_channels}));
    }
    onnx::NodeProto& proto =
        add_node(graph, op.is_convolution ? "QLinearConv" : "QLinearMatMul", label, inputs, output);
    if (op.is_convolution) set_window(proto, op);
}

}  // namespace

void write_matvec(GraphWriter& graph, const Node& node, const MatVec& op) {
    const auto out = size_t(node.output);
    const std::string& name = graph.value_name[out];
    if (std::holds_alternative<ThresholdOutput>(op.output)) {
        refuse(graph, node, "integer thresholds have no form in QDQ ONNX");
    }
    if (const auto* requantized = std::get_if<RequantizeOutput>(&op.output)) {
        write_operator_form(graph, node, op, *requantized, name);
        graph.code_name[out] = name;
        const QuantizerNames y = add_quantizer(graph, name, *graph.network.values[out].quantizer);
        graph.real_name[out] = unique_name(graph, name + "_dequantized");
        add_node(graph, "DequantizeLinear", graph.real_name[out], {name, y.scale, y.zero_point}, graph.real_name[out]);
        return;
    }
    graph.real_name[out] = name;
    if (!op.quantized_weights()) return write_real(graph, node, op, name);
    write_qdq(graph, node, op, std::get<ScaleOutput>(op.output), name);
}

}  // namespace bitline::onnx_writer
