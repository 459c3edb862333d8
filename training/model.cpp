#include "training/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "training/hardware.h"
#include "training/model_steps.h"

namespace bitline::training {

const Shape& Model::Impl::output_shape(const Step& step) const {
    if (step.node < 0) return slots[size_t(step.inputs[0])].shape;
    const Network& network = source.network;
    return network.values[size_t(network.nodes[size_t(step.last_node())].output)].shape;
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
        if (step.product) step.product->follow_batch(pass, slots[size_t(step.output)]);
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
        if (options.fold_batch_norm && !entry.folds_batch_norm)
            throw ConfigError(
                fmt::format("method {} cannot fold batch norm: its weights have a range of their own, "
                            "which leaves no room for a channel's factor",
                            entry.name));
        impl_->method = entry.make(options.method_options);
        impl_->plain = find_method("ste").make({});
    } else if (options.fold_batch_norm) {
        throw ConfigError("batch norm is folded into quantized layers only: choose a method");
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
    for (Step& step : impl_->steps) {
        for (Parameter* p : step.layer->parameters()) all.push_back(p);
        if (!step.norm) continue;
        for (Parameter* p : step.norm->parameters()) all.push_back(p);
    }
    if (impl_->hardware)
        for (Parameter* p : impl_->hardware->parameters()) all.push_back(p);
    return all;
}

std::vector<State*> Model::states() {
    std::vector<State*> all;
    for (Step& step : impl_->steps) {
        for (State* s : step.layer->states()) all.push_back(s);
        if (!step.norm) continue;
        for (State* s : step.norm->states()) all.push_back(s);
    }
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
    for (const Step& step : impl_->steps) {
        if (step.node >= 0) network.nodes[size_t(step.node)].op = step.layer->trained();
        if (step.norm) network.nodes[size_t(step.norm_node)].op = step.norm->trained();
    }
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

}  // namespace bitline::training
