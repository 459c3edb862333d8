// From a float network, a plan and its quantizers to the integer network.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "core/error.h"
#include "core/parallel.h"
#include "core/quantize_parts.h"
#include "core/reference.h"

namespace bitline::quantization {

namespace {

constexpr double kLargestBias = 1073741824;  // 2^30: a bias code never needs more than 32 bits
constexpr double kSmallestProduct = 1e-30;   // s_x * s_w stays a normal float32

/// Sum of squared differences between weights and what their codes stand for.
double squared_error(std::span<const float> weights, double scale, int32_t last) {
    double error = 0;
    for (const float w : weights) {
        const double code = std::clamp(std::nearbyint(double(w) / scale), -double(last), double(last));
        const double difference = double(w) - code * scale;
        error += difference * difference;
    }
    return error;
}

/// The magnitude that the last code stands for: the largest one, or with `least_squares` the part of it (30 % .. 100 %,
/// the largest of equals) that gives the least squared error. At 8 bits the two hardly differ; at 3 or 4 bits a few
/// large weights would cost all others their resolution.
double weight_reach(std::span<const float> weights, int32_t last, bool least_squares) {
    double largest = 0;
    for (const float w : weights) largest = std::max(largest, std::abs(double(w)));
    if (!least_squares || largest == 0) return largest;
    double best = largest, least = squared_error(weights, largest / last, last);
    for (int percent = 99; percent >= 30; --percent) {
        const double reach = largest * percent / 100;
        const double error = squared_error(weights, reach / last, last);
        if (error < least) {
            least = error;
            best = reach;
        }
    }
    return best;
}

/// Scale of one output channel's weights, whose last code stands for `reach`. A channel whose bias dwarfs its weights
/// gets a coarser scale, so that the bias fits 32 bits: |bias| <= 2^30 * s_x * s_w.
float channel_scale(double reach, double bias, double input_scale, int32_t last) {
    const double scale = std::max(reach / last, std::abs(bias) / (input_scale * kLargestBias));
    return float(scale > 0 ? std::max(scale, kSmallestProduct / input_scale) : 1.0);
}

class Builder {
 public:
    Builder(const Network& source, const Plan& plan, const std::vector<Quantizer>& quantizers,
            const QuantizeOptions& options)
        : source_(source),
          plan_(plan),
          quantizers_(quantizers),
          options_(options),
          real_(source.values.size(), -1),
          codes_(source.values.size(), -1) {
        for (const Value& value : source.values) names_.insert(value.name);
    }

    Network build();

 private:
    int add_value(const Value& value);
    void add_codes(int value);
    void add_node(const Node& node);
    int read(int value, const Operator& reader) const;
    std::optional<Quantizer> kept_quantizer(const Node& node) const;

    const Network& source_;
    const Plan& plan_;
    const std::vector<Quantizer>& quantizers_;
    const QuantizeOptions& options_;
    Network out_;
    std::vector<int> real_;   // (values of the source) the value with its real numbers, or -1
    std::vector<int> codes_;  // (values of the source) the value with its codes, or -1
    std::set<std::string> names_;
};

int Builder::add_value(const Value& value) {
    out_.values.push_back(value);
    return int(out_.values.size()) - 1;
}

/// Puts the planned quantizer behind a real value.
void Builder::add_codes(int value) {
    const int group = plan_.group[size_t(value)];
    if (group < 0) return;
    Value codes = source_.values[size_t(value)];
    const std::string name = codes.name;
    codes.name += "_q";
    while (!names_.insert(codes.name).second) codes.name += "_q";
    codes.quantizer = quantizers_[size_t(group)];
    codes_[size_t(value)] = add_value(codes);
    Quantize op;
    op.to = quantizers_[size_t(group)];
    out_.nodes.push_back({name + "_quantize", "", {real_[size_t(value)]}, codes_[size_t(value)], op});
}

/// Activations belong to the digital side of the layer before them and see its real output.
int Builder::read(int value, const Operator& reader) const {
    const int codes = codes_[size_t(value)];
    const bool real = codes < 0 || (std::holds_alternative<Activation>(reader) && real_[size_t(value)] >= 0);
    return real ? real_[size_t(value)] : codes;
}

/// The quantizer of an output that keeps its inputs' codes; none where it holds real numbers.
std::optional<Quantizer> Builder::kept_quantizer(const Node& node) const {
    const auto* pool = std::get_if<Pool>(&node.op);
    const bool keeps = (pool && pool->kind == Pool::Kind::max) || std::holds_alternative<Reshape>(node.op) ||
                       std::holds_alternative<Permute>(node.op) || std::holds_alternative<Concat>(node.op);
    const std::optional<Quantizer>& first = out_.values[size_t(node.inputs[0])].quantizer;
    const bool equal = std::all_of(node.inputs.begin(), node.inputs.end(),
                                   [&](int input) { return out_.values[size_t(input)].quantizer == first; });
    return keeps && equal ? first : std::nullopt;
}

void Builder::add_node(const Node& node) {
    Node copy = node;
    for (int& input : copy.inputs) input = read(input, node.op);
    if (auto* op = std::get_if<MatVec>(&copy.op)) {
        quantize_layer(*op, *out_.values[size_t(copy.inputs[0])].quantizer, options_);
    }
    const auto output = size_t(node.output);
    Value value = source_.values[output];
    value.quantizer = kept_quantizer(copy);
    copy.output = add_value(value);
    out_.nodes.push_back(copy);
    if (value.quantizer) {
        codes_[output] = copy.output;
    } else {
        real_[output] = copy.output;
        add_codes(node.output);
    }
}

Network Builder::build() {
    out_.name = source_.name;
    out_.metadata = source_.metadata;
    real_[size_t(source_.input)] = out_.input = add_value(source_.values[size_t(source_.input)]);
    add_codes(source_.input);
    for (const Node& node : source_.nodes) add_node(node);
    const auto output = size_t(source_.output);
    out_.output = real_[output] >= 0 ? real_[output] : codes_[output];
    return std::move(out_);
}

std::vector<size_t> layers_of(const Network& network) {
    std::vector<size_t> layers;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        if (std::holds_alternative<MatVec>(network.nodes[i].op)) layers.push_back(i);
    }
    return layers;
}

QuantizedLayer describe(const Network& network, const Node& node) {
    const Value& input = network.values[size_t(node.inputs[0])];
    const Quantizer& x = *input.quantizer;
    const auto& weight = std::get<MatVec>(node.op).weight.scale;
    QuantizedLayer layer;
    layer.name = node.name;
    layer.input = input.name;
    layer.input_scale = x.scale[0];
    layer.input_zero_point = x.zero_point[0];
    layer.input_low = float(x.code_min() - x.zero_point[0]) * x.scale[0];
    layer.input_high = float(x.code_max() - x.zero_point[0]) * x.scale[0];
    layer.weight_scale_low = *std::min_element(weight.begin(), weight.end());
    layer.weight_scale_high = *std::max_element(weight.begin(), weight.end());
    return layer;
}

struct Energy {
    double signal = 0, noise = 0;
};

Energy compare(const std::vector<float>& exact, const std::vector<float>& actual) {
    Energy energy;
    for (size_t i = 0; i < exact.size(); ++i) {
        const double difference = double(exact[i]) - double(actual[i]);
        energy.signal += double(exact[i]) * double(exact[i]);
        energy.noise += difference * difference;
    }
    return energy;
}

}  // namespace

void quantize_layer(MatVec& op, const Quantizer& input, const QuantizeOptions& options) {
    const int32_t last = (1 << (options.weight_bits - 1)) - 1;
    const bool least_squares = options.method == QuantizeOptions::Method::mse;
    const auto rows = size_t(op.rows()), channels = size_t(op.out_channels);
    Quantizer weight;
    weight.bits = options.weight_bits;
    weight.narrow = true;
    ScaleOutput output;
    for (size_t c = 0; c < channels; ++c) {
        const std::span<const float> weights(op.real_weights.data() + c * rows, rows);
        const double bias = op.real_bias.empty() ? 0 : double(op.real_bias[c]);
        const float scale =
            channel_scale(weight_reach(weights, last, least_squares), bias, double(input.scale[0]), last);
        weight.scale.push_back(scale);
        weight.zero_point.push_back(0);
        for (const float w : weights) {
            const double code = std::nearbyint(double(w) / double(scale));
            op.codes.push_back(int32_t(std::clamp(code, -double(last), double(last))));
        }
        output.scale.push_back(input.scale[0] * scale);
        if (!op.real_bias.empty()) op.bias_codes.push_back(std::llrint(bias / double(output.scale[c])));
    }
    op.weight = weight;
    op.output = output;
    op.real_weights.clear();
    op.real_bias.clear();
}

Network build(const Network& network, const Plan& plan, const std::vector<Quantizer>& quantizers,
              const QuantizeOptions& options) {
    return Builder(network, plan, quantizers, options).build();
}

std::vector<QuantizedLayer> measure(const Network& real, const Network& quantized, const Dataset& data,
                                    const Preprocess& preprocess, int64_t samples) {
    const std::vector<size_t> before = layers_of(real), after = layers_of(quantized);
    const auto exact_engine = make_exact_engine(real), engine = make_exact_engine(quantized);
    const Blocks blocks = blocks_of(quantized, samples);
    std::vector<std::vector<Energy>> parts(size_t(blocks.count()));  // summed in the order of the blocks
    parallel_for(blocks.count(), [&](int64_t block) {
        int64_t count = 0;
        const std::vector<float> input = read_block(real, data, preprocess, blocks, block, &count);
        std::vector<Block> exact, actual;
        run(real, *exact_engine, input, count, block * blocks.per_block, &exact);
        run(quantized, *engine, input, count, block * blocks.per_block, &actual);
        for (size_t i = 0; i < before.size(); ++i) {
            parts[size_t(block)].push_back(compare(exact[size_t(real.nodes[before[i]].output)].real,
                                                   actual[size_t(quantized.nodes[after[i]].output)].real));
        }
    });
    std::vector<QuantizedLayer> layers;
    for (size_t i = 0; i < after.size(); ++i) {
        Energy sum;
        for (const auto& part : parts) {
            sum.signal += part[i].signal;
            sum.noise += part[i].noise;
        }
        layers.push_back(describe(quantized, quantized.nodes[after[i]]));
        if (sum.noise > 0 && sum.signal > 0) layers.back().sqnr_db = 10 * std::log10(sum.signal / sum.noise);
    }
    return layers;
}

}  // namespace bitline::quantization
