#include "mapping/weight_encoding.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"

namespace bitline {
namespace {

std::vector<int32_t> all_weights(int32_t low, int32_t high) {
    std::vector<int32_t> weights(static_cast<size_t>(high - low + 1));
    std::iota(weights.begin(), weights.end(), low);
    return weights;
}

/// What the levels of one weight add up to: positive minus negative parts, minus the offset.
int64_t read_back(const WeightPlan& plan, int32_t w, int max_level) {
    int64_t sum = -plan.offset;
    for (const Slice& slice : plan.slices) {
        const int64_t positive = stored_level(plan, slice, false, false, w);
        EXPECT_LE(positive, max_level);
        sum += slice.weight * positive;
        if (plan.encoding != WeightEncoding::differential) continue;
        const int64_t negative = stored_level(plan, slice, true, false, w);
        EXPECT_LE(negative, max_level);
        sum -= slice.weight * negative;
    }
    return sum;
}

TEST(WeightEncoding, EveryWeightIsReadBack) {
    using W = WeightOptions;
    for (auto encoding : {WeightEncoding::differential, WeightEncoding::offset, WeightEncoding::twos_complement})
        for (auto split : {W::Split::one_sided, W::Split::balanced})
            for (auto short_slice : {W::ShortSlice::top, W::ShortSlice::bottom})
                for (int cell_bits = 1; cell_bits <= 9; ++cell_bits)
                    for (int32_t reach : {1, 2, 7, 127, 255}) {
                        WeightOptions options;
                        options.encoding = encoding;
                        options.differential_split = split;
                        options.short_slice = short_slice;
                        const auto weights =
                            all_weights(-reach - (encoding == WeightEncoding::differential ? 0 : 1), reach);
                        const WeightPlan plan = plan_weights(options, cell_bits, weights, false, "l");
                        for (int32_t w : weights) ASSERT_EQ(read_back(plan, w, (1 << cell_bits) - 1), w);
                    }
}

TEST(WeightEncoding, TheShortSliceLiesWhereItIsWanted) {
    WeightOptions options;
    const auto weights = all_weights(-127, 127);  // magnitudes of 7 bits
    using Slices = std::vector<Slice>;
    EXPECT_EQ(plan_weights(options, 2, weights, false, "l").slices,
              (Slices{{0, 2, 1}, {2, 2, 4}, {4, 2, 16}, {6, 1, 64}}));
    EXPECT_EQ(plan_weights(options, 5, weights, false, "l").slices, (Slices{{0, 5, 1}, {5, 2, 32}}));
    options.short_slice = WeightOptions::ShortSlice::bottom;
    EXPECT_EQ(plan_weights(options, 2, weights, false, "l").slices,
              (Slices{{0, 1, 1}, {1, 2, 2}, {3, 2, 8}, {5, 2, 32}}));
    EXPECT_EQ(plan_weights(options, 5, weights, false, "l").slices, (Slices{{0, 2, 1}, {2, 5, 4}}));
    EXPECT_EQ(plan_weights(options, 7, weights, false, "l").slices, (Slices{{0, 7, 1}}));
    EXPECT_EQ(plan_weights(options, 8, weights, false, "l").slices, (Slices{{0, 7, 1}}));
}

TEST(WeightEncoding, SliceCountsOfEightBitWeights) {
    WeightOptions options;
    const auto weights = all_weights(-128, 127);
    EXPECT_EQ(plan_weights(options, 2, weights, false, "l").slices.size(), 4U);
    options.encoding = WeightEncoding::offset;
    EXPECT_EQ(plan_weights(options, 2, weights, false, "l").slices.size(), 4U);
    options.encoding = WeightEncoding::twos_complement;  // 7 bits in 4 slices, then the sign
    EXPECT_EQ(plan_weights(options, 2, weights, false, "l").slices.size(), 5U);
    options.encoding = WeightEncoding::multilevel;
    EXPECT_EQ(plan_weights(options, 8, weights, false, "l").slices.size(), 1U);
}

TEST(WeightEncoding, BalancedPairsKeepTheirSumNearTheMiddle) {
    WeightOptions options;
    options.differential_split = WeightOptions::Split::balanced;
    const WeightPlan plan = plan_weights(options, 4, all_weights(-15, 15), false, "l");
    for (int32_t w = -15; w <= 15; ++w) {
        const int sum =
            stored_level(plan, plan.slices[0], false, false, w) + stored_level(plan, plan.slices[0], true, false, w);
        EXPECT_NEAR(sum, 15, 1) << w;
    }
}

TEST(WeightEncoding, FlippedColumnsHoldTheComplement) {
    WeightOptions options;
    options.encoding = WeightEncoding::flipped;
    const WeightPlan plan = plan_weights(options, 2, all_weights(-128, 127), false, "l");
    for (const Slice& slice : plan.slices)
        for (int32_t w = -128; w <= 127; ++w)
            EXPECT_EQ(stored_level(plan, slice, false, true, w), 3 - stored_level(plan, slice, false, false, w));
}

TEST(WeightEncoding, RefusesWhatItCannotHoldAndSaysHowToGoOn) {
    WeightOptions options;
    options.encoding = WeightEncoding::xnor;
    const std::vector<int32_t> weights{-1, 0, 1};
    try {
        plan_weights(options, 1, weights, true, "conv3");
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("conv3"), std::string::npos);
        EXPECT_NE(std::string(error.what()).find("weights.fallback"), std::string::npos);
    }
    options.fallback = WeightEncoding::differential;
    EXPECT_EQ(plan_weights(options, 1, weights, true, "conv3").encoding, WeightEncoding::differential);
    options.encoding = WeightEncoding::multilevel;
    options.fallback.reset();
    EXPECT_THROW(plan_weights(options, 4, all_weights(-128, 127), false, "l"), ConfigError);
}

}  // namespace
}  // namespace bitline
