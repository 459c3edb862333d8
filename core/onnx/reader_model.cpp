#include "core/onnx/reader_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/common.h>
#include <google/protobuf/stubs/logging.h>

#include <limits>
#include <mutex>
#include <queue>
#include <unordered_map>

#include "core/error.h"

namespace bitline::reader {

namespace {

/// The messages nest graphs in attributes; honest models need a handful of levels.
constexpr int kDeepestNesting = 64;

/// Protobuf writes parse errors to stderr unless told otherwise; the library never prints.
void silence_protobuf() {
    static std::once_flag once;
    std::call_once(once, [] { google::protobuf::SetLogHandler(nullptr); });
}

bool is_standard_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

using Producers = std::unordered_map<std::string, int>;  // tensor name -> index of the node that gives it

Producers find_producers(const onnx::GraphProto& graph, const Plan& plan, const std::set<std::string>& inputs) {
    Producers producers;
    for (int i = 0; i < graph.node_size(); ++i) {
        for (const std::string& name : graph.node(i).output()) {
            if (name.empty()) continue;
            if (plan.initializers.count(name) != 0 || inputs.count(name) != 0 || !producers.emplace(name, i).second)
                throw FormatError(
                    fmt::format("{}: tensor '{}' is already given elsewhere", node_label(graph.node(i)), name));
        }
    }
    return producers;
}

/// Marks the nodes that the output depends on, and collects the graph inputs among what they read.
std::vector<bool> find_needed(const onnx::GraphProto& graph, const Producers& producers, const Plan& plan,
                              const std::set<std::string>& inputs, std::set<std::string>* read_inputs) {
    std::vector<bool> needed(static_cast<size_t>(graph.node_size()), false);
    std::vector<int> open;
    const auto visit = [&](const std::string& name, const std::string& reader) {
        if (const auto producer = producers.find(name); producer != producers.end()) {
            if (needed[size_t(producer->second)]) return;
            needed[size_t(producer->second)] = true;
            open.push_back(producer->second);
        } else if (inputs.count(name) != 0) {
            read_inputs->insert(name);
        } else if (plan.initializers.count(name) == 0) {
            throw FormatError(
                fmt::format("{}: tensor '{}' is given by no node, no initializer and no graph input", reader, name));
        }
    };
    visit(plan.output, "graph output");
    while (!open.empty()) {
        const onnx::NodeProto& node = graph.node(open.back());
        open.pop_back();
        for (const std::string& name : node.input())
            if (!name.empty()) visit(name, node_label(node));
    }
    return needed;
}

/// Kahn's algorithm with the file's order among the nodes that are ready.
std::vector<const onnx::NodeProto*> sort_nodes(const onnx::GraphProto& graph, const Producers& producers,
                                               const std::vector<bool>& needed) {
    std::vector<int> missing(needed.size(), 0);
    std::vector<std::vector<int>> readers(needed.size());
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    size_t total = 0;
    for (int i = 0; i < graph.node_size(); ++i) {
        if (!needed[size_t(i)]) continue;
        ++total;
        for (const std::string& name : graph.node(i).input()) {
            const auto producer = producers.find(name);
            if (name.empty() || producer == producers.end()) continue;
            readers[size_t(producer->second)].push_back(i);
            ++missing[size_t(i)];
        }
        if (missing[size_t(i)] == 0) ready.push(i);
    }
    std::vector<const onnx::NodeProto*> sorted;
    while (!ready.empty()) {
        const int i = ready.top();
        ready.pop();
        sorted.push_back(&graph.node(i));
        for (const int reader : readers[size_t(i)])
            if (--missing[size_t(reader)] == 0) ready.push(reader);
    }
    if (sorted.size() == total) return sorted;
    for (int i = 0; i < graph.node_size(); ++i)
        if (needed[size_t(i)] && missing[size_t(i)] > 0)
            throw FormatError(fmt::format("{}: is part of or depends on a cycle", node_label(graph.node(i))));
    return sorted;
}

void collect_initializers(const onnx::GraphProto& graph, Plan* plan) {
    if (graph.sparse_initializer_size() > 0)
        throw FormatError("the graph has sparse initializers, which are not read; export it with dense ones");
    for (const onnx::TensorProto& tensor : graph.initializer())
        if (!plan->initializers.emplace(tensor.name(), &tensor).second)
            throw FormatError(fmt::format("tensor '{}': two initializers have this name", tensor.name()));
}

}  // namespace

onnx::ModelProto parse_model(const std::string& bytes) {
    silence_protobuf();
    if (bytes.empty()) throw FormatError("the file is empty");
    if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
        throw FormatError(fmt::format("{} bytes exceed the 2 GiB that an ONNX file may have", bytes.size()));
    onnx::ModelProto model;
    google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                  static_cast<int>(bytes.size()));
    stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
    stream.SetRecursionLimit(kDeepestNesting);
    if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
        throw FormatError("is no ONNX model, or was truncated or corrupted");
    // Every field of the message is optional, so bytes of something else may parse as well.
    if (!model.has_graph() || model.graph().node_size() == 0)
        throw FormatError("holds no graph with nodes, so it is no ONNX model or was truncated");
    return model;
}

int standard_opset(const onnx::ModelProto& model) {
    for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
        if (!is_standard_domain(set.domain())) continue;
        if (set.version() < kFirstOpset || set.version() > kLastOpset)
            throw FormatError(fmt::format("opset {} violates {} <= opset <= {}; convert it with onnx.version_converter",
                                          set.version(), kFirstOpset, kLastOpset));
        return static_cast<int>(set.version());
    }
    throw FormatError("names no version of the standard operators (opset_import)");
}

std::string node_label(const onnx::NodeProto& node) {
    const std::string type =
        is_standard_domain(node.domain()) ? node.op_type() : fmt::format("{}:{}", node.domain(), node.op_type());
    if (!node.name().empty()) return fmt::format("node '{}' ({})", node.name(), type);
    return fmt::format("the {} node that gives '{}'", type, node.output_size() > 0 ? node.output(0) : std::string());
}

Plan plan_graph(const onnx::GraphProto& graph) {
    Plan plan;
    collect_initializers(graph, &plan);
    if (graph.output_size() != 1)
        throw FormatError(fmt::format("the graph has {} outputs; exactly one is read", graph.output_size()));
    plan.output = graph.output(0).name();

    std::set<std::string> inputs;  // without those that have an initializer, as IR versions before 4 list them
    for (const onnx::ValueInfoProto& input : graph.input())
        if (plan.initializers.count(input.name()) == 0 && !inputs.insert(input.name()).second)
            throw FormatError(fmt::format("two graph inputs are called '{}'", input.name()));

    const Producers producers = find_producers(graph, plan, inputs);
    std::set<std::string> read_inputs;
    const std::vector<bool> needed = find_needed(graph, producers, plan, inputs, &read_inputs);
    if (read_inputs.size() != 1)
        throw FormatError(fmt::format("the output depends on {} graph inputs ({}); exactly one is read",
                                      read_inputs.size(), fmt::join(read_inputs, ", ")));
    for (const onnx::ValueInfoProto& input : graph.input())
        if (read_inputs.count(input.name()) != 0) plan.input = &input;
    plan.nodes = sort_nodes(graph, producers, needed);
    return plan;
}

}  // namespace bitline::reader
