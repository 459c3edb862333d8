// ONNX to Network: parse, order the nodes, read them one by one, fold thresholds, check.

#include <filesystem>

#include "core/data.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model_io.h"
#include "core/onnx/narrow_bits.h"
#include "core/onnx/reader_model.h"
#include "core/onnx/reader_operators.h"

namespace bitline {

namespace {

using namespace reader;

// How many numbers folding may make: a weight of 4 bits is held, dequantized, transposed and copied into its layer.
constexpr int64_t kNumbersPerByte = 16, kSpareNumbers = int64_t(1) << 25;

constexpr const char* kPreprocessKey = "bitline.preprocess";

/// Sizes per sample from a graph input's declared shape; the first axis is the batch, whatever its size.
Shape declared_sample(const onnx::ValueInfoProto& input, int64_t* batch) {
    const auto fail = [&](const std::string& why) {
        throw FormatError(fmt::format("graph input '{}': {}", input.name(), why));
    };
    if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape())
        fail("declares no tensor shape; export the model with one");
    const auto& dims = input.type().tensor_type().shape().dim();
    if (dims.size() < 2) fail(fmt::format("has {} axes; the batch and at least one more are needed", dims.size()));
    if (dims[0].has_dim_value() && dims[0].dim_value() > 0) *batch = dims[0].dim_value();
    Shape sample;
    for (int a = 1; a < dims.size(); ++a) {
        if (!dims[a].has_dim_value()) fail(fmt::format("axis {} has no fixed size; only the batch may be open", a));
        sample.push_back(dims[a].dim_value());
    }
    checked_count(sample, kMaxValueElements, fmt::format("graph input '{}'", input.name()));
    return sample;
}

void import_input(Importer& state, const onnx::ValueInfoProto& input) {
    Data data;
    data.shape = declared_sample(input, &state.batch);
    const int declared = input.type().tensor_type().elem_type();
    const auto type = element_type(declared);
    if (!type || *type == ElementType::boolean)
        throw FormatError(fmt::format("graph input '{}': type {} is not read", input.name(), onnx_type_name(declared)));
    data.type = *type;
    data.value = add_value(state, input.name(), data.shape, std::nullopt);
    state.network.input = data.value;
    state.known.emplace(input.name(), data);
}

void import_initializers(Importer& state, const Plan& plan) {
    std::set<std::string> read;
    for (const onnx::NodeProto* node : plan.nodes) read.insert(node->input().begin(), node->input().end());
    for (const auto& [name, proto] : plan.initializers)
        if (read.count(name) != 0) state.known.emplace(name, std::make_shared<const Tensor>(decode(*proto, name)));
}

/// The network's output: real numbers as they are, codes without pending scale changes.
void import_output(Importer& state, const Plan& plan) {
    const auto* data = std::get_if<Data>(&state.known.at(plan.output));
    if (data == nullptr || state.network.nodes.empty())
        throw FormatError(fmt::format("graph output '{}' is no layer's result", plan.output));
    onnx::NodeProto proto;
    proto.set_op_type("Output");
    proto.add_output(plan.output);
    const NodeView node(proto, state.opset);
    Data numbers = *data;
    numbers.type = ElementType::float32;  // codes as output stand for their real numbers
    state.network.output = shaped_numeric_value(state, node, numbers);
}

void import_metadata(Network& network, const onnx::ModelProto& model) {
    for (const auto& entry : model.metadata_props()) {
        if (entry.key() != kPreprocessKey) {
            network.metadata[entry.key()] = entry.value();
            continue;
        }
        try {
            network.preprocess = parse_preprocess(entry.value());
        } catch (const ConfigError& error) {
            throw FormatError(fmt::format("metadata {}: {}", kPreprocessKey, error.what()));
        }
    }
}

Network import_model(const std::string& bytes, const std::string& name) {
    const onnx::ModelProto model = parse_model(bytes);
    Importer state;
    state.opset = standard_opset(model);
    state.budget = kSpareNumbers + kNumbersPerByte * static_cast<int64_t>(bytes.size());
    const Plan plan = plan_graph(model.graph());
    state.network.name = std::filesystem::path(name).stem().string();
    import_metadata(state.network, model);
    import_input(state, *plan.input);
    import_initializers(state, plan);
    for (const onnx::NodeProto* node : plan.nodes) import_node(state, NodeView(*node, state.opset));
    import_output(state, plan);
    simplify(state);
    onnx_writer::restore_bits(state.network);
    validate(state.network);  // fold_thresholds runs parts of the network
    fold_thresholds(state.network);
    validate(state.network);
    return std::move(state.network);
}

}  // namespace

Network read_onnx_bytes(const std::string& bytes, const std::string& name) {
    try {
        return import_model(bytes, name);
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", name, error.what()));
    }
}

Network read_onnx(const std::string& path) { return read_onnx_bytes(read_file(path, "model"), path); }

}  // namespace bitline
