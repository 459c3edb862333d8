#include "training/layers/batch_norm.h"

#include <cmath>

#include "training/layers/channel_statistics.h"
#include "training/layers/numbers.h"

namespace bitline::training {

namespace {

/// Gamma or beta: no weight decay.
Parameter norm_parameter(const std::string& name, const std::vector<float>& value) {
    Parameter parameter{name, value, std::vector<float>(value.size(), 0.0F)};
    parameter.decay = 0;
    return parameter;
}

}  // namespace

NormNumbers::NormNumbers(const BatchNorm& op, bool learned)
    : epsilon(op.epsilon),
      affine(learned),
      gamma(norm_parameter("gamma", op.gamma)),
      beta(norm_parameter("beta", op.beta)),
      mean{"mean", op.mean},
      variance{"variance", op.variance} {}

std::vector<Parameter*> NormNumbers::parameters() {
    if (!affine) return {};
    return {&gamma, &beta};
}

BatchNormLayer::BatchNormLayer(std::string name, int number, const BatchNorm& op, bool affine)
    : Layer(std::move(name), number),
      channels_(static_cast<int64_t>(op.gamma.size())),
      numbers_(op, affine),
      deviation_inverse_(op.gamma.size()),
      a_(op.gamma.size()),
      b_(op.gamma.size()) {}

void BatchNormLayer::forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) {
    const Tensor& x = *inputs[0];
    const int64_t size = plane(x);
    used_mean_ = numbers_.mean.value;
    std::vector<float> variance = numbers_.variance.value;
    if (pass.training && !pass.freeze_batch_norm) {
        const std::vector<ChannelStatistics> statistics = channel_statistics(name(), channels_, x);
        for (size_t c = 0; c < statistics.size(); ++c) {
            used_mean_[c] = static_cast<float>(statistics[c].mean);
            variance[c] = static_cast<float>(statistics[c].variance());
            follow(numbers_.mean.value[c], statistics[c].mean);
            follow(numbers_.variance.value[c], statistics[c].unbiased_variance());
        }
    }
    for (size_t c = 0; c < a_.size(); ++c) {
        const float deviation = std::sqrt(variance[c] + numbers_.epsilon);
        deviation_inverse_[c] = 1 / deviation;
        a_[c] = numbers_.gamma.value[c] / deviation;
        b_[c] = numbers_.beta.value[c] - used_mean_[c] * a_[c];
    }
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        const float* from = x.sample(first);
        float* to = output.sample(first);
        for (int64_t p = 0; p < count * channels_; ++p, from += size, to += size) {
            const float a = a_[static_cast<size_t>(p % channels_)], b = b_[static_cast<size_t>(p % channels_)];
            for (int64_t i = 0; i < size; ++i) to[i] = from[i] * a + b;
        }
    });
}

std::vector<BatchNormLayer::GradientSums> BatchNormLayer::gradient_sums(const Tensor& x, const Tensor& gradient) {
    const int64_t size = plane(x), channels = channels_;
    sums_.resize(static_cast<size_t>(chunks(x.samples) * channels));
    for_chunks(x.samples, [&](int64_t chunk, int64_t first, int64_t count) {
        for (int64_t c = 0; c < channels; ++c) {
            GradientSums sums;
            const float middle = used_mean_[static_cast<size_t>(c)];
            for (int64_t s = 0; s < count; ++s) {
                const float* v = x.sample(first + s) + c * size;
                const float* g = gradient.sample(first + s) + c * size;
                sums.gradient += sum_of(size, [g](int64_t i) { return g[i]; });
                sums.centred += sum_of(size, [g, v, middle](int64_t i) { return g[i] * (v[i] - middle); });
            }
            sums_[static_cast<size_t>(chunk * channels + c)] = sums;
        }
    });
    std::vector<GradientSums> total(sums_.begin(), sums_.begin() + channels);
    for (size_t i = total.size(); i < sums_.size(); ++i) {
        total[i % total.size()].gradient += sums_[i].gradient;
        total[i % total.size()].centred += sums_[i].centred;
    }
    return total;
}

void BatchNormLayer::backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor&,
                              const Tensor& gradient, std::span<Tensor* const> input_gradients) {
    const Tensor& x = *inputs[0];
    const int64_t size = plane(x);
    const bool from_batch = pass.training && !pass.freeze_batch_norm;
    // The batch's mean and variance depend on x too: dx = a (g - sum g / n - (x - mean) sum g (x - mean) / (n s^2)).
    std::vector<float> slope(a_.size(), 0.0F), offset(a_.size(), 0.0F);
    if (numbers_.affine || from_batch) {
        const std::vector<GradientSums> sums = gradient_sums(x, gradient);
        const auto n = static_cast<double>(x.samples * size);
        for (size_t c = 0; c < sums.size(); ++c) {
            const double inverse = deviation_inverse_[c];
            numbers_.gamma.gradient[c] = static_cast<float>(sums[c].centred * inverse);
            numbers_.beta.gradient[c] = static_cast<float>(sums[c].gradient);
            if (!from_batch) continue;
            slope[c] = static_cast<float>(-a_[c] * sums[c].centred * inverse * inverse / n);
            offset[c] = static_cast<float>(-a_[c] * sums[c].gradient / n);
        }
    }
    if (!input_gradients[0]) return;
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        const float* v = x.sample(first);
        const float* g = gradient.sample(first);
        float* to = input_gradients[0]->sample(first);
        for (int64_t p = 0; p < count * channels_; ++p, v += size, g += size, to += size) {
            const auto c = static_cast<size_t>(p % channels_);
            const float a = a_[c], k = slope[c], middle = used_mean_[c], rest = offset[c];
            for (int64_t i = 0; i < size; ++i) to[i] += a * g[i] + (k * (v[i] - middle) + rest);
        }
    });
}

}  // namespace bitline::training
