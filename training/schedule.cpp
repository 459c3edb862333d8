#include "training/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/random.h"

namespace bitline::training {

namespace {

using Kind = ScheduleOptions::Kind;

template <class Number>
void require(bool holds, const char* what, Number value, const char* relation) {
    if (!holds) throw ConfigError(fmt::format("learning rate: {} {} violates {}", what, value, relation));
}

/// cos(pi x) for 0 <= x <= 1 by IEEE operations in a fixed order: the rate reaches every weight. sin(y) for y =
/// pi (1/2 - x), |y| <= pi / 2; the first term left out is below 2^-58.
double cosine(double x) {
    const double y = std::numbers::pi * (0.5 - x);
    double sum = 0;
    for (int n = 21; n >= 3; n -= 2) sum = -y * y / (n * (n - 1)) * (1 + sum);
    return y * (1 + sum);
}

int64_t falls(const ScheduleOptions& o, int64_t step) {
    if (o.milestones.empty()) return step / o.every;
    return std::upper_bound(o.milestones.begin(), o.milestones.end(), step) - o.milestones.begin();
}

}  // namespace

void validate(const ScheduleOptions& o) {
    require(o.rate > 0 && std::isfinite(o.rate), "rate", o.rate, "0 < rate < infinity");
    require(o.warm_up >= 0, "warm-up", o.warm_up, "steps >= 0");
    if (o.kind == Kind::step || o.kind == Kind::exponential) {
        require(o.factor > 0 && o.factor <= 1, "factor", o.factor, "0 < factor <= 1");
        if (o.kind == Kind::exponential || o.milestones.empty())
            require(o.every >= 1, "steps between falls", o.every, "steps >= 1");
    }
    if (o.kind == Kind::step) {
        for (size_t i = 0; i < o.milestones.size(); ++i)
            require(i == 0 ? o.milestones[i] >= 0 : o.milestones[i] > o.milestones[i - 1], "milestone", o.milestones[i],
                    "0 <= first < second < ...");
    }
    if (o.kind == Kind::cosine) require(o.floor >= 0 && o.floor <= o.rate, "floor", o.floor, "0 <= floor <= rate");
}

double learning_rate(const ScheduleOptions& o, int64_t step, int64_t total) {
    if (step < o.warm_up) return o.rate * static_cast<double>(step + 1) / static_cast<double>(o.warm_up);
    const auto since = static_cast<double>(step - o.warm_up);
    switch (o.kind) {
        case Kind::constant:
            return o.rate;
        case Kind::step:
            return o.rate * fixed_pow(o.factor, static_cast<double>(falls(o, step)));
        case Kind::exponential:
            return o.rate * fixed_pow(o.factor, since / static_cast<double>(o.every));
        case Kind::cosine:
            return o.floor + (o.rate - o.floor) * (1 + cosine(since / static_cast<double>(total - o.warm_up))) / 2;
    }
    return o.rate;
}

}  // namespace bitline::training
