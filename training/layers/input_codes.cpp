#include "training/layers/input_codes.h"

namespace bitline::training {

InputCodes::InputCodes(const std::string& name, int number, std::unique_ptr<InputQuantizer> quantizer)
    : Layer(name, number), quantizer_(std::move(quantizer)), seen_{"seen", {0}} {}

void InputCodes::observe(const Tensor& x) {
    quantizer_->observe(x.values, !has_seen());
    seen_.value[0] = 1;
}

void InputCodes::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    const Tensor& x = *inputs[0];
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        const auto begin = static_cast<size_t>(first * x.elements()), size = static_cast<size_t>(count * x.elements());
        quantizer_->forward(std::span(x.values).subspan(begin, size), std::span(output.values).subspan(begin, size));
    });
}

void InputCodes::backward(const Pass&, std::span<const Tensor* const> inputs, const Tensor&, const Tensor& gradient,
                          std::span<Tensor* const> input_gradients) {
    const Tensor& x = *inputs[0];
    size_t numbers = 0;
    for (const Parameter* p : quantizer_->parameters()) numbers += p->value.size();
    part_sums_.assign(static_cast<size_t>(chunks(x.samples)) * numbers, 0.0);
    scratch_.resize(x.shape, x.samples);
    for_chunks(x.samples, [&](int64_t chunk, int64_t first, int64_t count) {
        const auto begin = static_cast<size_t>(first * x.elements()), size = static_cast<size_t>(count * x.elements());
        const std::span<float> by_x = std::span(scratch_.values).subspan(begin, size);
        quantizer_->backward(std::span(x.values).subspan(begin, size), std::span(gradient.values).subspan(begin, size),
                             by_x, std::span(part_sums_).subspan(static_cast<size_t>(chunk) * numbers, numbers));
        if (!input_gradients[0]) return;
        float* sum = input_gradients[0]->values.data() + begin;
        for (size_t i = 0; i < size; ++i) sum[i] += by_x[i];
    });
    size_t at = 0;
    for (Parameter* p : quantizer_->parameters()) {
        for (float& g : p->gradient) {
            double sum = 0;
            for (size_t part = at; part < part_sums_.size(); part += numbers) sum += part_sums_[part];
            g = static_cast<float>(sum);
            ++at;
        }
    }
}

std::vector<State*> InputCodes::states() {
    std::vector<State*> all = quantizer_->states();
    all.push_back(&seen_);
    return all;
}

}  // namespace bitline::training
