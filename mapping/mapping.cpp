#include "mapping/mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "mapping/bias_rows.h"
#include "mapping/placement.h"
#include "mapping/sign_readout.h"
#include "mapping/tiling.h"

namespace bitline {

namespace {

bool has_padding(const Window& window) {
    return window.pad_top + window.pad_left + window.pad_bottom + window.pad_right > 0;
}

bool binary_codes(const Quantizer& codes) {
    return codes.code_min() == -1 && codes.code_max() == 1 && codes.zero_point.at(0) == 0;
}

int32_t zero_point_of(const Quantizer& weight, int64_t channel) {
    return weight.zero_point.at(weight.zero_point.size() == 1 ? 0 : static_cast<size_t>(channel));
}

/// q_w - z_w, clipped to `clip` times the largest magnitude.
std::vector<int32_t> effective_weights(const MatVec& op, double clip, const std::string& name) {
    std::vector<int32_t> weights(op.codes.size());
    const auto per_channel = static_cast<int64_t>(op.codes.size()) / op.out_channels;
    int32_t largest = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
        weights[i] = op.codes[i] - zero_point_of(op.weight, static_cast<int64_t>(i) / per_channel);
        largest = std::max(largest, std::abs(weights[i]));
    }
    const auto limit = static_cast<int32_t>(std::floor(clip * largest + 0.5));
    if (limit == 0 && largest > 0)
        throw ConfigError(
            fmt::format("weights.clip = {} leaves no weights in layer {}, whose largest is {}; a clip of {} "
                        "or more keeps some",
                        clip, name, largest, 0.5 / largest));
    for (int32_t& w : weights) w = std::clamp(w, -limit, limit);
    return weights;
}

std::vector<int64_t> sums_of_rows(const std::vector<int32_t>& weights, int64_t rows) {
    std::vector<int64_t> sums(weights.size() / static_cast<size_t>(rows), 0);
    for (size_t i = 0; i < weights.size(); ++i) sums[i / static_cast<size_t>(rows)] += weights[i];
    return sums;
}

/// The levels that the layer's slices need lie between G_min and G_max: binary weights use the whole window.
int widest_slice(const WeightPlan& stored) {
    int bits = 1;
    for (const Slice& slice : stored.slices) bits = std::max(bits, slice.bits);
    return bits;
}

MappedLayer plan_layer(const Network& network, int index, const Architecture& architecture) {
    const Node& node = network.nodes[static_cast<size_t>(index)];
    const auto& op = std::get<MatVec>(node.op);
    const Quantizer& codes = *network.values[static_cast<size_t>(node.inputs.at(0))].quantizer;
    MappedLayer layer;
    layer.node = index;
    layer.name = node.name;
    layer.kind = describe_kind(node.op);
    layer.groups = op.groups;
    layer.rows = op.rows();
    layer.cols = op.out_channels / op.groups;
    layer.positions = output_positions(network, node);
    layer.weights = effective_weights(op, architecture.weights.clip, node.name);
    layer.weight_sums = sums_of_rows(layer.weights, layer.rows);
    layer.digital_bias = op.bias_codes;
    layer.stored =
        plan_weights(architecture.weights, architecture.cell.bits, layer.weights, binary_codes(codes), layer.name);
    layer.grid = choose_grid(architecture.cell, widest_slice(layer.stored));
    layer.input = plan_input(architecture.input, codes, layer.stored.encoding == WeightEncoding::xnor,
                             has_padding(op.window), layer.name);
    if (architecture.bias.place == BiasOptions::Place::rows) place_bias_in_rows(layer);
    return layer;
}

void require_converter(const MappedLayer& layer, const AdcOptions& adc) {
    if (adc.bits != 0 || layer.lossless_bits <= kMostConverterBits) return;
    throw ConfigError(fmt::format(
        "layer {}: adc.bits = lossless would take {} bits for the sums of its columns, and a converter has at most {}; "
        "lower array.rows, array.active_rows, cell.bits or input.bits_per_cycle, or set adc.bits",
        layer.name, layer.lossless_bits, kMostConverterBits));
}

/// A divider's signal lies between the supplies, so its sum counts from nothing.
void require_divider(const MappedLayer& layer, const ColumnTransferOptions& transfer) {
    if (transfer.model != ColumnTransferOptions::Model::divider || layer.bounds.low >= 0) return;
    throw ConfigError(
        fmt::format("layer {}: array.transfer.model = divider reads one bit line, whose sum is not negative, and sums "
                    "here reach {}; use weights.encoding=xnor (or offset, or weights.subtraction=digital) with inputs "
                    "that are not driven as -1",
                    layer.name, layer.bounds.low));
}

void choose_readout(const Network& network, MappedLayer& layer) {
    const Node& node = network.nodes[static_cast<size_t>(layer.node)];
    const auto& op = std::get<MatVec>(node.op);
    const Quantizer& codes = *network.values[static_cast<size_t>(node.inputs.at(0))].quantizer;
    const std::string obstacle = sign_readout_obstacle(op, codes, layer);
    if (obstacle.empty()) {
        layer.sign = plan_sign_readout(op, codes, layer);
    } else {
        layer.note = "read by converters: " + obstacle;
    }
}

void require_sign_readout(const Mapping& mapping) {
    const auto by_sign = [](const MappedLayer& layer) { return layer.sign.has_value(); };
    if (mapping.architecture.adc.readout != AdcOptions::Readout::sign ||
        std::any_of(mapping.layers.begin(), mapping.layers.end(), by_sign))
        return;
    constexpr size_t kMost = 3;
    std::string text = "adc.readout = sign: no layer can be read by comparators alone";
    for (size_t l = 0; l < std::min(kMost, mapping.layers.size()); ++l)
        text += fmt::format("; {} {}", mapping.layers[l].name, mapping.layers[l].note);
    if (mapping.layers.size() > kMost) text += fmt::format("; and {} more", mapping.layers.size() - kMost);
    throw ConfigError(text);
}

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

void place_on_chip(Mapping& mapping) {
    const HierarchyOptions& chip = mapping.architecture.chip;
    for (const MappedLayer& layer : mapping.layers) {
        mapping.arrays += layer.array_count;
        mapping.cycles += layer.cycles;
    }
    mapping.cores = chip.arrays_per_core ? ceil_divide(mapping.arrays, chip.arrays_per_core) : 0;
    mapping.tiles = chip.cores_per_tile && mapping.cores ? ceil_divide(mapping.cores, chip.cores_per_tile) : 0;
    if (chip.arrays_per_core && chip.cores_per_tile && chip.tiles_per_chip)
        mapping.arrays_available = chip.arrays_per_core * chip.cores_per_tile * chip.tiles_per_chip;
    if (mapping.arrays_available) mapping.reloads = ceil_divide(mapping.arrays, mapping.arrays_available);
}

/// Matrix products that cannot be mapped, because their weights or their inputs are real numbers.
std::vector<int> digital_products(const Network& network) {
    std::vector<int> nodes;
    for (size_t i = 0; i < network.nodes.size(); ++i)
        if (std::holds_alternative<MatVec>(network.nodes[i].op) && !is_mappable(network, network.nodes[i]))
            nodes.push_back(static_cast<int>(i));
    return nodes;
}

}  // namespace

Mapping map_network(const Network& network, const Architecture& architecture, bool check_fit) {
    Mapping mapping;
    mapping.architecture = architecture;
    mapping.digital_nodes = digital_products(network);
    int32_t next_array = 0, next_block = 0;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        if (!is_mappable(network, network.nodes[i])) continue;
        MappedLayer layer = plan_layer(network, static_cast<int>(i), architecture);
        tile_layer(layer, architecture, next_array, next_block);
        require_converter(layer, architecture.adc);
        require_divider(layer, architecture.array.transfer);
        if (architecture.adc.readout == AdcOptions::Readout::sign) choose_readout(network, layer);
        mapping.layers.push_back(std::move(layer));
    }
    if (mapping.layers.empty())
        throw ConfigError(
            fmt::format("network {} has no layer with integer weights and integer inputs, so nothing can "
                        "be mapped; `bitline quantize` makes an integer network of a float one",
                        network.name));
    require_sign_readout(mapping);
    place_on_chip(mapping);
    require_known_faults(mapping);
    require_assignable_rows(mapping);
    require_measured_cells(mapping);
    const std::string misfit = describe_misfit(mapping);
    if (check_fit && !misfit.empty() && !architecture.cell.reprogrammable) throw ConfigError(misfit);
    return mapping;
}

std::string describe_misfit(const Mapping& mapping) {
    if (mapping.arrays_available == 0 || mapping.arrays <= mapping.arrays_available) return {};
    std::string text = fmt::format("the network needs {} arrays, {} more than the {} of the chip",  //
                                   mapping.arrays, mapping.arrays - mapping.arrays_available, mapping.arrays_available);
    if (mapping.architecture.cell.reprogrammable)
        return text + fmt::format("; its cells are reloaded {} times per pass", mapping.reloads);
    std::vector<const MappedLayer*> layers;
    for (const MappedLayer& layer : mapping.layers) layers.push_back(&layer);
    std::stable_sort(layers.begin(), layers.end(),
                     [](const auto* a, const auto* b) { return a->array_count > b->array_count; });
    text += ", and its cells are non-volatile (cell.reprogrammable = false); largest layers:";
    for (size_t i = 0; i < std::min<size_t>(3, layers.size()); ++i)
        text += fmt::format("{} {} ({} arrays)", i ? "," : "", layers[i]->name, layers[i]->array_count);
    return text;
}

}  // namespace bitline
