#include "core/onnx/reader_operators.h"

#include <map>
#include <set>

#include "core/model_io.h"

namespace bitline::reader {

namespace {

using Import = void (*)(Importer&, const NodeView&);

const std::map<std::string, Import>& standard_imports() {
    static const std::map<std::string, Import> table = {
        {"Add", import_arithmetic},
        {"AveragePool", import_average_pool},
        {"BatchNormalization", import_batch_norm},
        {"Cast", import_cast},
        {"Clip", import_clip},
        {"Concat", import_concat},
        {"Conv", import_conv},
        {"ConvInteger", import_conv_integer},
        {"DequantizeLinear", import_dequantize_linear},
        {"Div", import_arithmetic},
        {"Dropout", import_dropout},
        {"Flatten", import_flatten},
        {"Gemm", import_gemm},
        {"GlobalAveragePool", import_global_pool},
        {"GlobalMaxPool", import_global_pool},
        {"GreaterOrEqual", import_greater_or_equal},
        {"Identity", import_identity},
        {"MatMul", import_matmul},
        {"MatMulInteger", import_matmul_integer},
        {"MaxPool", import_max_pool},
        {"Mul", import_arithmetic},
        {"Pad", import_pad},
        {"Pow", import_arithmetic},
        {"QLinearConv", import_qlinear_conv},
        {"QLinearMatMul", import_qlinear_matmul},
        {"QuantizeLinear", import_quantize_linear},
        {"Relu", import_activation},
        {"Reshape", import_reshape},
        {"Shape", import_shape},
        {"Sigmoid", import_activation},
        {"Sign", import_activation},
        {"Softmax", import_softmax},
        {"Squeeze", import_squeeze},
        {"Sub", import_arithmetic},
        {"Tanh", import_activation},
        {"Transpose", import_transpose},
        {"Unsqueeze", import_unsqueeze},
    };
    return table;
}

const std::map<std::string, Import>& qonnx_imports() {
    static const std::map<std::string, Import> table = {
        {"BipolarQuant", import_bipolar_quant},
        {"IntQuant", import_quant},
        {"Quant", import_quant},
        {"Trunc", import_trunc},
    };
    return table;
}

/// QONNX's operators live in several domains; some exporters state none.
bool has_domain(const NodeView& node, bool qonnx) {
    static const std::set<std::string> standard = {"", "ai.onnx"};
    static const std::set<std::string> quantizers = {"", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas",
                                                     "finn.custom_op.general"};
    const std::string& domain = node.proto().domain();
    // ONNX Runtime's own versions of these two add 16-bit codes to older opsets and are otherwise the same.
    if (domain == "com.microsoft") return node.type() == "QuantizeLinear" || node.type() == "DequantizeLinear";
    return (qonnx ? quantizers : standard).count(domain) != 0;
}

[[noreturn]] void refuse(const NodeView& node) {
    const std::string& domain = node.proto().domain();
    node.fail("operator {}{} is not read here; `bitline list operators` names those that are",
              domain.empty() ? "" : domain + ":", node.type());
}

bool all_inputs_constant(const Importer& state, const NodeView& node) {
    for (int i = 0; i < node.input_count(); ++i)
        if (node.has_input(i) && !is_constant(state, node, i)) return false;
    return true;
}

}  // namespace

void import_node(Importer& state, const NodeView& node) {
    const bool qonnx = qonnx_imports().count(node.type()) != 0;
    if (!has_domain(node, qonnx)) refuse(node);
    if (all_inputs_constant(state, node)) {
        if (!fold_node(state, node)) refuse(node);
        return;
    }
    const auto& table = qonnx ? qonnx_imports() : standard_imports();
    const auto import = table.find(node.type());
    if (import == table.end()) refuse(node);
    import->second(state, node);
}

}  // namespace bitline::reader

namespace bitline {

std::vector<std::string> onnx_operators() {
    std::vector<std::string> names;
    for (const auto& [name, import] : reader::standard_imports()) names.push_back(name);
    for (const auto& [name, import] : reader::qonnx_imports()) names.push_back(name);
    return names;
}

}  // namespace bitline
