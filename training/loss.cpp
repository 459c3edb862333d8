#include "training/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "core/reference.h"

namespace bitline::training {

namespace {

void require_labels(const Tensor& logits, std::span<const int32_t> labels) {
    const int64_t classes = logits.elements();
    if (static_cast<int64_t>(labels.size()) != logits.samples || labels.empty()) {
        throw ConfigError(
            fmt::format("{} labels of {} samples violate one per sample, at least 1", labels.size(), logits.samples));
    }
    for (size_t s = 0; s < labels.size(); ++s) {
        if (labels[s] < 0 || labels[s] >= classes)
            throw ConfigError(fmt::format("label {} of sample {} violates 0 <= label < {}", labels[s], s, classes));
    }
}

/// log softmax(x / temperature), and its exponential.
struct Shares {
    std::vector<double> logarithm, share;
    explicit Shares(int64_t classes) : logarithm(static_cast<size_t>(classes)), share(static_cast<size_t>(classes)) {}

    void take(const float* x, double temperature) {
        const float largest = *std::max_element(x, x + share.size());
        double sum = 0;
        for (size_t k = 0; k < share.size(); ++k) {
            logarithm[k] = (static_cast<double>(x[k]) - static_cast<double>(largest)) / temperature;
            share[k] = fixed_exp(logarithm[k]);
            sum += share[k];
        }
        const double log_sum = fixed_log(sum);
        for (size_t k = 0; k < share.size(); ++k) {
            logarithm[k] -= log_sum;
            share[k] /= sum;
        }
    }
};

/// Calls sample(s, scratch) -> loss of that sample, in parallel; the mean adds up in the order of the samples.
template <class Sample>
LossResult over_samples(const Tensor& logits, std::span<const int32_t> labels, Tensor& gradient, Sample sample) {
    require_labels(logits, labels);
    gradient.resize(logits.shape, logits.samples);
    std::vector<double> loss(labels.size());
    for_chunks(logits.samples, [&](int64_t, int64_t first, int64_t count) {
        Shares own(logits.elements()), other(logits.elements());
        for (int64_t s = first; s < first + count; ++s) loss[static_cast<size_t>(s)] = sample(s, own, other);
    });
    LossResult result;
    const auto classes = static_cast<size_t>(logits.elements());
    for (size_t s = 0; s < labels.size(); ++s) {
        result.loss += loss[s];
        result.correct += top1({logits.sample(static_cast<int64_t>(s)), classes}) == labels[s] ? 1 : 0;
    }
    result.loss /= static_cast<double>(logits.samples);
    return result;
}

}  // namespace

LossResult cross_entropy(const Tensor& logits, std::span<const int32_t> labels, double smoothing, Tensor& gradient) {
    if (!(smoothing >= 0 && smoothing < 1))
        throw ConfigError(fmt::format("label smoothing {} violates 0 <= smoothing < 1", smoothing));
    const auto samples = static_cast<double>(logits.samples);
    return over_samples(logits, labels, gradient, [&](int64_t s, Shares& own, Shares&) {
        own.take(logits.sample(s), 1);
        const auto label = static_cast<size_t>(labels[static_cast<size_t>(s)]);
        const double everywhere = smoothing / static_cast<double>(own.share.size());
        double loss = 0;
        for (size_t k = 0; k < own.share.size(); ++k) {
            const double target = everywhere + (k == label ? 1 - smoothing : 0);
            if (target > 0) loss -= target * own.logarithm[k];
            gradient.sample(s)[k] = static_cast<float>((own.share[k] - target) / samples);
        }
        return loss;
    });
}

LossResult mean_squared_error(const Tensor& logits, std::span<const int32_t> labels, Tensor& gradient) {
    const auto samples = static_cast<double>(logits.samples);
    return over_samples(logits, labels, gradient, [&](int64_t s, Shares& own, Shares&) {
        const auto label = static_cast<size_t>(labels[static_cast<size_t>(s)]);
        const auto classes = static_cast<double>(own.share.size());
        double loss = 0;
        for (size_t k = 0; k < own.share.size(); ++k) {
            const double error = static_cast<double>(logits.sample(s)[k]) - (k == label ? 1.0 : 0.0);
            loss += error * error / classes;
            gradient.sample(s)[k] = static_cast<float>(2 * error / (classes * samples));
        }
        return loss;
    });
}

LossResult distillation(const Tensor& logits, const Tensor& teacher, std::span<const int32_t> labels,
                        const Distillation& options, Tensor& gradient) {
    const double t = options.temperature, weight = options.weight;
    if (!(t > 0)) throw ConfigError(fmt::format("temperature {} violates temperature > 0", t));
    if (!(weight >= 0 && weight <= 1))
        throw ConfigError(fmt::format("weight of distillation {} violates 0 <= weight <= 1", weight));
    if (teacher.samples != logits.samples || teacher.elements() != logits.elements()) {
        throw ConfigError(fmt::format("teacher's logits {} x {} violate those of the network, {} x {}", teacher.samples,
                                      teacher.elements(), logits.samples, logits.elements()));
    }
    const LossResult hard = cross_entropy(logits, labels, 0, gradient);
    const auto samples = static_cast<double>(logits.samples);
    LossResult soft = over_samples(logits, labels, gradient, [&](int64_t s, Shares& own, Shares& other) {
        own.take(logits.sample(s), t);
        other.take(teacher.sample(s), t);
        double loss = 0;
        for (size_t k = 0; k < own.share.size(); ++k) {
            // p log(p / q) is 0 where p is; the logarithm is finite as long as the logits are.
            loss += other.share[k] * (other.logarithm[k] - own.logarithm[k]);
            float& g = gradient.sample(s)[k];
            g = static_cast<float>((1 - weight) * static_cast<double>(g) +
                                   weight * t * (own.share[k] - other.share[k]) / samples);
        }
        return t * t * loss;
    });
    soft.loss = weight * soft.loss + (1 - weight) * hard.loss;
    return soft;
}

}  // namespace bitline::training
