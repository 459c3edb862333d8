// Integer thresholds in place of float32 arithmetic.
//
//   MatVec -> acc (integer) -> float(acc) * scale + bias -> batch norm, constants, relu, clip -> Quantize or sign ->
//   code
//
// Each step is monotone in its argument, also with float32's rounding, so code(acc) is a staircase: rising or falling,
// channel by channel. Where its steps lie is found by bisection over acc with the reference's own functions, all levels
// and channels at once; nothing is approximated.

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/model_io.h"
#include "core/reference.h"

namespace bitline {

namespace {

constexpr int kMostBits = 8;
constexpr int64_t kExactSum = int64_t(1) << 52;      // twice a sum still is exact in double
constexpr size_t kMostThresholds = size_t(1) << 22;  // of one layer; a table beyond this size is worth nothing

/// A layer, the element-wise nodes behind it, and the node that makes codes; indices into Network::nodes.
struct Chain {
    int layer = -1;
    std::vector<int> between;
    int quantizer = -1;
};

/// The chain cut out of the network, with one value per output channel and nothing else.
struct Model {
    Network network;
    size_t channels = 0;
    std::vector<int32_t> codes;  // (levels) ascending
};

class NoEngine : public ProductEngine {
 public:
    void product(const Network&, int, std::span<const int32_t>, int64_t, int64_t, std::span<double>) override {}
};

// ---------------------------------------------------------------------------------------------- finding chains

struct Readers {
    std::vector<int> count;  // (values) nodes that read it, and one more for the network's output
    std::vector<int> last;   // (values) one of them, -1 where none
};

Readers find_readers(const Network& network) {
    Readers readers{std::vector<int>(network.values.size(), 0), std::vector<int>(network.values.size(), -1)};
    for (size_t i = 0; i < network.nodes.size(); ++i)
        for (const int value : network.nodes[i].inputs) {
            ++readers.count[size_t(value)];
            readers.last[size_t(value)] = static_cast<int>(i);
        }
    ++readers.count[size_t(network.output)];
    return readers;
}

bool makes_codes(const Network& network, const Node& node) {
    const auto& quantizer = network.values[size_t(node.output)].quantizer;
    if (!quantizer || quantizer->bits > kMostBits) return false;
    const auto* activation = std::get_if<Activation>(&node.op);
    return std::holds_alternative<Quantize>(node.op) || activation != nullptr;
}

/// Constants that one channel of a layer with `positions` outputs sees as one number.
bool is_per_channel(const std::vector<float>& constant, size_t channels) {
    return constant.size() == 1 || constant.size() == channels;
}

/// Powers and quotients by x are not monotone; sigmoid and tanh are not proven to be, to the last bit.
bool is_monotone(const Operator& op, size_t channels) {
    if (const auto* arithmetic = std::get_if<Arithmetic>(&op))
        return arithmetic->kind != Arithmetic::Kind::power && arithmetic->kind != Arithmetic::Kind::divide_into &&
               is_per_channel(arithmetic->constant, channels);
    if (const auto* activation = std::get_if<Activation>(&op))
        return activation->kind == Activation::Kind::relu || activation->kind == Activation::Kind::clip;
    return std::holds_alternative<BatchNorm>(op);
}

/// Only batch norms and per-channel constants are worth a table; a plain scale is not.
bool is_worth_folding(const Network& network, const Chain& chain) {
    return std::any_of(chain.between.begin(), chain.between.end(), [&](int i) {
        const Operator& op = network.nodes[size_t(i)].op;
        const auto* arithmetic = std::get_if<Arithmetic>(&op);
        return std::holds_alternative<BatchNorm>(op) || (arithmetic != nullptr && arithmetic->constant.size() > 1);
    });
}

std::optional<Chain> find_chain(const Network& network, const Readers& readers, int layer) {
    const Node& node = network.nodes[size_t(layer)];
    if (!is_mappable(network, node) || !std::holds_alternative<ScaleOutput>(std::get<MatVec>(node.op).output))
        return std::nullopt;
    const auto channels = static_cast<size_t>(std::get<MatVec>(node.op).out_channels);
    Chain chain{layer, {}, -1};
    for (int value = node.output; readers.count[size_t(value)] == 1 && readers.last[size_t(value)] >= 0;) {
        const int next = readers.last[size_t(value)];
        const Node& follower = network.nodes[size_t(next)];
        if (makes_codes(network, follower)) {
            chain.quantizer = next;
            return is_worth_folding(network, chain) ? std::optional(chain) : std::nullopt;
        }
        if (follower.inputs.size() != 1 || !is_monotone(follower.op, channels)) return std::nullopt;
        chain.between.push_back(next);
        value = follower.output;
    }
    return std::nullopt;
}

// ---------------------------------------------------------------------------------------------- evaluating a chain

std::vector<int32_t> levels_of(const Node& node, const Quantizer& quantizer) {
    if (quantizer.kind == Quantizer::Kind::bipolar) return {-1, 1};
    if (std::holds_alternative<Activation>(node.op)) return {-1, 0, 1};  // sign
    std::vector<int32_t> codes;
    for (int32_t code = quantizer.code_min(); code <= quantizer.code_max(); ++code) codes.push_back(code);
    return codes;
}

Model cut_out(const Network& network, const Chain& chain) {
    Model model;
    const auto& layer = std::get<MatVec>(network.nodes[size_t(chain.layer)].op);
    model.channels = static_cast<size_t>(layer.out_channels);
    const Shape shape{layer.out_channels};
    MatVec sums;  // only what finish_product reads
    sums.out_channels = layer.out_channels;
    sums.output = layer.output;
    model.network.values = {{"input", shape, std::nullopt}, {"sums", shape, std::nullopt}};
    model.network.nodes.push_back({"sums", "", {0}, 1, sums});
    std::vector<int> rest = chain.between;
    rest.push_back(chain.quantizer);
    for (const int i : rest) {
        const Node& node = network.nodes[size_t(i)];
        const auto output = static_cast<int>(model.network.values.size());
        model.network.values.push_back({node.name, shape, network.values[size_t(node.output)].quantizer});
        model.network.nodes.push_back({node.name, "", {output - 1}, output, node.op});
    }
    const Node& last = network.nodes[size_t(chain.quantizer)];
    model.codes = levels_of(last, *network.values[size_t(last.output)].quantizer);
    return model;
}

/// Codes for sums (rows x channels). False where a number on the way is not finite.
bool evaluate(const Model& model, const std::vector<double>& sums, std::vector<int32_t>* codes) {
    const auto rows = static_cast<int64_t>(sums.size() / model.channels);
    NoEngine engine;
    Block block = finish_product(model.network, model.network.nodes[0], sums, rows);
    bool finite = true;
    for (size_t i = 1; i < model.network.nodes.size(); ++i) {
        finite = finite && std::all_of(block.real.begin(), block.real.end(), [](float x) { return std::isfinite(x); });
        block = run_node(model.network, static_cast<int>(i), engine, {&block}, rows, 0);
    }
    *codes = std::move(block.codes);
    return finite;
}

// ---------------------------------------------------------------------------------------------- bisection

struct Range {
    int64_t low, high;
};

/// The sums that one channel can give: weights at either end of the input's code range, with 0 among the inputs (it is
/// what padding adds).
Range sum_range(const Network& network, const Node& node, int64_t channel) {
    const auto& layer = std::get<MatVec>(node.op);
    const Quantizer& x = *network.values[size_t(node.inputs[0])].quantizer;
    const int64_t least = std::min<int64_t>(x.code_min() - x.zero_point[0], 0);
    const int64_t most = std::max<int64_t>(x.code_max() - x.zero_point[0], 0);
    const int64_t zero = layer.weight.zero_point[layer.weight.per_tensor() ? 0 : size_t(channel)];
    Range range{0, 0};
    for (int64_t r = 0; r < layer.rows(); ++r) {
        const int64_t w = layer.codes[size_t(channel * layer.rows() + r)] - zero;
        range.low += std::min(w * least, w * most);
        range.high += std::max(w * least, w * most);
    }
    const int64_t bias = layer.bias_codes.empty() ? 0 : layer.bias_codes[size_t(channel)];
    return {range.low + bias, range.high + bias};
}

/// Where thresholds are looked for: the range of the sums and as much again on both sides. A step beyond lies more than
/// a full range away from any sum; it is put at the end of the search, so that even a noisy estimate of a sum crosses
/// it exactly as it crosses the true one.
std::optional<std::vector<Range>> search_ranges(const Network& network, const Node& node) {
    std::vector<Range> ranges;
    for (int64_t c = 0; c < std::get<MatVec>(node.op).out_channels; ++c) {
        const Range sums = sum_range(network, node, c);
        const int64_t margin = sums.high - sums.low + 1;
        ranges.push_back({sums.low - margin, sums.high + margin});
        if (ranges.back().low < -kExactSum || ranges.back().high > kExactSum) return std::nullopt;
    }
    return ranges;
}

/// Channels that fall are searched with the sign of acc turned, so that every staircase rises.
struct Search {
    std::vector<int8_t> falling;  // (channels)
    std::vector<Range> bounds;    // (steps x channels), in turned sums: the step's code is not reached at low, and is
                                  // reached at high (or high is the end of the search)
};

std::optional<Search> start_search(const Model& model, const std::vector<Range>& ranges) {
    std::vector<double> ends;
    for (const Range& range : ranges) ends.push_back(static_cast<double>(range.low));
    for (const Range& range : ranges) ends.push_back(static_cast<double>(range.high));
    std::vector<int32_t> codes;
    if (!evaluate(model, ends, &codes)) return std::nullopt;
    Search search;
    for (size_t c = 0; c < model.channels; ++c) search.falling.push_back(codes[c] > codes[model.channels + c] ? 1 : 0);
    for (size_t step = 1; step < model.codes.size(); ++step)
        for (size_t c = 0; c < model.channels; ++c) {
            const Range& range = ranges[c];
            const Range turned = search.falling[c] != 0 ? Range{-range.high, -range.low} : range;
            search.bounds.push_back({turned.low - 1, turned.high + 1});
        }
    return search;
}

/// Halves every interval until it holds one step: threshold = bounds.high.
void bisect(const Model& model, Search* search) {
    std::vector<double> middle(search->bounds.size());
    std::vector<int32_t> codes;
    for (bool open = true; open;) {
        open = false;
        for (size_t i = 0; i < middle.size(); ++i) {
            const Range& range = search->bounds[i];
            const int64_t m = range.low + (range.high - range.low) / 2;
            open = open || m != range.low;
            middle[i] = static_cast<double>(search->falling[i % model.channels] != 0 ? -m : m);
        }
        evaluate(model, middle, &codes);
        for (size_t i = 0; i < middle.size(); ++i) {
            Range& range = search->bounds[i];
            const int64_t m = range.low + (range.high - range.low) / 2;
            if (m == range.low) continue;
            (codes[i] >= model.codes[i / model.channels + 1] ? range.high : range.low) = m;
        }
    }
}

/// Rows of ascending numbers per channel, as ThresholdOutput holds them. Turned back, the steps of a falling channel
/// descend in the level; which of them are crossed only matters in number.
ThresholdOutput as_output(const Model& model, const Search& search) {
    ThresholdOutput output;
    output.falling = search.falling;
    output.codes = model.codes;
    const size_t steps = model.codes.size() - 1;
    for (size_t c = 0; c < model.channels; ++c) {
        for (size_t step = 0; step < steps; ++step) {
            const int64_t turned = search.bounds[step * model.channels + c].high;
            output.threshold.push_back(search.falling[c] != 0 ? -turned : turned);
        }
        std::sort(output.threshold.end() - static_cast<int64_t>(steps), output.threshold.end());
    }
    return output;
}

std::optional<ThresholdOutput> find_thresholds(const Network& network, const Chain& chain) {
    const auto ranges = search_ranges(network, network.nodes[size_t(chain.layer)]);
    if (!ranges) return std::nullopt;
    const Model model = cut_out(network, chain);
    if (model.channels > kMostThresholds / model.codes.size()) return std::nullopt;
    auto search = start_search(model, *ranges);
    if (!search) return std::nullopt;
    bisect(model, &*search);
    return as_output(model, *search);
}

// ---------------------------------------------------------------------------------------------- rewriting

/// The layer gives the codes itself; the nodes behind it are marked for removal by output -1.
void replace(Network& network, const Chain& chain, ThresholdOutput output) {
    Node& layer = network.nodes[size_t(chain.layer)];
    std::get<MatVec>(layer.op).output = std::move(output);
    for (const int i : chain.between) {
        layer.origin += "+" + network.nodes[size_t(i)].origin;
        network.nodes[size_t(i)].output = -1;
    }
    Node& last = network.nodes[size_t(chain.quantizer)];
    layer.origin += "+" + last.origin;
    layer.output = last.output;
    last.output = -1;
}

void drop_unused(Network& network) {
    std::erase_if(network.nodes, [](const Node& node) { return node.output < 0; });
    std::vector<bool> used(network.values.size(), false);
    used[size_t(network.input)] = true;
    for (const Node& node : network.nodes) used[size_t(node.output)] = true;
    std::vector<int> renumbered(used.size(), -1);
    std::vector<Value> values;
    for (size_t i = 0; i < used.size(); ++i) {
        if (!used[i]) continue;
        renumbered[i] = static_cast<int>(values.size());
        values.push_back(std::move(network.values[i]));
    }
    network.values = std::move(values);
    for (Node& node : network.nodes) {
        for (int& input : node.inputs) input = renumbered[size_t(input)];
        node.output = renumbered[size_t(node.output)];
    }
    network.input = renumbered[size_t(network.input)];
    network.output = renumbered[size_t(network.output)];
}

}  // namespace

int fold_thresholds(Network& network) {
    const Readers readers = find_readers(network);
    int folded = 0;
    for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
        const auto chain = find_chain(network, readers, i);
        if (!chain) continue;
        auto output = find_thresholds(network, *chain);
        if (!output) continue;
        replace(network, *chain, std::move(*output));
        ++folded;
    }
    if (folded > 0) drop_unused(network);
    return folded;
}

}  // namespace bitline
