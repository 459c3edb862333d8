#include "peripherals/dac.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/moments.h"

namespace bitline {
namespace {

using testing::Moments;

constexpr int kBits = 3, kLast = 7;
constexpr int kLines = 20000;

void expect_normal(const Moments& m, double mean, double variance) {
    EXPECT_NEAR(m.mean, mean, 5 * std::sqrt(variance / m.n));
    EXPECT_NEAR(m.variance(), variance, 5 * variance * std::sqrt(2 / m.n));
}

/// Output less the digit over many lines, for each digit.
std::vector<Moments> errors_of(const DacOptions& options) {
    const DacStreams streams = dac_streams(3, 1);
    std::vector<Moments> errors(kLast + 1);
    for (uint32_t line = 0; line < kLines; ++line) {
        const LineDriver driver = make_line_driver(options, kBits, streams, line / 100, line % 100);
        for (int v = 0; v <= kLast; ++v) errors[static_cast<size_t>(v)].add(driver.output(v) - v);
    }
    return errors;
}

TEST(Dac, IsIdealByDefault) {
    const DacOptions options;
    const LineDriver driver = make_line_driver(options, kBits, dac_streams(3, 1), 4, 5);
    for (int v = -kLast; v <= kLast; ++v) EXPECT_EQ(driver.output(v), v);
    EXPECT_FALSE(bends(options));
    EXPECT_FALSE(has_output_at_zero(options));
}

TEST(Dac, InlIsIndependentFromCodeToCodeAndLeavesTheEnds) {
    DacOptions options;
    options.inl_sigma = 0.3;
    EXPECT_TRUE(bends(options));
    const std::vector<Moments> errors = errors_of(options);
    for (size_t v = 1; v < kLast; ++v) expect_normal(errors[v], 0, 0.09);
    EXPECT_EQ(errors[0].variance() + errors[kLast].variance(), 0);
    Moments product;
    for (uint32_t line = 0; line < kLines; ++line) {
        const LineDriver driver = make_line_driver(options, kBits, dac_streams(3, 1), 9, line);
        product.add((driver.output(3) - 3) * (driver.output(4) - 4));
    }
    EXPECT_NEAR(product.mean, 0, 5 * 0.09 / std::sqrt(kLines));
}

// A walk of independent steps less the line through its ends is a bridge: variance sigma^2 v (n - v) / n.
TEST(Dac, UnevenStepsAddUpToABridge) {
    DacOptions options;
    options.dnl_sigma = 0.2;
    const std::vector<Moments> errors = errors_of(options);
    for (int v = 1; v < kLast; ++v)
        expect_normal(errors[static_cast<size_t>(v)], 0, 0.04 * v * (kLast - v) / static_cast<double>(kLast));
    EXPECT_EQ(errors[0].variance() + errors[kLast].variance(), 0);
}

TEST(Dac, GainAndOffsetBelongToTheLine) {
    DacOptions options;
    options.gain_sigma = 0.05;
    EXPECT_FALSE(bends(options));
    std::vector<Moments> errors = errors_of(options);
    for (int v = 1; v <= kLast; ++v) expect_normal(errors[static_cast<size_t>(v)], 0, std::pow(0.05 * v, 2));
    options = {};
    options.offset_sigma = 0.4;
    EXPECT_TRUE(bends(options));
    EXPECT_TRUE(has_output_at_zero(options));
    errors = errors_of(options);
    for (const Moments& error : errors) expect_normal(error, 0, 0.16);
    const LineDriver driver = make_line_driver(options, kBits, dac_streams(3, 1), 0, 0);
    for (int v = -kLast; v <= kLast; ++v) EXPECT_NEAR(driver.output(v) - v, driver.offset, 1e-12);
}

TEST(Dac, LevelsOfATableAreThoseOfEveryLine) {
    DacOptions options;
    options.levels = {0, 0.9, 2.2, 3, 4, 4.5, 6, 7.25};
    EXPECT_FALSE(has_output_at_zero(options));
    for (uint32_t line = 0; line < 3; ++line) {
        const LineDriver driver = make_line_driver(options, kBits, dac_streams(3, 1), 0, line);
        for (int v = 0; v <= kLast; ++v) {
            EXPECT_EQ(driver.output(v), options.levels[static_cast<size_t>(v)]);
            EXPECT_EQ(driver.output(-v), -driver.output(v));
        }
    }
    options.levels[0] = 0.1;
    EXPECT_TRUE(has_output_at_zero(options));
}

TEST(Dac, RailsKeepOutputsWithinTwiceTheFullScale) {
    DacOptions options;
    options.offset_sigma = 10;
    Moments top;
    for (uint32_t line = 0; line < 1000; ++line) {
        const LineDriver driver = make_line_driver(options, kBits, dac_streams(3, 1), 0, line);
        EXPECT_LE(std::abs(driver.output(kLast)), 2 * kLast);
        top.add(driver.output(kLast) == 2 * kLast);
    }
    EXPECT_NEAR(top.mean, 0.5 * std::erfc(0.7 / std::sqrt(2.0)), 0.07);  // P(offset >= 7)
}

TEST(Dac, LinesArraysAndTrialsHaveErrorsOfTheirOwn) {
    DacOptions options;
    options.inl_sigma = options.dnl_sigma = options.gain_sigma = options.offset_sigma = 0.1;
    const auto level = [&](uint64_t seed, uint32_t trial, uint32_t array, uint32_t line) {
        return make_line_driver(options, kBits, dac_streams(seed, trial), array, line).output(3);
    };
    EXPECT_EQ(level(1, 2, 3, 4), level(1, 2, 3, 4));
    EXPECT_NE(level(1, 2, 3, 4), level(2, 2, 3, 4));
    EXPECT_NE(level(1, 2, 3, 4), level(1, 3, 3, 4));
    EXPECT_NE(level(1, 2, 3, 4), level(1, 2, 4, 4));
    EXPECT_NE(level(1, 2, 3, 4), level(1, 2, 3, 5));
}

}  // namespace
}  // namespace bitline
