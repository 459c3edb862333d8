// QuantizeLinear, DequantizeLinear and QONNX's quantizers on values of the network.

#include <algorithm>
#include <cmath>

#include "core/onnx/reader_operators.h"
#include "core/onnx/reader_quantizers.h"

namespace bitline::reader {

namespace {

/// A value that already holds the codes of `op.to` stays as it is: quantizing what was just dequantized is the
/// identity.
void emit_quantize(Importer& state, const NodeView& node, const Data& data, const Quantize& op, ElementType type) {
    require_real(state, node, data);
    Data out = data;
    if (!has_codes(state, data) || effective_quantizer(state, data) != op.to) {
        Data inner = data;
        inner.margin = {};
        out = emit(state, node, op, {numeric_value(state, node, inner)}, data.shape, op.to);
        out.margin = data.margin;
        if (op.to.kind == Quantizer::Kind::bipolar) require_no_margin(node, data);  // no code stands for zero
    }
    out.type = type;
    set_output(state, node, out);
}

void require_no_blocks(const NodeView& node) {
    if (node.integer("block_size", 0) != 0) node.fail("block_size is not read; quantize per tensor or per channel");
}

/// Whole numbers without codes (the sums of ConvInteger): x = (q - zero) * scale in float32.
void dequantize_sums(Importer& state, const NodeView& node, const Data& data, float scale, int32_t zero) {
    int value = numeric_value(state, node, data);
    if (zero != 0)
        value = add_node(state, node, Arithmetic{Arithmetic::Kind::subtract, {static_cast<float>(zero)}}, {value},
                         node.output() + "_shifted");
    emit(state, node, Arithmetic{Arithmetic::Kind::multiply, {scale}}, {value}, data.shape);
}

}  // namespace

ZeroPoint read_zero_point(const Importer& state, const NodeView& node, int input) {
    ZeroPoint zero;
    const Tensor* tensor = optional_constant(state, node, input, "zero point");
    if (tensor == nullptr) return zero;
    if (!is_integer(tensor->type)) node.fail("zero point '{}' is no integer tensor", tensor->name);
    const int64_t first = tensor->whole[0];
    if (std::any_of(tensor->whole.begin(), tensor->whole.end(), [&](int64_t z) { return z != first; }))
        node.fail("zero point '{}' has different entries; a value of the network is quantized per tensor",
                  tensor->name);
    zero.type = tensor->type;
    zero.value = static_cast<int32_t>(first);
    return zero;
}

Quantizer typed_quantizer(const NodeView& node, float scale, const ZeroPoint& zero) {
    const TypeRange range = range_of(zero.type);
    if (range.bits > 16 || zero.type == ElementType::boolean)
        node.fail("a value of the network has codes of {} bits, which violates bits <= 16", range.bits);
    Quantizer quantizer;
    quantizer.scale = {scale};
    quantizer.zero_point = {zero.value};
    quantizer.bits = range.bits;
    quantizer.is_signed = range.is_signed;
    return quantizer;
}

Data codes_with_zero_point(Importer& state, const NodeView& node, const Data& data, int32_t zero) {
    if (!data.integer()) node.fail("reads codes, but '{}' holds float numbers", value_of(state, data).name);
    if (has_codes(state, data)) {
        const int32_t own = value_of(state, data).quantizer->zero_point[0];
        if (own != zero)
            node.fail("zero point {} differs from {}, with which '{}' was quantized", zero, own,
                      value_of(state, data).name);
        return data;
    }
    // Whole numbers q of the graph's input become codes: rne((q - zero) / 1) + zero = q.
    const Quantizer quantizer = typed_quantizer(node, 1.0F, {zero, data.type});
    const std::string name = value_of(state, data).name;
    int value = numeric_value(state, node, data);
    if (zero != 0)
        value = add_node(state, node, Arithmetic{Arithmetic::Kind::subtract, {static_cast<float>(zero)}}, {value},
                         name + "_shifted");
    Data out = data;
    out.value = add_node(state, node, Quantize{quantizer}, {value}, name + "_codes", quantizer);
    out.scale = 1;
    return out;
}

void import_quantize_linear(Importer& state, const NodeView& node) {
    require_no_blocks(node);
    const Data data = data_input(state, node, 0);
    const float scale = scalar_scale(node, constant_input(state, node, 1, "scale"));
    ZeroPoint zero = read_zero_point(state, node, 2);
    if (!node.has_input(2)) zero.type = declared_code_type(node);
    const Quantizer to = typed_quantizer(node, scale, zero);
    emit_quantize(state, node, data, Quantize{to}, zero.type);
}

void import_dequantize_linear(Importer& state, const NodeView& node) {
    require_no_blocks(node);
    Data data = data_input(state, node, 0);
    const float scale = scalar_scale(node, constant_input(state, node, 1, "scale"));
    const ZeroPoint zero = read_zero_point(state, node, 2);
    if (data.integer() && !has_codes(state, data) && range_of(data.type).bits > 16)
        return dequantize_sums(state, node, data, scale, zero.value);
    data = codes_with_zero_point(state, node, data, zero.value);
    data.type = ElementType::float32;
    if (scale != data.scale) {
        if (data.changes.size() >= kMostScaleChanges) node.fail("changes the scale of codes too often");
        const std::string name = node.output() + "_scaled";
        data.changes.push_back({name, name, node.type(), {Arithmetic::Kind::multiply, {scale / data.scale}}});
        data.scale = scale;
    }
    set_output(state, node, data);
}

void import_quant(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    emit_quantize(state, node, data, read_quant(state, node), ElementType::float32);
}

void import_bipolar_quant(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const float scale = scalar_scale(node, constant_input(state, node, 1, "scale"));
    emit_quantize(state, node, data, Quantize{bipolar_quantizer({scale})}, ElementType::float32);
}

void import_trunc(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const Truncate op = read_trunc(state, node);
    emit(state, node, op, {numeric_value(state, node, data)}, data.shape, op.to);
}

}  // namespace bitline::reader
