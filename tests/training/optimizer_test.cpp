#include "training/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/training/layer_runs.h"

namespace bitline::training {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::ThrowsMessage;
using Kind = OptimizerOptions::Kind;

void set_gradient(Parameter& w, int step) {
    const auto s = static_cast<float>(step);
    w.gradient = {0.3F * s, -0.2F * s, 1.5F * s};
}

Parameter start() { return {"w", {0.5F, -1, 2}, {0, 0, 0}}; }

/// Three steps at rate 0.1 with gradients (0.3, -0.2, 1.5) times 1, 2, 3.
std::vector<float> three_steps(const OptimizerOptions& options) {
    Parameter w = start();
    Optimizer optimizer({&w}, options);
    for (int step = 1; step <= 3; ++step) {
        set_gradient(w, step);
        optimizer.step(0.1);
    }
    return w.value;
}

OptimizerOptions options_of(Kind kind, double decay) {
    OptimizerOptions o;
    o.kind = kind;
    o.weight_decay = decay;
    return o;
}

// Constants: torch.optim of PyTorch 2 with the same numbers.
TEST(Optimizer, StepsAsPyTorch) {
    const auto expect = [](const OptimizerOptions& options, const std::vector<float>& wanted) {
        EXPECT_THAT(three_steps(options), Pointwise(FloatNear(1e-6F), wanted));
    };
    OptimizerOptions sgd = options_of(Kind::sgd, 0.01), adam = options_of(Kind::adam, 0.01);
    expect(sgd, {0.212071359F, -0.804310739F, 0.563159525F});
    sgd.nesterov = true;
    expect(sgd, {0.059737768F, -0.701135099F, -0.19729349F});
    expect(adam, {0.207473606F, -0.707124293F, 1.70753539F});
    adam.decoupled = true;
    expect(adam, {0.206479579F, -0.704981089F, 1.70198417F});
    OptimizerOptions limited = options_of(Kind::sgd, 0);
    limited.largest_norm = 1;
    expect(limited, {0.390907347F, -0.927271545F, 1.4545368F});
}

TEST(Optimizer, ReportsTheNormItLimits) {
    Parameter w = start();
    OptimizerOptions options = options_of(Kind::sgd, 0);
    options.largest_norm = 100;
    set_gradient(w, 1);
    EXPECT_NEAR(Optimizer({&w}, options).step(0.1), std::sqrt(0.09 + 0.04 + 2.25), 1e-6);
    EXPECT_THAT(w.gradient, ElementsAre(0.3F, -0.2F, 1.5F));  // below the limit: as they are
}

TEST(Optimizer, FollowsTheFactorsAndLimitsOfAParameter) {
    Parameter w = start();
    w.decay = 0;
    w.rate = 2;
    w.low = -1.01F;
    w.high = 1.5F;
    w.gradient = {0, 1, 0};
    OptimizerOptions options = options_of(Kind::sgd, 100);
    options.momentum = 0;
    Optimizer({&w}, options).step(0.125);
    EXPECT_THAT(w.value, ElementsAre(0.5F, -1.01F, 1.5F));
    w.low = -10;
    w.value[1] = -1;
    Optimizer({&w}, options).step(0.125);
    EXPECT_EQ(w.value[1], -1.25F);
}

TEST(Optimizer, GoesOnFromItsStatesAsIfItHadNotStopped) {
    for (const Kind kind : {Kind::sgd, Kind::adam}) {
        const OptimizerOptions options = options_of(kind, 0.01);
        Parameter w = start();
        Optimizer first({&w}, options);
        set_gradient(w, 1);
        first.step(0.1);
        Optimizer second({&w}, options);
        const auto from = first.states(), to = second.states();
        ASSERT_EQ(from.size(), to.size());
        for (size_t i = 0; i < from.size(); ++i) {
            EXPECT_EQ(from[i]->name, to[i]->name);
            to[i]->value = from[i]->value;
        }
        for (int step = 2; step <= 3; ++step) {
            set_gradient(w, step);
            second.step(0.1);
        }
        EXPECT_EQ(w.value, three_steps(options));
    }
}

TEST(Optimizer, BitsDoNotDependOnThreads) {
    const auto run = [](int threads) {
        set_threads(threads);
        Parameter w{"w", testing::random_numbers(200000, 1), testing::random_numbers(200000, 2)};
        OptimizerOptions options = options_of(Kind::adam, 0.1);
        options.largest_norm = 1;
        Optimizer({&w}, options).step(0.1);
        set_threads(0);
        return w.value;
    };
    EXPECT_EQ(run(1), run(4));
}

TEST(Optimizer, RefusesOptionsOutsideOfTheirRange) {
    const auto with = [](auto change) {
        return [change] {
            OptimizerOptions options;
            change(options);
            Optimizer({}, options);
        };
    };
    EXPECT_THAT(with([](auto& o) { o.momentum = 1; }), ThrowsMessage<ConfigError>(HasSubstr("0 <= momentum < 1")));
    EXPECT_THAT(with([](auto& o) { o.weight_decay = -1; }), ThrowsMessage<ConfigError>(HasSubstr("weight decay")));
    EXPECT_THAT(with([](auto& o) { o.decoupled = true; }), ThrowsMessage<ConfigError>(HasSubstr("adam")));
    EXPECT_THAT(with([](auto& o) { o.beta2 = 1; }), ThrowsMessage<ConfigError>(HasSubstr("beta2")));
    EXPECT_THAT(with([](auto& o) { o.epsilon = 0; }), ThrowsMessage<ConfigError>(HasSubstr("epsilon")));
    EXPECT_THAT(with([](auto& o) { o.largest_norm = -1; }), ThrowsMessage<ConfigError>(HasSubstr("norm")));
    EXPECT_THAT(with([](auto& o) { o.nesterov = true, o.momentum = 0; }),
                ThrowsMessage<ConfigError>(HasSubstr("Nesterov")));
}

}  // namespace
}  // namespace bitline::training
