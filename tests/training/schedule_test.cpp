#include "training/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace bitline::training {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Kind = ScheduleOptions::Kind;

ScheduleOptions options_of(Kind kind) {
    ScheduleOptions o;
    o.kind = kind;
    o.rate = 0.5;
    o.factor = 0.5;
    o.every = 10;
    return o;
}

TEST(Schedule, WarmsUpInEqualStepsToTheRate) {
    ScheduleOptions o = options_of(Kind::constant);
    o.warm_up = 4;
    EXPECT_DOUBLE_EQ(learning_rate(o, 0, 100), 0.125);
    EXPECT_DOUBLE_EQ(learning_rate(o, 2, 100), 0.375);
    EXPECT_DOUBLE_EQ(learning_rate(o, 3, 100), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(o, 4, 100), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(o, 99, 100), 0.5);
}

TEST(Schedule, FallsEverySoManyStepsOrAtMilestones) {
    ScheduleOptions o = options_of(Kind::step);
    EXPECT_DOUBLE_EQ(learning_rate(o, 9, 100), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(o, 10, 100), 0.25);
    EXPECT_NEAR(learning_rate(o, 39, 100), 0.0625, 1e-15);
    o.milestones = {3, 7};
    EXPECT_DOUBLE_EQ(learning_rate(o, 2, 100), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(o, 3, 100), 0.25);
    EXPECT_NEAR(learning_rate(o, 99, 100), 0.125, 1e-15);
}

TEST(Schedule, FallsExponentiallyAfterTheWarmUp) {
    ScheduleOptions o = options_of(Kind::exponential);
    o.warm_up = 5;
    EXPECT_DOUBLE_EQ(learning_rate(o, 5, 100), 0.5);
    EXPECT_NEAR(learning_rate(o, 10, 100), 0.5 * std::sqrt(0.5), 1e-14);
    EXPECT_NEAR(learning_rate(o, 25, 100), 0.125, 1e-14);
}

TEST(Schedule, CosineRunsFromTheRateToTheFloor) {
    ScheduleOptions o = options_of(Kind::cosine);
    o.warm_up = 20;
    o.floor = 0.1;
    for (int64_t step = 20; step <= 120; ++step) {
        const double turn = std::cos(std::numbers::pi * static_cast<double>(step - 20) / 100);
        EXPECT_NEAR(learning_rate(o, step, 120), 0.1 + 0.4 * (1 + turn) / 2, 1e-15) << step;
    }
}

TEST(Schedule, RefusesOptionsOutsideOfTheirRange) {
    const auto with = [](Kind kind, auto change) {
        return [=] {
            ScheduleOptions o = options_of(kind);
            change(o);
            validate(o);
        };
    };
    const auto says = [](const char* text) { return ThrowsMessage<ConfigError>(HasSubstr(text)); };
    EXPECT_THAT(with(Kind::constant, [](auto& o) { o.rate = 0; }), says("rate"));
    EXPECT_THAT(with(Kind::constant, [](auto& o) { o.warm_up = -1; }), says("warm-up"));
    EXPECT_THAT(with(Kind::step, [](auto& o) { o.factor = 0; }), says("factor"));
    EXPECT_THAT(with(Kind::step, [](auto& o) { o.every = 0; }), says("steps >= 1"));
    EXPECT_THAT(with(Kind::step, [](auto& o) { o.milestones = {5, 5}; }), says("first < second"));
    EXPECT_THAT(with(Kind::exponential, [](auto& o) { o.every = 0; }), says("steps >= 1"));
    EXPECT_THAT(with(Kind::cosine, [](auto& o) { o.floor = 0.6; }), says("floor"));
    for (const Kind kind : {Kind::constant, Kind::step, Kind::exponential, Kind::cosine})
        EXPECT_NO_THROW(validate(options_of(kind)));
}

}  // namespace
}  // namespace bitline::training
