// y = a[c] * (W x + b)[c] + d[c] is the layer with weights a[c] W[c] and bias a[c] b[c] + d[c].

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/quantize_parts.h"

namespace bitline::quantization {

namespace {

struct Affine {
    std::vector<double> factor, offset;  // (channels)
};

std::optional<Affine> affine_of(const BatchNorm& op, size_t channels) {
    Affine affine{std::vector<double>(channels), std::vector<double>(channels)};
    for (size_t c = 0; c < channels; ++c) {
        affine.factor[c] = double(op.gamma[c]) / std::sqrt(double(op.variance[c]) + double(op.epsilon));
        affine.offset[c] = double(op.beta[c]) - double(op.mean[c]) * affine.factor[c];
    }
    return affine;
}

std::optional<Affine> affine_of(const Arithmetic& op, size_t channels) {
    const size_t entries = op.constant.size();
    if (entries != 1 && entries != channels) return std::nullopt;  // one per element
    Affine affine{std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)};
    for (size_t c = 0; c < channels; ++c) {
        const double k = op.constant[entries == 1 ? 0 : c];
        switch (op.kind) {
            case Arithmetic::Kind::add:
                affine.offset[c] = k;
                break;
            case Arithmetic::Kind::subtract:
                affine.offset[c] = -k;
                break;
            case Arithmetic::Kind::subtract_from:
                affine.factor[c] = -1;
                affine.offset[c] = k;
                break;
            case Arithmetic::Kind::multiply:
                affine.factor[c] = k;
                break;
            case Arithmetic::Kind::divide:
                affine.factor[c] = 1 / k;
                break;
            default:
                return std::nullopt;
        }
    }
    return affine;
}

std::optional<Affine> affine_of(const Operator& op, size_t channels) {
    if (const auto* norm = std::get_if<BatchNorm>(&op)) return affine_of(*norm, channels);
    if (const auto* arithmetic = std::get_if<Arithmetic>(&op)) return affine_of(*arithmetic, channels);
    return std::nullopt;
}

/// False where the folded layer would leave float32 (a division by 0, a variance near 0).
bool apply(const Affine& affine, MatVec& op) {
    MatVec folded = op;
    if (folded.real_bias.empty()) folded.real_bias.assign(size_t(op.out_channels), 0.0F);
    const auto rows = size_t(op.rows());
    for (size_t c = 0; c < size_t(op.out_channels); ++c) {
        for (size_t r = 0; r < rows; ++r) {
            float& weight = folded.real_weights[c * rows + r];
            weight = float(double(weight) * affine.factor[c]);
        }
        folded.real_bias[c] = float(double(folded.real_bias[c]) * affine.factor[c] + affine.offset[c]);
    }
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(folded.real_weights.begin(), folded.real_weights.end(), finite)) return false;
    if (!std::all_of(folded.real_bias.begin(), folded.real_bias.end(), finite)) return false;
    op = std::move(folded);
    return true;
}

/// The only node that reads the output of `node`, or -1.
int only_reader(const Network& network, const Node& node) {
    if (network.output == node.output) return -1;
    int reader = -1;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        for (const int input : network.nodes[i].inputs) {
            if (input != node.output) continue;
            if (reader >= 0) return -1;
            reader = int(i);
        }
    }
    return reader;
}

/// Drops the values that no node reads or writes any more.
void drop_unused_values(Network& network) {
    std::vector<bool> used(network.values.size(), false);
    used[size_t(network.input)] = used[size_t(network.output)] = true;
    for (const Node& node : network.nodes) {
        used[size_t(node.output)] = true;
        for (const int input : node.inputs) used[size_t(input)] = true;
    }
    std::vector<int> index(network.values.size(), -1);
    std::vector<Value> kept;
    for (size_t i = 0; i < network.values.size(); ++i) {
        if (!used[i]) continue;
        index[i] = int(kept.size());
        kept.push_back(std::move(network.values[i]));
    }
    network.values = std::move(kept);
    network.input = index[size_t(network.input)];
    network.output = index[size_t(network.output)];
    for (Node& node : network.nodes) {
        node.output = index[size_t(node.output)];
        for (int& input : node.inputs) input = index[size_t(input)];
    }
}

/// Folds the node behind layer `i` into it. The layer takes over that node's output.
bool fold_next(Network& network, size_t i) {
    auto* op = std::get_if<MatVec>(&network.nodes[i].op);
    if (!op) return false;
    const int reader = only_reader(network, network.nodes[i]);
    if (reader < 0) return false;
    const Node& next = network.nodes[size_t(reader)];
    const std::optional<Affine> affine = affine_of(next.op, size_t(op->out_channels));
    if (!affine || !apply(*affine, *op)) return false;
    network.nodes[i].output = next.output;
    if (!next.origin.empty()) network.nodes[i].origin += "+" + next.origin;
    network.nodes.erase(network.nodes.begin() + reader);
    return true;
}

}  // namespace

int fold_constants(Network& network) {
    int folded = 0;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        while (fold_next(network, i)) ++folded;
    }
    drop_unused_values(network);
    return folded;
}

}  // namespace bitline::quantization
