#include "training/layers/permute.h"

#include "core/axes.h"

namespace bitline::training {

PermuteLayer::PermuteLayer(std::string name, int number, const Permute& op, const Shape& input)
    : Layer(std::move(name), number), op_(op), source_(permuted_indices(input, op.order)) {}

void PermuteLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    for_chunks(output.samples, [&](int64_t, int64_t first, int64_t count) {
        for (int64_t s = first; s < first + count; ++s) {
            const float* from = inputs[0]->sample(s);
            float* to = output.sample(s);
            for (const int64_t index : source_) *to++ = from[index];
        }
    });
}

void PermuteLayer::backward(const Pass&, std::span<const Tensor* const>, const Tensor&, const Tensor& gradient,
                            std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    for_chunks(gradient.samples, [&](int64_t, int64_t first, int64_t count) {
        for (int64_t s = first; s < first + count; ++s) {
            const float* from = gradient.sample(s);
            float* to = input_gradients[0]->sample(s);
            for (const int64_t index : source_) to[index] += *from++;
        }
    });
}

}  // namespace bitline::training
