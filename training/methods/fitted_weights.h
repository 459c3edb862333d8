#pragma once

// Weights on a grid of fixed shape, stretched for each output channel so that the squared error is least. Not for use
// outside of training/methods.

#include <algorithm>

#include "training/methods/parts.h"

namespace bitline::training {

/// `Grid`: made from a number of bits; quantizer(channels), top() (its largest code), and the code of w / scale.
template <class Grid>
class FittedWeights : public WeightQuantizer {
 public:
    explicit FittedWeights(const LayerRole& role) : channels_(role.channels), grid_(role.bits) {
        share_.name = "range";
        share_.value.assign(static_cast<size_t>(channels_), 1.0F);
    }

    void start(std::span<const float> weights) override {
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t) {
            share_.value[channel] = least_squares_share(w, largest_magnitude(w), grid_.top(), grid_);
        });
    }

    void quantize(std::span<const float> weights, bool adapt, QuantizedWeights& quantized) override {
        resize_plane(quantized, 1, weights.size());
        QuantizedWeights::Plane& plane = quantized.planes[0];
        plane.quantizer = grid_.quantizer(share_.value.size());
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            const float largest = largest_magnitude(w);
            float& share = share_.value[channel];
            if (adapt) share = nearby_share(w, largest, grid_.top(), share, grid_);
            const float scale = usable_scale(largest * share / grid_.top());
            plane.quantizer.scale[channel] = scale;
            int32_t* codes = plane.codes.data() + first;
            for (size_t i = 0; i < w.size(); ++i) codes[i] = static_cast<int32_t>(grid_(w[i] / scale));
        });
    }

    void backward(std::span<const float>, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        std::copy(gradient.begin(), gradient.end(), weight_gradient.begin());
    }

    std::vector<State*> states() override { return {&share_}; }

 private:
    int64_t channels_;
    Grid grid_;
    State share_;  // of a channel's largest magnitude that its largest code stands for
};

}  // namespace bitline::training
