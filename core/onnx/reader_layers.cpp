// Convolutions and fully connected layers, in float, QDQ, QONNX and operator form.

#include <algorithm>
#include <cmath>

#include "core/onnx/reader_operators.h"
#include "core/onnx/reader_quantizers.h"

namespace bitline::reader {

namespace {

/// A layer before it is known whether its weights and its input are codes.
struct Layer {
    MatVec op;             // geometry only
    const Tensor* weight;  // (out_channels x in_channels/groups x kernel_h x kernel_w), ONNX's order
    const Tensor* bias;    // one entry, or out_channels in any shape; null where there is none
};

/// Weight codes that a MatVec takes: at most 16 bits, scales per tensor or per output channel.
bool fits_matvec(const Tensor& weight) {
    if (weight.codes == nullptr) return false;
    const Quantizer& quantizer = weight.codes->quantizer;
    return quantizer.bits <= 16 && (quantizer.per_tensor() || quantizer.axis == 0);
}

/// Bias per output channel in float32, from a scalar or from out_channels entries.
std::vector<float> real_bias(const NodeView& node, const Tensor& bias, int64_t channels) {
    if (is_integer(bias.type)) node.fail("bias '{}' is an integer tensor", bias.name);
    if (bias.count() == 1) return std::vector<float>(size_t(channels), bias.real[0]);
    if (bias.count() != channels || (!bias.dims.empty() && bias.dims.back() != channels && bias.dims[0] != channels))
        node.fail("bias '{}' of shape {} violates one entry per output channel ({})", bias.name, dims_text(bias.dims),
                  channels);
    return bias.real;
}

/// An int32 bias that was dequantized with exactly the scale of the sums keeps its codes.
bool copy_bias_codes(const Tensor& bias, const std::vector<float>& scale, MatVec* op) {
    if (bias.codes == nullptr || bias.count() != op->out_channels) return false;
    const Quantizer& quantizer = bias.codes->quantizer;
    for (size_t c = 0; c < scale.size(); ++c) {
        const size_t slice = quantizer.per_tensor() ? 0 : c;
        if (quantizer.zero_point[slice] != 0 || quantizer.scale[slice] != scale[c]) return false;
    }
    op->bias_codes.assign(bias.codes->codes.begin(), bias.codes->codes.end());
    return true;
}

/// A real bias whose every entry is a whole multiple of the scale becomes codes too.
bool divide_bias(const std::vector<float>& bias, const std::vector<float>& scale, MatVec* op) {
    std::vector<int64_t> codes;
    for (size_t c = 0; c < bias.size(); ++c) {
        const float multiple = bias[c] / scale[c];
        if (!(std::abs(multiple) < 0x1p24F) || std::nearbyint(multiple) != multiple || multiple * scale[c] != bias[c])
            return false;
        codes.push_back(static_cast<int64_t>(multiple));
    }
    op->bias_codes = std::move(codes);
    return true;
}

void set_quantized_bias(const NodeView& node, const Layer& layer, MatVec* op) {
    if (layer.bias == nullptr) return;
    auto& output = std::get<ScaleOutput>(op->output);
    if (copy_bias_codes(*layer.bias, output.scale, op)) return;
    const std::vector<float> bias = real_bias(node, *layer.bias, op->out_channels);
    if (!divide_bias(bias, output.scale, op)) output.bias = bias;
}

/// s_x * s_w[c] in float32, one entry per output channel.
std::vector<float> sum_scales(const NodeView& node, float input_scale, const Quantizer& weight, int64_t channels) {
    std::vector<float> scale;
    for (int64_t c = 0; c < channels; ++c) {
        scale.push_back(input_scale * weight.scale[weight.per_tensor() ? 0 : size_t(c)]);
        if (!std::isfinite(scale.back()) || scale.back() <= 0)
            node.fail("input scale {} x weight scale {} leaves the range of float32", input_scale,
                      weight.scale[weight.per_tensor() ? 0 : size_t(c)]);
    }
    return scale;
}

void set_weight_codes(const Codes& codes, MatVec* op) {
    op->codes = codes.codes;
    op->weight = codes.quantizer;
    op->weight.axis = 0;
}

MatVec with_numbers(const Importer& state, const NodeView& node, const Layer& layer, const Data& data) {
    MatVec op = layer.op;
    if (has_codes(state, data) && fits_matvec(*layer.weight)) {
        set_weight_codes(*layer.weight->codes, &op);
        op.output = ScaleOutput{sum_scales(node, data.scale, op.weight, op.out_channels), {}};
        set_quantized_bias(node, layer, &op);
        return op;
    }
    op.real_weights = layer.weight->real;
    if (layer.bias != nullptr) op.real_bias = real_bias(node, *layer.bias, op.out_channels);
    return op;
}

void require_weights(const NodeView& node, const Tensor& weight) {
    if (weight.has_batch()) node.fail("weights '{}' depend on the batch size", weight.name);
    if (is_integer(weight.type))
        node.fail("weights '{}' are an integer tensor; put a DequantizeLinear before them", weight.name);
}

/// Adds the layer: on codes where both sides have codes, else on real numbers.
void emit_layer(Importer& state, const NodeView& node, const Layer& layer, const Data& data, const Shape& input_shape,
                Shape (*onnx_shape)(const Shape& value, const Data& data)) {
    require_real(state, node, data);
    require_weights(node, *layer.weight);
    spend(state, node, static_cast<size_t>(layer.weight->count()));
    const MatVec op = with_numbers(state, node, layer, data);
    Data inner = data;
    inner.margin = {};
    if (!op.quantized_weights()) inner.value = numeric_value(state, node, inner);
    const int input = shaped_value(state, node, inner, input_shape);
    Data out;
    out.value = add_node(state, node, op, {input}, node.output());
    out.shape = onnx_shape(value_of(state, out).shape, data);
    set_output(state, node, out);
}

// ---------------------------------------------------------------------------------------------- geometry

Shape conv_onnx_shape(const Shape& value, const Data& data) {
    return data.shape.size() == 2 ? Shape{value[0], value[2]} : value;
}

Shape vector_onnx_shape(const Shape& value, const Data& data) {
    Shape shape = data.shape;
    shape.back() = value[0];
    return shape;
}

MatVec conv_geometry(const NodeView& node, const Data& data, const Tensor& weight) {
    const Shape image = image_shape(node, data.shape);
    if (weight.dims.size() != data.shape.size() + 1)
        node.fail("weights '{}' of shape {} for an input of {} per sample", weight.name, dims_text(weight.dims),
                  to_string(data.shape));
    const std::vector<int64_t> kernel(weight.dims.begin() + 2, weight.dims.end());
    if (node.has("kernel_shape") && node.integers("kernel_shape") != kernel)
        node.fail("kernel_shape {} differs from the weights' {}", dims_text(node.integers("kernel_shape")),
                  dims_text(kernel));
    MatVec op;
    op.is_convolution = true;
    op.in_channels = image[0];
    op.out_channels = weight.dims[0];
    op.groups = node.integer("group", 1);
    if (op.groups < 1 || op.in_channels % op.groups != 0 || op.out_channels % op.groups != 0)
        node.fail("group {} does not divide {} input and {} output channels", op.groups, op.in_channels,
                  op.out_channels);
    if (weight.dims[1] != op.in_channels / op.groups)
        node.fail("weights '{}' take {} channels per group, the input has {}", weight.name, weight.dims[1],
                  op.in_channels / op.groups);
    op.window = read_window(node, data.shape, kernel, data.margin);
    return op;
}

/// Geometry of rows x weights^T; `weight` is (out x in).
MatVec vector_geometry(const NodeView& node, const Data& data, const Tensor& weight) {
    require_no_margin(node, data);
    if (weight.dims.size() != 2)
        node.fail("weights '{}' of shape {}; a matrix is read", weight.name, dims_text(weight.dims));
    MatVec op;
    op.in_channels = weight.dims[1];
    op.out_channels = weight.dims[0];
    if (data.shape.empty() || data.shape.back() != op.in_channels || element_count(data.shape) != op.in_channels)
        node.fail("input of shape {} per sample, where one vector of {} is read", to_string(data.shape),
                  op.in_channels);
    return op;
}

/// Gemm's alpha or beta on a constant; codes keep their meaning only where the factor is positive (their scale
/// changes).
Tensor scaled(const Tensor& tensor, float factor) {
    Tensor out = tensor;
    for (float& v : out.real) v *= factor;
    out.codes = nullptr;
    if (tensor.codes != nullptr && factor > 0) {
        Codes codes = *tensor.codes;
        for (float& s : codes.quantizer.scale) s *= factor;
        out.codes = std::make_shared<const Codes>(std::move(codes));
    }
    return out;
}

Tensor matrix_transposed(const NodeView& node, const Tensor& weight) {
    if (weight.dims.size() != 2)
        node.fail("weights '{}' of shape {}; a matrix is read", weight.name, dims_text(weight.dims));
    return transposed(weight, {1, 0});
}

// ---------------------------------------------------------------------------------------------- operator form

/// Operator form states codes, scales and zero points as inputs of its own; weights as Codes in ONNX's order.
Tensor coded_weight(const Importer& state, const NodeView& node, int codes, const Tensor& scale, int zero_point,
                    int64_t axis) {
    const Tensor& stored = constant_input(state, node, codes, "weights");
    Tensor out;
    out.name = stored.name;
    out.dims = stored.dims;
    out.codes = std::make_shared<const Codes>(
        typed_codes(node, stored, scale, optional_constant(state, node, zero_point, "zero point"), axis));
    out.real = dequantized(*out.codes, out.dims);
    if (out.codes->quantizer.bits > 16) node.fail("weights '{}' have more than 16 bits", out.name);
    return out;
}

/// int32 bias of operator form: already in units of s_x * s_w[c].
void set_integer_bias(const Importer& state, const NodeView& node, int input, MatVec* op) {
    const Tensor* bias = optional_constant(state, node, input, "bias");
    if (bias == nullptr) return;
    if (bias->type != ElementType::int32 || bias->count() != op->out_channels)
        node.fail("bias '{}' violates one int32 entry per output channel ({})", bias->name, op->out_channels);
    op->bias_codes = bias->whole;
}

void emit_codes_layer(Importer& state, const NodeView& node, const MatVec& op, const Data& data,
                      const Shape& input_shape, const std::optional<Quantizer>& output, Data* out) {
    spend(state, node, op.codes.size());
    Data inner = data;
    inner.margin = {};
    const int input = shaped_value(state, node, inner, input_shape);
    out->value = add_node(state, node, op, {input}, node.output(), output);
    out->scale = output ? output->scale[0] : 1.0F;
}

/// Requantization of QLinearConv and QLinearMatMul, in the order of ONNX Runtime: (s_x * s_w) / s_y.
void requantize(const NodeView& node, float input_scale, float output_scale, MatVec* op) {
    RequantizeOutput output;
    for (const float scale : sum_scales(node, input_scale, op->weight, op->out_channels)) {
        output.multiplier.push_back(scale / output_scale);
        if (!std::isfinite(output.multiplier.back())) node.fail("s_x * s_w / s_y leaves the range of float32");
    }
    op->output = std::move(output);
}

/// Inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point of the QLinear operators.
void import_qlinear(Importer& state, const NodeView& node, bool convolution) {
    const ZeroPoint zero = read_zero_point(state, node, 2);
    const Data data = codes_with_zero_point(state, node, data_input(state, node, 0), zero.value);
    const float input_scale = scalar_scale(node, constant_input(state, node, 1, "scale"));
    Tensor weight = coded_weight(state, node, 3, constant_input(state, node, 4, "scale"), 5, convolution ? 0 : 1);
    if (!convolution) weight = matrix_transposed(node, weight);
    if (!fits_matvec(weight)) node.fail("weight scales lie neither per tensor nor per output channel");
    MatVec op = convolution ? conv_geometry(node, data, weight) : vector_geometry(node, data, weight);
    set_weight_codes(*weight.codes, &op);
    const float output_scale = scalar_scale(node, constant_input(state, node, 6, "scale"));
    const ZeroPoint output_zero = read_zero_point(state, node, 7);
    requantize(node, input_scale, output_scale, &op);
    if (convolution) set_integer_bias(state, node, 8, &op);
    Data out;
    out.type = output_zero.type;
    emit_codes_layer(state, node, op, data, convolution ? image_shape(node, data.shape) : Shape{op.in_channels},
                     typed_quantizer(node, output_scale, output_zero), &out);
    out.shape = convolution ? conv_onnx_shape(value_of(state, out).shape, data)
                            : vector_onnx_shape(value_of(state, out).shape, data);
    set_output(state, node, out);
}

/// Inputs x, w, x_zero_point, w_zero_point; the output is the bare sum, a whole number.
void import_integer(Importer& state, const NodeView& node, bool convolution) {
    const ZeroPoint zero = read_zero_point(state, node, 2);
    Data data = codes_with_zero_point(state, node, data_input(state, node, 0), zero.value);
    Tensor weight = coded_weight(state, node, 1, real_scalar("", 1.0F), 3, convolution ? 0 : 1);
    if (!convolution) weight = matrix_transposed(node, weight);
    if (!fits_matvec(weight)) node.fail("weight zero points lie neither per tensor nor per output channel");
    MatVec op = convolution ? conv_geometry(node, data, weight) : vector_geometry(node, data, weight);
    set_weight_codes(*weight.codes, &op);
    op.output = ScaleOutput{std::vector<float>(size_t(op.out_channels), 1.0F), {}};
    Data out;
    out.type = ElementType::int32;
    emit_codes_layer(state, node, op, data, convolution ? image_shape(node, data.shape) : Shape{op.in_channels},
                     std::nullopt, &out);
    out.shape = convolution ? conv_onnx_shape(value_of(state, out).shape, data)
                            : vector_onnx_shape(value_of(state, out).shape, data);
    set_output(state, node, out);
}

}  // namespace

void import_conv(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const Tensor& weight = constant_input(state, node, 1, "weights");
    const Layer layer{conv_geometry(node, data, weight), &weight, optional_constant(state, node, 2, "bias")};
    emit_layer(state, node, layer, data, image_shape(node, data.shape), conv_onnx_shape);
}

void import_gemm(Importer& state, const NodeView& node) {
    if (node.integer("transA", 0) != 0) node.fail("transA = 1 mixes samples");
    const Data data = data_input(state, node, 0);
    Tensor weight = constant_input(state, node, 1, "weights");
    require_weights(node, weight);
    if (node.integer("transB", 0) == 0) weight = matrix_transposed(node, weight);
    if (const float alpha = node.real("alpha", 1.0F); alpha != 1) weight = scaled(weight, alpha);
    Layer layer{vector_geometry(node, data, weight), &weight, optional_constant(state, node, 2, "bias")};
    Tensor bias;
    if (const float beta = node.real("beta", 1.0F); layer.bias != nullptr && beta != 1) {
        bias = scaled(*layer.bias, beta);
        layer.bias = &bias;
    }
    emit_layer(state, node, layer, data, {layer.op.in_channels}, vector_onnx_shape);
}

void import_matmul(Importer& state, const NodeView& node) {
    if (is_constant(state, node, 0)) node.fail("has its weights on the left; x W is read, W x is not");
    const Data data = data_input(state, node, 0);
    const Tensor weight = matrix_transposed(node, constant_input(state, node, 1, "weights"));
    const Layer layer{vector_geometry(node, data, weight), &weight, nullptr};
    emit_layer(state, node, layer, data, {layer.op.in_channels}, vector_onnx_shape);
}

void import_qlinear_conv(Importer& state, const NodeView& node) { import_qlinear(state, node, true); }
void import_qlinear_matmul(Importer& state, const NodeView& node) { import_qlinear(state, node, false); }
void import_conv_integer(Importer& state, const NodeView& node) { import_integer(state, node, true); }
void import_matmul_integer(Importer& state, const NodeView& node) { import_integer(state, node, false); }

}  // namespace bitline::reader
