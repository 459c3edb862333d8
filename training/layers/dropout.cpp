#include "training/layers/dropout.h"

#include <fmt/format.h>

#include "core/error.h"
#include "training/layers/numbers.h"

namespace bitline::training {

DropoutLayer::DropoutLayer(std::string name, int number, float share) : Layer(std::move(name), number), share_(share) {
    if (!(share >= 0 && share < 1))
        throw ConfigError(fmt::format("dropout of '{}': share {} violates 0 <= share < 1", Layer::name(), share));
}

/// Four numbers of a batch share a block of the stream; counter: (block, its high word, layer, 0).
void DropoutLayer::draw(const Pass& pass, int64_t first, int64_t count) {
    const StreamKey key = stream_key(pass.seed, pass.step, Purpose::dropout);
    const float kept = 1 / (1 - share_);
    const auto threshold = static_cast<uint32_t>(static_cast<double>(share_) * 0x1p32);  // share < 1
    int64_t block = -1;
    Counter bits{};
    for (int64_t i = first; i < first + count; ++i) {
        if (i / 4 != block) {
            block = i / 4;
            bits = philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), number(), 0}, key);
        }
        factor_[static_cast<size_t>(i)] = bits[static_cast<size_t>(i % 4)] >= threshold ? kept : 0.0F;
    }
}

void DropoutLayer::forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) {
    if (!pass.training) return map_numbers(*inputs[0], output, [](float v) { return v; });
    factor_.resize(output.values.size());
    for_numbers(output, [&](int64_t first, int64_t count) {
        draw(pass, first, count);
        const float* from = inputs[0]->values.data() + first;
        const float* factor = factor_.data() + first;
        float* to = output.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] = from[i] * factor[i];
    });
}

void DropoutLayer::backward(const Pass& pass, std::span<const Tensor* const>, const Tensor&, const Tensor& gradient,
                            std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    for_numbers(gradient, [&](int64_t first, int64_t count) {
        const float* g = gradient.values.data() + first;
        float* to = input_gradients[0]->values.data() + first;
        for (int64_t i = 0; i < count; ++i)
            to[i] += g[i] * (pass.training ? factor_[static_cast<size_t>(first + i)] : 1);
    });
}

}  // namespace bitline::training
