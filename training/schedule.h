#pragma once

// The learning rate over a run: a pure function of the step, so that a resumed run goes on as if it had not stopped.

#include <cstdint>
#include <vector>

namespace bitline::training {

struct ScheduleOptions {
    enum class Kind { constant, step, exponential, cosine } kind = Kind::constant;
    double rate = 0.1;                // > 0
    int64_t warm_up = 0;              // steps, >= 0: rate * (step + 1) / warm_up before step `warm_up`
    double factor = 0.1;              // step, exponential: 0 < factor <= 1
    int64_t every = 0;                // step (where no milestones are given), exponential: steps, >= 1
    std::vector<int64_t> milestones;  // step: ascending
    double floor = 0;                 // cosine: rate at the end, 0 <= floor <= rate
};

/// Throws ConfigError that names the option.
void validate(const ScheduleOptions& options);

/// The learning rate of a step, 0 <= step < total. After the warm-up:
///   constant     rate
///   step         rate * factor^(milestones <= step, or step / every)
///   exponential  rate * factor^((step - warm_up) / every), without steps in between
///   cosine       floor + (rate - floor) (1 + cos(pi (step - warm_up) / (total - warm_up))) / 2
///                (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, one period)
double learning_rate(const ScheduleOptions& options, int64_t step, int64_t total);

}  // namespace bitline::training
