#include "training/layers/folded_norm.h"

#include <algorithm>
#include <cmath>

#include "training/layers/channel_statistics.h"
#include "training/layers/numbers.h"

namespace bitline::training {

namespace {

/// Those of channel c.
template <class Number>
std::span<Number> channel_of(std::span<Number> numbers, size_t c, size_t channels) {
    const size_t each = numbers.size() / channels;
    return numbers.subspan(c * each, each);
}

double product_sum(std::span<const float> a, std::span<const float> b) {
    return sum_of(static_cast<int64_t>(a.size()), [=](int64_t i) { return a[size_t(i)] * b[size_t(i)]; });
}

float bias_of(const WeightsAndBias& numbers, size_t c) { return numbers.bias.empty() ? 0.0F : numbers.bias[c]; }

}  // namespace

FoldedNorm::FoldedNorm(std::string name, const BatchNorm& op, bool affine)
    : name_(std::move(name)), numbers_(op, affine), deviation_inverse_(op.gamma.size()), a_(op.gamma.size()) {}

void FoldedNorm::fold(const WeightsAndBias& raw, std::vector<float>& weights, std::vector<float>& bias) {
    weights.resize(raw.weights.size());
    bias.resize(channels());
    for (size_t c = 0; c < channels(); ++c) {
        const float deviation = std::sqrt(numbers_.variance.value[c] + numbers_.epsilon),
                    a = numbers_.gamma.value[c] / deviation;
        deviation_inverse_[c] = 1 / deviation;
        a_[c] = a;
        bias[c] = numbers_.beta.value[c] + (bias_of(raw, c) - numbers_.mean.value[c]) * a;
        const auto from = channel_of(raw.weights, c, channels());
        const auto to = channel_of(std::span(weights), c, channels());
        std::transform(from.begin(), from.end(), to.begin(), [a](float w) { return w * a; });
    }
}

void FoldedNorm::backward(const WeightsAndBias& raw, const WeightsAndBias& by_folded, std::span<float> by_weights,
                          std::span<float> by_bias) {
    for (size_t c = 0; c < channels(); ++c) {
        const float a = a_[c], by_shift = by_folded.bias[c];
        const auto g = channel_of(by_folded.weights, c, channels());
        const auto to = channel_of(by_weights, c, channels());
        std::transform(g.begin(), g.end(), to.begin(), [a](float v) { return v * a; });
        if (!by_bias.empty()) by_bias[c] = by_shift * a;
        const double centred = double(bias_of(raw, c)) - double(numbers_.mean.value[c]);
        const double by_factor = product_sum(g, channel_of(raw.weights, c, channels())) + centred * double(by_shift);
        numbers_.gamma.gradient[c] = static_cast<float>(by_factor * double(deviation_inverse_[c]));
        numbers_.beta.gradient[c] = by_shift;
    }
}

void FoldedNorm::follow_batch(const WeightsAndBias& raw, const WeightsAndBias& used, const Tensor& y) {
    constexpr double kVisible = 0x1p-24;  // of mean(y)^2: a thousand times the square of a float's rounding error
    const auto statistics = channel_statistics(name_, static_cast<int64_t>(channels()), y);
    for (size_t c = 0; c < channels(); ++c) {
        const auto w = channel_of(raw.weights, c, channels()), u = channel_of(used.weights, c, channels());
        const double own = product_sum(w, w), in_use = product_sum(u, u), variance = statistics[c].unbiased_variance();
        const double mean = statistics[c].mean;
        if (!(own > 0 && in_use > 0 && variance > kVisible * mean * mean)) continue;
        const double carried = std::sqrt(in_use / own), a = double(a_[c]);
        const double factor = std::copysign(std::clamp(std::abs(a), carried / 2, carried * 2), a);
        follow(numbers_.mean.value[c], (mean - double(used.bias[c])) / factor + double(bias_of(raw, c)));
        follow(numbers_.variance.value[c], variance / (factor * factor));
    }
}

}  // namespace bitline::training
