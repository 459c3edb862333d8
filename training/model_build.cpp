#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "training/layers/layers.h"
#include "training/model_steps.h"

namespace bitline::training {

namespace {

bool never_negative(const Operator& op) {
    if (const auto* activation = std::get_if<Activation>(&op)) {
        using Kind = Activation::Kind;
        return activation->kind == Kind::relu || activation->kind == Kind::sigmoid ||
               (activation->kind == Kind::clip && activation->low >= 0);
    }
    return std::holds_alternative<Softmax>(op);
}

/// Whether an operator gives no negative number where its inputs hold none.
bool keeps_sign(const Operator& op) {
    return std::holds_alternative<Pool>(op) || std::holds_alternative<Reshape>(op) ||
           std::holds_alternative<Permute>(op) || std::holds_alternative<Concat>(op) ||
           std::holds_alternative<AddValues>(op);
}

/// Per value of the network: whether it can hold negative numbers.
std::vector<bool> negative_values(const Network& network) {
    std::vector<bool> negative(network.values.size(), true);
    for (const Node& node : network.nodes) {
        const bool inputs =
            std::any_of(node.inputs.begin(), node.inputs.end(), [&](int v) { return negative[size_t(v)]; });
        negative[size_t(node.output)] = !never_negative(node.op) && (inputs || !keeps_sign(node.op));
    }
    return negative;
}

void require_bits(const std::string& layer, const char* what, int bits, int low, int high, const std::string& method) {
    if (bits < low || bits > high)
        throw ConfigError(fmt::format("layer '{}': {} {} bits violate {} <= bits <= {} of method {}", layer, bits, what,
                                      low, high, method));
}

}  // namespace

LayerBits Model::Impl::bits_of(const std::string& name, bool outer) const {
    const auto own = options.layer_bits.find(name);
    if (own != options.layer_bits.end()) return own->second;
    if (outer && options.first_last_bits > 0) return {options.first_last_bits, options.first_last_bits};
    return {options.weight_bits, options.input_bits};
}

const Method* Model::Impl::method_of(const std::string& name, bool outer) const {
    if (!method) return nullptr;
    return outer && options.first_last_bits > 0 && !options.layer_bits.contains(name) ? plain.get() : method.get();
}

/// Signs of what ReLU gives are all the same: methods of -1/+1 inputs bring their own activation.
void Model::Impl::replace_activations() {
    if (!method || !method->activation()) return;
    for (Node& node : source.network.nodes) {
        auto* activation = std::get_if<Activation>(&node.op);
        if (activation && activation->kind == Activation::Kind::relu) *activation = *method->activation();
    }
}

void Model::Impl::add_dropout(int value) {
    const auto found = source.dropout.find(value);
    if (found == source.dropout.end() || found->second == 0) return;
    Step step;
    step.layer = make_dropout(source.network.values[size_t(value)].name + ".dropout", static_cast<int>(steps.size()),
                              found->second);
    step.inputs = {slot_of_value[size_t(value)]};
    step.output = new_slot();
    slot_of_value[size_t(value)] = step.output;
    steps.push_back(std::move(step));
}

void Model::Impl::add_product(int index, bool outer, const std::vector<bool>& negative,
                              std::vector<int>& codes_of_slot) {
    const Node& node = source.network.nodes[size_t(index)];
    const auto& op = std::get<MatVec>(node.op);
    const int value = node.inputs[0];
    const Method* chosen = method_of(node.name, outer);
    const LayerBits bits = bits_of(node.name, outer);
    Step step;
    step.node = index;
    step.inputs = {slot_of_value[size_t(value)]};
    if (chosen) {
        const MethodEntry& entry = find_method(chosen == method.get() ? options.method : "ste");
        require_bits(node.name, "weight", bits.weights, entry.weight_bits_low, entry.weight_bits_high, entry.name);
        require_bits(node.name, "input", bits.inputs, entry.input_bits_low, entry.input_bits_high, entry.name);
        add_input_codes(index, *chosen, bits, negative[size_t(value)], codes_of_slot);
        step.codes_step = codes_of_slot[size_t(step.inputs[0])];
        step.inputs = {steps[size_t(step.codes_step)].output};
        step.norm_node = options.fold_batch_norm ? norm_behind(index) : -1;
    }
    if (step.norm_node >= 0) {
        const Node& norm = source.network.nodes[size_t(step.norm_node)];
        step.norm = std::make_unique<FoldedNorm>(layer_name(source.network, step.norm_node),
                                                 std::get<BatchNorm>(norm.op), source.affine);
    }
    auto layer = std::make_unique<Product>(
        node.name, static_cast<int>(steps.size()), op, source.network.values[size_t(value)].shape, chosen,
        LayerRole{node.name, bits.weights, op.out_channels, negative[size_t(value)], 1}, step.norm.get());
    step.product = layer.get();
    step.layer = std::move(layer);
    for (const Step& other : steps) step.index += other.product != nullptr;
    const int output = source.network.nodes[size_t(step.last_node())].output;
    step.output = slot_of_value[size_t(output)] = new_slot();
    steps.push_back(std::move(step));
}

/// Unless another layer's codes of the same value are there already.
void Model::Impl::add_input_codes(int index, const Method& chosen, LayerBits bits, bool negative,
                                  std::vector<int>& codes_of_slot) {
    const Node& node = source.network.nodes[size_t(index)];
    const int value = node.inputs[0], slot = slot_of_value[size_t(value)];
    codes_of_slot.resize(std::max(codes_of_slot.size(), slots.size()), -1);
    if (codes_of_slot[size_t(slot)] >= 0) return;
    LayerRole role;
    role.name = node.name;
    role.bits = bits.inputs;
    role.negative = negative;
    role.features = element_count(source.network.values[size_t(value)].shape);
    auto layer =
        std::make_unique<InputCodes>(node.name + ".input", static_cast<int>(steps.size()), chosen.inputs(role));
    Step quantize;
    quantize.codes = layer.get();
    quantize.layer = std::move(layer);
    quantize.inputs = {slot};
    quantize.output = new_slot();
    codes_of_slot[size_t(slot)] = static_cast<int>(steps.size());
    steps.push_back(std::move(quantize));
}

/// The batch norm that alone reads a layer's outputs; -1: none.
int Model::Impl::norm_behind(int index) const {
    const Network& network = source.network;
    const int value = network.nodes[size_t(index)].output;
    const auto dropped = source.dropout.find(value);
    if (value == network.output || (dropped != source.dropout.end() && dropped->second > 0)) return -1;
    int reader = -1;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const std::vector<int>& inputs = network.nodes[i].inputs;
        if (std::find(inputs.begin(), inputs.end(), value) == inputs.end()) continue;
        if (reader >= 0) return -1;
        reader = static_cast<int>(i);
    }
    return reader >= 0 && std::holds_alternative<BatchNorm>(network.nodes[size_t(reader)].op) ? reader : -1;
}

void Model::Impl::require_folding() const {
    if (!options.fold_batch_norm) return;
    if (std::any_of(steps.begin(), steps.end(), [](const Step& s) { return s.norm != nullptr; })) return;
    throw ConfigError("no batch norm can be folded: none is the only reader of a quantized layer with weights");
}

void Model::Impl::build() {
    const Network& network = source.network;
    replace_activations();
    const std::vector<bool> negative = negative_values(network);
    std::vector<int> with_weights;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const auto* op = std::get_if<MatVec>(&network.nodes[i].op);
        if (op && op->quantized_weights())
            throw ConfigError(fmt::format("layer '{}' holds integer weights: training starts from a float network",
                                          network.nodes[i].name));
        if (op) with_weights.push_back(static_cast<int>(i));
    }
    if (with_weights.empty()) throw ConfigError("the network has no layer with weights: nothing to train");
    for (const auto& [name, bits] : options.layer_bits) {
        const bool known = std::any_of(with_weights.begin(), with_weights.end(),
                                       [&](int i) { return network.nodes[size_t(i)].name == name; });
        if (!known) throw ConfigError(fmt::format("layer '{}' is none of the network's layers with weights", name));
    }
    slot_of_value.assign(network.values.size(), -1);
    slot_of_value[size_t(network.input)] = new_slot();
    add_dropout(network.input);
    std::vector<int> codes_of_slot;
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const Node& node = network.nodes[i];
        const int index = static_cast<int>(i);
        const bool folded =
            std::any_of(steps.begin(), steps.end(), [&](const Step& s) { return s.norm && s.norm_node == index; });
        if (std::holds_alternative<MatVec>(node.op)) {
            add_product(index, index == with_weights.front() || index == with_weights.back(), negative, codes_of_slot);
        } else if (!folded) {
            Step step;
            step.layer = make_layer(network, index, static_cast<int>(steps.size()), source.affine);
            step.node = index;
            for (const int value : node.inputs) step.inputs.push_back(slot_of_value[size_t(value)]);
            step.output = slot_of_value[size_t(node.output)] = new_slot();
            steps.push_back(std::move(step));
        }
        add_dropout(node.output);
    }
    require_folding();
    name_parameters();
    gradients.resize(slots.size());
    find_wanted_gradients();
}

/// As in a network whose batch norms are not folded, so that each can start from the other's checkpoint.
void Model::Impl::name_parameters() {
    const auto name = [](const std::string& owner, const auto& items) {
        for (auto* item : items) item->name = owner + "." + item->name;
    };
    for (Step& step : steps) {
        name(step.layer->name(), step.layer->parameters());
        name(step.layer->name(), step.layer->states());
        if (!step.norm) continue;
        name(step.norm->name(), step.norm->parameters());
        name(step.norm->name(), step.norm->states());
    }
}

void Model::Impl::find_wanted_gradients() {
    wants_gradient.assign(slots.size(), false);
    for (const Step& step : steps) {
        bool wanted = !step.layer->parameters().empty();
        for (const int slot : step.inputs) wanted = wanted || wants_gradient[size_t(slot)];
        wants_gradient[size_t(step.output)] = wanted;
    }
}

}  // namespace bitline::training
