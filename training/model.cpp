#include "training/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "training/export.h"
#include "training/hardware.h"
#include "training/layers/input_codes.h"
#include "training/layers/layers.h"
#include "training/layers/product.h"

namespace bitline::training {

namespace {

/// One layer with the slots that it reads and writes; a slot holds one tensor of a pass.
struct Step {
    std::unique_ptr<Layer> layer;
    std::vector<int> inputs;
    int output = -1;
    int node = -1;                // of the float network; none for quantizers and dropout
    Product* product = nullptr;   // where the layer is one
    InputCodes* codes = nullptr;  // likewise
    size_t index = 0;             // of the product
    int codes_step = -1;          // product: step that makes its inputs' codes; none: float
};

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

struct Model::Impl {
    TrainingNetwork source;
    ModelOptions options;
    std::unique_ptr<Method> method, plain;  // of inner layers; of the first and the last
    std::vector<Step> steps;
    std::vector<Tensor> slots, gradients;
    std::vector<bool> wants_gradient;  // (slots)
    std::vector<int> slot_of_value;    // (values) where readers find it, behind dropout
    Hardware* hardware = nullptr;
    Exported exported;

    Impl(const TrainingNetwork& network, const ModelOptions& model_options) : source(network), options(model_options) {}

    // --- construction
    void build();
    void replace_activations();
    LayerBits bits_of(const std::string& name, bool outer) const;
    const Method* method_of(const std::string& name, bool outer) const;
    void add_product(int node, bool outer, const std::vector<bool>& negative, std::vector<int>& codes_of_slot);
    void add_dropout(int value);
    int new_slot() {
        slots.emplace_back();
        return static_cast<int>(slots.size()) - 1;
    }
    void name_parameters();
    void find_wanted_gradients();

    // --- passes
    void run_step(const Pass& pass, Step& step);
    void forward_all(const Pass& pass, bool on_hardware);
    bool unseen() const;
    const Shape& output_shape(const Step& step) const;

    // --- export
    Exported export_network() const;
};

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
    int slot = slot_of_value[size_t(value)], codes_step = -1;
    const Method* chosen = method_of(node.name, outer);
    const LayerBits bits = bits_of(node.name, outer);
    if (chosen) {
        const MethodEntry& entry = find_method(chosen == method.get() ? options.method : "ste");
        require_bits(node.name, "weight", bits.weights, entry.weight_bits_low, entry.weight_bits_high, entry.name);
        require_bits(node.name, "input", bits.inputs, entry.input_bits_low, entry.input_bits_high, entry.name);
        codes_of_slot.resize(std::max(codes_of_slot.size(), slots.size()), -1);
        if (codes_of_slot[size_t(slot)] < 0) {
            LayerRole role;
            role.name = node.name;
            role.bits = bits.inputs;
            role.negative = negative[size_t(value)];
            role.features = element_count(source.network.values[size_t(value)].shape);
            auto layer = std::make_unique<InputCodes>(node.name + ".input", static_cast<int>(steps.size()),
                                                      chosen->inputs(role));
            Step quantize;
            quantize.codes = layer.get();
            quantize.layer = std::move(layer);
            quantize.inputs = {slot};
            quantize.output = new_slot();
            codes_of_slot[size_t(slot)] = static_cast<int>(steps.size());
            steps.push_back(std::move(quantize));
        }
        codes_step = codes_of_slot[size_t(slot)];
        slot = steps[size_t(codes_step)].output;
    }
    Step step;
    auto layer = std::make_unique<Product>(
        node.name, static_cast<int>(steps.size()), op, source.network.values[size_t(value)].shape, chosen,
        LayerRole{node.name, bits.weights, op.out_channels, negative[size_t(value)], 1});
    step.product = layer.get();
    step.layer = std::move(layer);
    step.codes_step = codes_step;
    step.inputs = {slot};
    step.node = index;
    for (const Step& other : steps) step.index += other.product != nullptr;
    step.output = slot_of_value[size_t(node.output)] = new_slot();
    steps.push_back(std::move(step));
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
        if (std::holds_alternative<MatVec>(node.op)) {
            add_product(index, index == with_weights.front() || index == with_weights.back(), negative, codes_of_slot);
        } else {
            Step step;
            step.layer = make_layer(network, index, static_cast<int>(steps.size()), source.affine);
            step.node = index;
            for (const int value : node.inputs) step.inputs.push_back(slot_of_value[size_t(value)]);
            step.output = slot_of_value[size_t(node.output)] = new_slot();
            steps.push_back(std::move(step));
        }
        add_dropout(node.output);
    }
    name_parameters();
    gradients.resize(slots.size());
    find_wanted_gradients();
}

void Model::Impl::name_parameters() {
    for (Step& step : steps) {
        for (Parameter* p : step.layer->parameters()) p->name = step.layer->name() + "." + p->name;
        for (State* s : step.layer->states()) s->name = step.layer->name() + "." + s->name;
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

const Shape& Model::Impl::output_shape(const Step& step) const {
    if (step.node < 0) return slots[size_t(step.inputs[0])].shape;
    const Network& network = source.network;
    return network.values[size_t(network.nodes[size_t(step.node)].output)].shape;
}

bool Model::Impl::unseen() const {
    return std::any_of(steps.begin(), steps.end(), [](const Step& s) { return s.codes && !s.codes->has_seen(); });
}

void Model::Impl::run_step(const Pass& pass, Step& step) {
    std::vector<const Tensor*> inputs;
    for (const int slot : step.inputs) inputs.push_back(&slots[size_t(slot)]);
    Tensor& output = slots[size_t(step.output)];
    output.resize(output_shape(step), inputs[0]->samples);
    if (!step.product || !hardware || !step.product->is_quantized()) return step.layer->forward(pass, inputs, output);
    if (!hardware->replaces_products()) {
        step.layer->forward(pass, inputs, output);
        hardware->disturb_outputs(pass, step.index, output);
        return;
    }
    const Tensor& x = slots[size_t(steps[size_t(step.codes_step)].inputs[0])];
    hardware->multiply(pass, step.index, x, *step.product, output);
}

/// Where the chip itself is in the loop, ranges follow behind the pass, so that it runs on one set of codes.
void Model::Impl::forward_all(const Pass& pass, bool on_hardware) {
    Hardware* const attached = hardware;
    hardware = on_hardware ? attached : nullptr;
    for (Step& step : steps)
        if (step.product) step.product->prepare(pass);
    if (hardware) {
        if (hardware->needs_network()) exported = export_network();
        hardware->begin(pass, hardware->needs_network() ? &exported : nullptr);
        for (Step& step : steps)
            if (step.product && step.product->is_quantized())
                hardware->disturb_weights(pass, step.index, *step.product);
    }
    const bool adapts = pass.training && !pass.freeze_batch_norm;
    const bool late = hardware && hardware->needs_network();
    for (Step& step : steps) {
        const bool first = step.codes && !step.codes->has_seen();
        if (step.codes && (first || (adapts && !late))) step.codes->observe(slots[size_t(step.inputs[0])]);
        run_step(pass, step);
    }
    if (late && adapts)
        for (Step& step : steps)
            if (step.codes) step.codes->observe(slots[size_t(step.inputs[0])]);
    hardware = attached;
}

Model::Model(const TrainingNetwork& network, const ModelOptions& options) : impl_(new Impl(network, options)) {
    if (!options.method.empty()) {
        const MethodEntry& entry = find_method(options.method);
        if (options.method_options.gradient_bits != 32 && !entry.quantizes_gradients)
            throw ConfigError(fmt::format("gradient bits = {} violates 32: method {} does not quantize gradients",
                                          options.method_options.gradient_bits, entry.name));
        impl_->method = entry.make(options.method_options);
        impl_->plain = find_method("ste").make({});
    }
    impl_->build();
}

Model::~Model() = default;

const Tensor& Model::forward(const Pass& pass, const Tensor& input) {
    Impl& m = *impl_;
    m.slots[0] = input;
    if (m.hardware && !pass.ideal && m.unseen()) m.forward_all(pass, false);  // ranges, before a chip is programmed
    m.forward_all(pass, !pass.ideal);
    return m.slots[size_t(m.slot_of_value[size_t(m.source.network.output)])];
}

void Model::backward(const Pass& pass, const Tensor& gradient) {
    Impl& m = *impl_;
    for (size_t s = 0; s < m.slots.size(); ++s) {
        if (!m.wants_gradient[s]) continue;
        m.gradients[s].resize(m.slots[s].shape, m.slots[s].samples);
        std::fill(m.gradients[s].values.begin(), m.gradients[s].values.end(), 0.0F);
    }
    m.gradients[size_t(m.slot_of_value[size_t(m.source.network.output)])] = gradient;
    for (size_t i = m.steps.size(); i-- > 0;) {
        Step& step = m.steps[i];
        if (!m.wants_gradient[size_t(step.output)]) continue;
        std::vector<const Tensor*> inputs;
        std::vector<Tensor*> input_gradients;
        for (const int slot : step.inputs) {
            inputs.push_back(&m.slots[size_t(slot)]);
            input_gradients.push_back(m.wants_gradient[size_t(slot)] ? &m.gradients[size_t(slot)] : nullptr);
        }
        const Tensor &output = m.slots[size_t(step.output)], &by_output = m.gradients[size_t(step.output)];
        step.layer->backward(pass, inputs, output, by_output, input_gradients);
        if (step.product && m.hardware && !pass.ideal && step.product->is_quantized())
            m.hardware->learn(step.index, output, by_output);
    }
}

std::vector<Parameter*> Model::parameters() {
    std::vector<Parameter*> all;
    for (Step& step : impl_->steps)
        for (Parameter* p : step.layer->parameters()) all.push_back(p);
    if (impl_->hardware)
        for (Parameter* p : impl_->hardware->parameters()) all.push_back(p);
    return all;
}

std::vector<State*> Model::states() {
    std::vector<State*> all;
    for (Step& step : impl_->steps)
        for (State* s : step.layer->states()) all.push_back(s);
    if (impl_->hardware)
        for (State* s : impl_->hardware->states()) all.push_back(s);
    return all;
}

void Model::attach(Hardware* hardware) { impl_->hardware = hardware; }

const Shape& Model::input_shape() const {
    const Network& network = impl_->source.network;
    return network.values[size_t(network.input)].shape;
}

size_t Model::products() const {
    return static_cast<size_t>(
        std::count_if(impl_->steps.begin(), impl_->steps.end(), [](const Step& s) { return s.product != nullptr; }));
}

std::string Model::first_not_finite() const {
    const auto broken = [](const std::vector<float>& values) {
        return std::any_of(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    };
    for (const Step& step : impl_->steps)
        if (broken(impl_->slots[size_t(step.output)].values)) return step.layer->name();
    return {};
}

Network Model::real() const {
    Network network = impl_->source.network;
    for (const Step& step : impl_->steps)
        if (step.node >= 0) network.nodes[size_t(step.node)].op = step.layer->trained();
    return network;
}

const ModelOptions& Model::options() const { return impl_->options; }

double Model::average_bits() const {
    constexpr double kFloatBits = 32;
    double bits = 0, numbers = 0;
    for (const Step& step : impl_->steps) {
        if (step.codes) continue;  // scales of inputs belong to the hardware
        if (step.product) {
            const auto weights = static_cast<double>(step.product->weight_count());
            const auto biases = static_cast<double>(step.product->bias().size());
            bits += weights * (step.product->is_quantized() ? step.product->role().bits : kFloatBits);
            bits += biases * kFloatBits;
            numbers += weights + biases;
            continue;
        }
        for (const Parameter* p : step.layer->parameters()) {
            bits += static_cast<double>(p->value.size()) * kFloatBits;
            numbers += static_cast<double>(p->value.size());
        }
    }
    return bits / numbers;
}

// --------------------------------------------------------------------------------------------------- export

namespace {

/// Builds the integer network value by value.
class Exporter {
 public:
    explicit Exporter(const Network& source) {
        exported.network.name = source.name;
        exported.network.preprocess = source.preprocess;
        exported.network.metadata = source.metadata;
    }

    int add_value(const std::string& name, const Shape& shape, std::optional<Quantizer> quantizer = std::nullopt) {
        exported.network.values.push_back({name, shape, std::move(quantizer)});
        return static_cast<int>(exported.network.values.size()) - 1;
    }

    /// Returns the node's index.
    int add_node(const std::string& name, std::vector<int> inputs, int output, Operator op) {
        exported.network.nodes.push_back({name, describe_kind(op), std::move(inputs), output, std::move(op)});
        return static_cast<int>(exported.network.nodes.size()) - 1;
    }

    int output_of(int node) const { return exported.network.nodes[size_t(node)].output; }
    const Value& value(int index) const { return exported.network.values[size_t(index)]; }

    Exported exported;
};

const Quantizer& quantizer_of(const Operator& op) {
    if (const auto* quantize = std::get_if<Quantize>(&op)) return quantize->to;
    return std::get<Bucketize>(op).to;
}

std::string plane_name(const std::string& name, size_t plane, size_t planes) {
    return planes == 1 ? name : fmt::format("{}.{}", name, plane);
}

std::vector<int> add_codes(Exporter& out, const InputCodes& codes, int value) {
    const std::vector<Operator> planes = codes.planes();
    std::vector<int> nodes;
    for (size_t p = 0; p < planes.size(); ++p) {
        const std::string name = plane_name(codes.name(), p, planes.size());
        const int output = out.add_value(name, out.value(value).shape, quantizer_of(planes[p]));
        nodes.push_back(out.add_node(name, {value}, output, planes[p]));
    }
    return nodes;
}

MatVec integer_layer(const Product& product, const QuantizedWeights::Plane& plane, const Quantizer& input,
                     bool with_bias) {
    MatVec op = product.geometry();
    op.codes = plane.codes;
    op.weight = plane.quantizer;
    ScaleOutput output;
    for (int64_t c = 0; c < op.out_channels; ++c)
        output.scale.push_back(input.scale[0] * plane.quantizer.scale[plane.quantizer.per_tensor() ? 0 : size_t(c)]);
    if (with_bias) output.bias.assign(product.bias().begin(), product.bias().end());
    op.output = output;
    return op;
}

/// One integer layer for each pair of planes, added up; the last writes `output`.
ExportedProduct add_integer_product(Exporter& out, const Product& product, const std::vector<int>& codes, int output) {
    ExportedProduct nodes;
    nodes.codes = codes;
    const auto& planes = product.quantized().planes;
    const size_t pairs = planes.size() * codes.size();
    const Shape shape = out.value(output).shape;
    int sum = -1;
    for (size_t pair = 0; pair < pairs; ++pair) {
        const size_t w = pair / codes.size(), x = pair % codes.size();
        const int input = out.output_of(codes[x]);
        const std::string name = pairs == 1 ? product.name() : fmt::format("{}.w{}x{}", product.name(), w, x);
        const int own = pairs == 1 ? output : out.add_value(name, shape);
        nodes.products.push_back(out.add_node(
            name, {input}, own, integer_layer(product, planes[w], *out.value(input).quantizer, pair == 0)));
        if (pair == 0) {
            sum = own;
            continue;
        }
        const std::string sum_name = fmt::format("{}.sum{}", product.name(), pair);
        const int total = pair + 1 == pairs ? output : out.add_value(sum_name, shape);
        nodes.sums.push_back(out.add_node(sum_name, {sum, own}, total, AddValues{}));
        sum = total;
    }
    return nodes;
}

}  // namespace

Exported Model::Impl::export_network() const {
    const Network& network = source.network;
    Exporter out(network);
    std::vector<int> value_of_slot(slots.size(), -1);
    std::vector<std::vector<int>> codes_of_step(steps.size());
    const Value& input = network.values[size_t(network.input)];
    out.exported.network.input = out.add_value(input.name, input.shape);
    value_of_slot[0] = out.exported.network.input;
    for (size_t s = 0; s < steps.size(); ++s) {
        const Step& step = steps[s];
        const int first = value_of_slot[size_t(step.inputs[0])];
        if (step.codes) {
            codes_of_step[s] = add_codes(out, *step.codes, first);
            continue;
        }
        if (step.node < 0) {  // dropout
            value_of_slot[size_t(step.output)] = first;
            continue;
        }
        const Node& node = network.nodes[size_t(step.node)];
        const Value& value = network.values[size_t(node.output)];
        const int output = value_of_slot[size_t(step.output)] = out.add_value(value.name, value.shape);
        if (step.product && step.product->is_quantized()) {
            out.exported.products.push_back(
                add_integer_product(out, *step.product, codes_of_step[size_t(step.codes_step)], output));
            continue;
        }
        std::vector<int> inputs;
        for (const int slot : step.inputs) inputs.push_back(value_of_slot[size_t(slot)]);
        const int index = out.add_node(node.name, inputs, output, step.layer->trained());
        if (step.product) out.exported.products.push_back({{}, {index}, {}});
    }
    out.exported.network.output = value_of_slot[size_t(slot_of_value[size_t(network.output)])];
    return std::move(out.exported);
}

Network Model::quantized() const { return exported_network().network; }

Exported Model::exported_network() const {
    Pass still;
    for (Step& step : impl_->steps)
        if (step.product) step.product->prepare(still);
    Exported exported = impl_->export_network();
    validate(exported.network);
    return exported;
}

}  // namespace bitline::training
