#include "training/network_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace bitline::training {

namespace {

void check(const NetworkOptions& options) {
    if (!(options.width > 0 && options.width <= 16))
        throw ConfigError(fmt::format("width {} violates 0 < width <= 16", options.width));
    if (!(options.dropout >= 0 && options.dropout < 1))
        throw ConfigError(fmt::format("dropout {} violates 0 <= dropout < 1", options.dropout));
}

int64_t pixels(const Shape& shape) { return shape.size() == 3 ? shape[1] * shape[2] : 1; }

/// Standard normal number `index` of a layer, counter (block of four, its high word, layer, 0).
void draw_normal(std::vector<float>& values, float deviation, uint32_t layer, StreamKey key) {
    for (size_t first = 0; first < values.size(); first += 4) {
        const uint64_t block = first / 4;
        const Counter bits = philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), layer, 0}, key);
        for (size_t i = first; i < std::min(first + 4, values.size()); ++i)
            values[i] = gaussian(bits[i - first]) * deviation;
    }
}

int last_with_weights(const Network& network) {
    int last = -1;
    for (size_t i = 0; i < network.nodes.size(); ++i)
        if (std::holds_alternative<MatVec>(network.nodes[i].op)) last = static_cast<int>(i);
    return last;
}

}  // namespace

NetworkBuilder::NetworkBuilder(const std::string& name, const Shape& input, const NetworkOptions& options)
    : options_(options) {
    check(options);
    made_.affine = options.affine;
    made_.network.name = name;
    made_.network.values.push_back({"input", input, std::nullopt});
    made_.network.input = 0;
}

int64_t NetworkBuilder::scaled(int64_t channels) const {
    return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * options_.width));
}

bool NetworkBuilder::bias(bool batch_norm_follows) const {
    return options_.bias.value_or(!(batch_norm_follows && options_.batch_norm));
}

int NetworkBuilder::add(const std::string& name, Operator op, const std::vector<int>& from, const Shape& wanted) {
    constexpr int64_t kLargest = int64_t(1) << 31;  // as network validation has it; before any number is stored
    std::vector<Shape> shapes;
    for (const int value : from) shapes.push_back(shape(value));
    const Shape out = infer_shape(op, shapes, wanted);
    if (element_count(out) >= kLargest)
        throw FormatError(fmt::format("shape {} violates fewer than 2^31 elements", to_string(out)));
    const int output = static_cast<int>(made_.network.values.size());
    made_.network.values.push_back({name, out, std::nullopt});
    made_.network.nodes.push_back({name, "", from, output, std::move(op)});
    return output;
}

int NetworkBuilder::convolution(const std::string& name, int from, int64_t channels, const Window& window,
                                int64_t groups, bool bias) {
    MatVec op;
    op.is_convolution = shape(from).size() == 3;
    op.in_channels = shape(from).empty() ? 0 : shape(from)[0];
    op.out_channels = channels;
    op.groups = groups;
    op.window = window;
    if (groups < 1 || op.in_channels % groups != 0 || channels % groups != 0) {
        throw FormatError(fmt::format("{} inputs and {} outputs violate whole multiples of {} groups", op.in_channels,
                                      channels, groups));
    }
    const int64_t weights = element_count({channels, op.rows()});
    constexpr int64_t kLargest = int64_t(1) << 31;
    if (weights >= kLargest) throw FormatError(fmt::format("{} weights violate fewer than 2^31", weights));
    infer_shape(op, {shape(from)}, {});  // before the weights are stored
    op.real_weights.assign(static_cast<size_t>(weights), 0.0F);
    if (bias) op.real_bias.assign(static_cast<size_t>(channels), 0.0F);
    return add(name, std::move(op), {from});
}

int NetworkBuilder::fully_connected(const std::string& name, int from, int64_t channels, bool bias) {
    if (shape(from).size() != 1) {
        throw FormatError(
            fmt::format("input {} violates a flat one, which a fully connected layer needs", to_string(shape(from))));
    }
    return convolution(name, from, channels, {}, 1, bias);
}

int NetworkBuilder::batch_norm(const std::string& name, int from) {
    if (!options_.batch_norm) return from;
    const auto channels = static_cast<size_t>(shape(from)[0]);
    const std::vector<float> zeros(channels, 0.0F), ones(channels, 1.0F);
    return add(name, BatchNorm{ones, zeros, zeros, ones}, {from});
}

int NetworkBuilder::global_average(const std::string& name, int from) {
    if (shape(from).size() != 3)
        throw FormatError(fmt::format("input {} violates rank = 3, which a pool needs", to_string(shape(from))));
    Pool op{Pool::Kind::average, {}, false};
    op.window.kernel_h = shape(from)[1];
    op.window.kernel_w = shape(from)[2];
    return add(name, op, {from});
}

int NetworkBuilder::flatten(const std::string& name, int from) {
    if (shape(from).size() == 1) return from;
    return add(name, Reshape{}, {from}, {element_count(shape(from))});
}

TrainingNetwork NetworkBuilder::finish(int output, int64_t classes, uint64_t seed) {
    Network& network = made_.network;
    network.output = output;
    const int last = last_with_weights(network);
    if (last < 0) throw ConfigError(fmt::format("network '{}' holds no layer with weights", network.name));
    if (element_count(shape(output)) != classes || pixels(shape(output)) != 1) {
        throw ConfigError(fmt::format("network '{}': output {} of shape {} violates one number for each of {} classes",
                                      network.name, network.values[static_cast<size_t>(output)].name,
                                      to_string(shape(output)), classes));
    }
    if (options_.dropout > 0) dropout(network.nodes[static_cast<size_t>(last)].inputs[0], options_.dropout);
    initialize_weights(network, seed);
    validate(network);
    return std::move(made_);
}

void initialize_weights(Network& network, uint64_t seed) {
    const StreamKey key = stream_key(seed, 0, Purpose::initial_weights);
    const int last = last_with_weights(network);
    uint32_t layer = 0;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        if (auto* norm = std::get_if<BatchNorm>(&network.nodes[i].op)) {
            std::fill(norm->gamma.begin(), norm->gamma.end(), 1.0F);
            std::fill(norm->beta.begin(), norm->beta.end(), 0.0F);
            norm->mean = norm->beta;
            norm->variance = norm->gamma;
        }
        auto* op = std::get_if<MatVec>(&network.nodes[i].op);
        if (!op) continue;
        const double gain = static_cast<int>(i) == last ? 1 : 2;
        const auto deviation = static_cast<float>(std::sqrt(gain / static_cast<double>(op->rows())));
        draw_normal(op->real_weights, deviation, layer++, key);
        std::fill(op->real_bias.begin(), op->real_bias.end(), 0.0F);
    }
}

}  // namespace bitline::training
