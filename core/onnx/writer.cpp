// A network as ONNX that other programs run: QDQ (QuantizeLinear and DequantizeLinear around float operators) for what
// is quantized, plain float operators for the rest. Opset 13, the first with per-channel DequantizeLinear; opset 21
// only where 9 to 16 bits need its 16-bit integers.
//
// ONNX Runtime gives these codes with graph optimizations off. With them on it fuses QDQ into integer kernels, and on
// processors without VNNI those of uint8 activations and int8 weights add pairs of products in saturating 16 bits
// (ONNX Runtime, "Quantize ONNX models", section on U8S8): large weights then give wrong sums there.

#include <fmt/format.h>

#include <fstream>

#include "core/data.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model_io.h"
#include "core/onnx/writer_graph.h"
#include "core/version.h"

namespace bitline {

namespace onnx_writer {

namespace {

constexpr int64_t kMaxBytes = int64_t(1) << 31;  // Protobuf's own limit of one message

void declare(onnx::ValueInfoProto& info, const std::string& name, const Shape& shape) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(onnx::TensorProto::FLOAT);
    tensor.mutable_shape()->add_dim()->set_dim_param("N");
    for (const int64_t size : shape) tensor.mutable_shape()->add_dim()->set_dim_value(size);
}

void add_metadata(onnx::ModelProto& model, const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
}

void describe(GraphWriter& graph) {
    onnx::ModelProto& model = graph.model;
    const int64_t opset = graph.needs_opset_21 ? 21 : 13;
    model.set_ir_version(graph.needs_opset_21 ? 10 : 7);  // the versions that these opsets were published with
    model.set_producer_name("bitline");
    model.set_producer_version(kVersion);
    model.add_opset_import()->set_version(opset);
    model.mutable_graph()->set_name(graph.network.name.empty() ? "network" : graph.network.name);
    if (graph.network.preprocess) add_metadata(model, "bitline.preprocess", to_string(*graph.network.preprocess));
    for (const auto& [key, value] : graph.network.metadata) {
        if (key != "bitline.preprocess") add_metadata(model, key, value);
    }
}

onnx::ModelProto build(const Network& network) {
    GraphWriter graph(network);
    const Value& input = network.values[size_t(network.input)];
    if (input.quantizer) {
        throw ConfigError(
            fmt::format("network '{}': its input '{}' holds codes, but a QDQ network starts from real "
                        "numbers; write HDF5 (.h5) instead",
                        network.name, input.name));
    }
    graph.real_name[size_t(network.input)] = graph.value_name[size_t(network.input)];
    for (const Node& node : network.nodes) write_operator(graph, node);

    onnx::GraphProto& proto = *graph.model.mutable_graph();
    declare(*proto.add_input(), real_tensor(graph, network.input), input.shape);
    declare(*proto.add_output(), real_tensor(graph, network.output), network.values[size_t(network.output)].shape);
    describe(graph);
    return std::move(graph.model);
}

void write_bytes(const onnx::ModelProto& model, const std::string& path, const std::string& temporary) {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    if (!file || !model.SerializeToOstream(&file) || !file.flush()) {
        throw RunError(fmt::format("{}: writing the ONNX model failed; is the disk full?", path));
    }
}

}  // namespace

}  // namespace onnx_writer

void write_onnx(const Network& network, const std::string& path) {
    validate(network);
    const onnx::ModelProto model = onnx_writer::build(network);
    if (int64_t(model.ByteSizeLong()) >= onnx_writer::kMaxBytes) {
        throw ConfigError(
            fmt::format("{}: the model violates ONNX's limit of 2 GiB per file; write HDF5 (.h5) instead", path));
    }
    write_atomically(path, [&](const std::string& temporary) { onnx_writer::write_bytes(model, path, temporary); });
}

}  // namespace bitline
