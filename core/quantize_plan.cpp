// Where quantizers go: see quantize_network.

#include <algorithm>
#include <numeric>

#include "core/quantize_parts.h"

namespace bitline::quantization {

namespace {

bool is_pool(const Operator& op, Pool::Kind kind) {
    const auto* pool = std::get_if<Pool>(&op);
    return pool && pool->kind == kind;
}

/// Moves or compares numbers only: codes stay codes.
bool keeps_codes(const Operator& op) {
    return is_pool(op, Pool::Kind::max) || std::holds_alternative<Reshape>(op) || std::holds_alternative<Permute>(op) ||
           std::holds_alternative<Concat>(op);
}

class Planner {
 public:
    explicit Planner(const Network& network);
    Plan plan();

 private:
    void find_roots();
    void mark_ways_to_layers();
    bool from_sum(int value) const;
    void require_codes(int value);
    int leader(int value) const;

    const Network& network_;
    std::vector<const Node*> producer_;    // (values) null for the network's input
    std::vector<std::vector<int>> roots_;  // (values) whose codes arrive here through operators that keep codes
    std::vector<bool> reaches_layer_;      // (values) a layer with weights depends on it
    std::vector<bool> quantized_;          // (values) gets a quantizer where it is produced
    std::vector<int> parent_;              // (values) union-find: values that share a quantizer
};

Planner::Planner(const Network& network)
    : network_(network),
      producer_(network.values.size(), nullptr),
      roots_(network.values.size()),
      reaches_layer_(network.values.size(), false),
      quantized_(network.values.size(), false),
      parent_(network.values.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Node& node : network.nodes) producer_[size_t(node.output)] = &node;
    find_roots();
    mark_ways_to_layers();
}

void Planner::find_roots() {
    roots_[size_t(network_.input)] = {network_.input};
    for (const Node& node : network_.nodes) {
        std::vector<int>& roots = roots_[size_t(node.output)];
        roots = {node.output};
        if (!keeps_codes(node.op)) continue;
        roots.clear();
        for (const int input : node.inputs) {
            roots.insert(roots.end(), roots_[size_t(input)].begin(), roots_[size_t(input)].end());
        }
        std::sort(roots.begin(), roots.end());
        roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
    }
}

void Planner::mark_ways_to_layers() {
    for (auto node = network_.nodes.rbegin(); node != network_.nodes.rend(); ++node) {
        if (!std::holds_alternative<MatVec>(node->op) && !reaches_layer_[size_t(node->output)]) continue;
        for (const int input : node->inputs) reaches_layer_[size_t(input)] = true;
    }
}

/// Comes out of a layer or a residual addition, through element-by-element functions only.
bool Planner::from_sum(int value) const {
    for (const Node* node = producer_[size_t(value)]; node; node = producer_[size_t(node->inputs[0])]) {
        if (std::holds_alternative<MatVec>(node->op) || std::holds_alternative<AddValues>(node->op)) return true;
        const bool pointwise = std::holds_alternative<Activation>(node->op) ||
                               std::holds_alternative<BatchNorm>(node->op) ||
                               std::holds_alternative<Arithmetic>(node->op);
        if (!pointwise) return false;
    }
    return false;
}

int Planner::leader(int value) const {
    while (parent_[size_t(value)] != value) value = parent_[size_t(value)];
    return value;
}

void Planner::require_codes(int value) {
    const std::vector<int>& roots = roots_[size_t(value)];
    for (const int root : roots) {
        quantized_[size_t(root)] = true;
        parent_[size_t(leader(root))] = leader(roots[0]);
    }
}

Plan Planner::plan() {
    for (const Node& node : network_.nodes) {
        if (std::holds_alternative<MatVec>(node.op)) {
            require_codes(node.inputs[0]);
            continue;
        }
        const bool joins = std::holds_alternative<Concat>(node.op);
        const bool mixes = std::holds_alternative<AddValues>(node.op) || is_pool(node.op, Pool::Kind::average);
        if (!(joins || mixes) || !reaches_layer_[size_t(node.output)]) continue;
        const std::vector<int> wanted = joins ? std::vector<int>{node.output} : node.inputs;
        for (const int value : wanted) {
            const std::vector<int>& roots = roots_[size_t(value)];
            if (std::any_of(roots.begin(), roots.end(), [this](int root) { return from_sum(root); })) {
                require_codes(value);
            }
        }
    }

    Plan plan{std::vector<int>(network_.values.size(), -1), 0};
    std::vector<int> number(network_.values.size(), -1);
    for (size_t v = 0; v < network_.values.size(); ++v) {
        if (!quantized_[v]) continue;
        int& group = number[size_t(leader(int(v)))];
        if (group < 0) group = plan.groups++;
        plan.group[v] = group;
    }
    return plan;
}

}  // namespace

Plan plan_quantizers(const Network& network) { return Planner(network).plan(); }

}  // namespace bitline::quantization
