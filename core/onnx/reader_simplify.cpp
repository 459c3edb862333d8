// Last steps of an import: only what the output needs, under names that differ.

#include <unordered_set>

#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

std::vector<bool> needed_values(const Network& network) {
    std::vector<bool> needed(network.values.size(), false);
    needed[size_t(network.input)] = true;
    needed[size_t(network.output)] = true;
    for (auto node = network.nodes.rbegin(); node != network.nodes.rend(); ++node)
        if (needed[size_t(node->output)])
            for (const int input : node->inputs) needed[size_t(input)] = true;
    return needed;
}

void drop_unneeded(Network& network) {
    const std::vector<bool> needed = needed_values(network);
    std::erase_if(network.nodes, [&](const Node& node) { return !needed[size_t(node.output)]; });
    std::vector<int> renumbered(needed.size(), -1);
    std::vector<Value> values;
    for (size_t i = 0; i < needed.size(); ++i) {
        if (!needed[i]) continue;
        renumbered[i] = static_cast<int>(values.size());
        values.push_back(std::move(network.values[i]));
    }
    network.values = std::move(values);
    const auto renumber = [&](int& value) { value = renumbered[size_t(value)]; };
    for (Node& node : network.nodes) {
        for (int& input : node.inputs) renumber(input);
        renumber(node.output);
    }
    renumber(network.input);
    renumber(network.output);
}

template <typename Named>
void make_names_unique(std::vector<Named>& items) {
    std::unordered_set<std::string> taken;
    for (Named& item : items) {
        const std::string wanted = item.name;
        for (int i = 2; !taken.insert(item.name).second; ++i) item.name = fmt::format("{}#{}", wanted, i);
    }
}

}  // namespace

void simplify(Importer& state) {
    drop_unneeded(state.network);
    make_names_unique(state.network.values);
    make_names_unique(state.network.nodes);
}

}  // namespace bitline::reader
