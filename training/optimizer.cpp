#include "training/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "training/layers/numbers.h"

namespace bitline::training {

namespace {

constexpr int64_t kBlock = 1 << 15;  // numbers that one piece of parallel work holds

int64_t blocks(const Parameter& parameter) {
    return (static_cast<int64_t>(parameter.value.size()) + kBlock - 1) / kBlock;
}

/// Calls body(first, count) for blocks of a parameter, in parallel.
template <class Body>
void for_blocks(const Parameter& parameter, Body body) {
    const auto size = static_cast<int64_t>(parameter.value.size());
    parallel_for(blocks(parameter), [&](int64_t b) { body(b * kBlock, std::min(kBlock, size - b * kBlock)); });
}

void require(bool holds, const char* what, double value, const char* relation) {
    if (!holds) throw ConfigError(fmt::format("{} {} violates {}", what, value, relation));
}

void check(const OptimizerOptions& o) {
    require(o.momentum >= 0 && o.momentum < 1, "momentum", o.momentum, "0 <= momentum < 1");
    require(!o.nesterov || o.momentum > 0, "momentum", o.momentum, "momentum > 0 of Nesterov's form");
    require(o.beta1 >= 0 && o.beta1 < 1, "beta1", o.beta1, "0 <= beta1 < 1");
    require(o.beta2 >= 0 && o.beta2 < 1, "beta2", o.beta2, "0 <= beta2 < 1");
    require(o.epsilon > 0 && std::isfinite(o.epsilon), "epsilon", o.epsilon, "0 < epsilon < infinity");
    require(o.weight_decay >= 0 && std::isfinite(o.weight_decay), "weight decay", o.weight_decay,
            "0 <= weight decay < infinity");
    require(o.largest_norm >= 0 && std::isfinite(o.largest_norm), "largest norm of the gradients", o.largest_norm,
            "0 <= norm < infinity");
    if (o.decoupled && o.kind != OptimizerOptions::Kind::adam)
        throw ConfigError("decoupled weight decay needs the optimizer adam");
    if (o.nesterov && o.kind != OptimizerOptions::Kind::sgd)
        throw ConfigError("Nesterov's momentum needs the optimizer sgd");
}

/// Sum of squares, block by block in their order.
double squares(const Parameter& parameter) {
    std::vector<double> part(static_cast<size_t>(blocks(parameter)));
    for_blocks(parameter, [&](int64_t first, int64_t count) {
        const float* g = parameter.gradient.data() + first;
        part[static_cast<size_t>(first / kBlock)] = sum_of(count, [g](int64_t i) { return g[i] * g[i]; });
    });
    double sum = 0;
    for (const double p : part) sum += p;
    return sum;
}

}  // namespace

Optimizer::Optimizer(const std::vector<Parameter*>& parameters, const OptimizerOptions& options)
    : parameters_(parameters), options_(options), steps_{"optimizer.steps", {0.0F}} {
    check(options);
    const bool adam = options.kind == OptimizerOptions::Kind::adam;
    for (const Parameter* parameter : parameters) {
        const std::vector<float> zeros(parameter->value.size(), 0.0F);
        first_.push_back({"optimizer." + parameter->name + (adam ? ".mean" : ".momentum"), zeros});
        if (adam) second_.push_back({"optimizer." + parameter->name + ".square", zeros});
    }
}

/// As torch.nn.utils.clip_grad_norm_: by norm / (largest + 1e-6) where that is above 1.
double Optimizer::limit_gradients() {
    if (options_.largest_norm == 0) return 0;
    double sum = 0;
    for (const Parameter* parameter : parameters_) sum += squares(*parameter);
    const double norm = std::sqrt(sum);
    const auto factor = static_cast<float>(options_.largest_norm / (norm + 1e-6));
    if (factor < 1) {
        for (Parameter* parameter : parameters_)
            for (float& g : parameter->gradient) g *= factor;
    }
    return norm;
}

void Optimizer::step_sgd(Parameter& parameter, State& momentum, double rate) const {
    const auto decay = static_cast<float>(options_.weight_decay * static_cast<double>(parameter.decay));
    const auto m = static_cast<float>(options_.momentum), r = static_cast<float>(rate * parameter.rate);
    const bool nesterov = options_.nesterov;
    const float low = parameter.low, high = parameter.high;
    for_blocks(parameter, [&](int64_t first, int64_t count) {
        float* w = parameter.value.data() + first;
        const float* gradient = parameter.gradient.data() + first;
        float* v = momentum.value.data() + first;
        for (int64_t i = 0; i < count; ++i) {
            const float g = gradient[i] + decay * w[i];
            v[i] = m * v[i] + g;
            const float moved = w[i] - r * (nesterov ? g + m * v[i] : v[i]);
            w[i] = std::min(std::max(moved, low), high);
        }
    });
}

void Optimizer::step_adam(Parameter& parameter, State& mean, State& square, double rate) const {
    const double t = steps_.value[0], own_rate = rate * parameter.rate;
    const double correction1 = 1 - fixed_pow(options_.beta1, t), correction2 = 1 - fixed_pow(options_.beta2, t);
    const double decay = options_.weight_decay * static_cast<double>(parameter.decay);
    const auto coupled = static_cast<float>(options_.decoupled ? 0 : decay);
    const auto kept = static_cast<float>(options_.decoupled ? 1 - own_rate * decay : 1);
    const auto b1 = static_cast<float>(options_.beta1), b2 = static_cast<float>(options_.beta2);
    const auto c1 = static_cast<float>(1 - options_.beta1), c2 = static_cast<float>(1 - options_.beta2);
    const auto r = static_cast<float>(own_rate / correction1), epsilon = static_cast<float>(options_.epsilon);
    const auto root = static_cast<float>(std::sqrt(correction2));
    const float low = parameter.low, high = parameter.high;
    for_blocks(parameter, [&](int64_t first, int64_t count) {
        float* w = parameter.value.data() + first;
        const float* gradient = parameter.gradient.data() + first;
        float* m = mean.value.data() + first;
        float* v = square.value.data() + first;
        for (int64_t i = 0; i < count; ++i) {
            const float g = gradient[i] + coupled * w[i];
            m[i] = b1 * m[i] + c1 * g;
            v[i] = b2 * v[i] + c2 * (g * g);
            const float moved = kept * w[i] - r * (m[i] / (std::sqrt(v[i]) / root + epsilon));
            w[i] = std::min(std::max(moved, low), high);
        }
    });
}

double Optimizer::step(double rate) {
    const double norm = limit_gradients();
    steps_.value[0] += 1;
    for (size_t p = 0; p < parameters_.size(); ++p) {
        if (options_.kind == OptimizerOptions::Kind::sgd) {
            step_sgd(*parameters_[p], first_[p], rate);
        } else {
            step_adam(*parameters_[p], first_[p], second_[p], rate);
        }
    }
    return norm;
}

std::vector<State*> Optimizer::states() {
    std::vector<State*> states{&steps_};
    for (std::vector<State>* list : {&first_, &second_})
        for (State& state : *list) states.push_back(&state);
    return states;
}

}  // namespace bitline::training
