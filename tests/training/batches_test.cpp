#include "training/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/support/listed_data.h"

namespace bitline::training {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ListedData;
using ::testing::ThrowsMessage;

auto config_error(const std::string& text) { return ThrowsMessage<ConfigError>(HasSubstr(text)); }

// ------------------------------------------------------------------------------------------ order

TEST(Shuffled, IsAPermutationThatDependsOnSeedAndEpochOnly) {
    const auto order = shuffled(1000, 7, 3);
    std::vector<int64_t> sorted = order, all(1000);
    std::iota(all.begin(), all.end(), 0);
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, all);
    EXPECT_NE(order, all);
    EXPECT_EQ(order, shuffled(1000, 7, 3));
    EXPECT_NE(order, shuffled(1000, 7, 4));
    EXPECT_NE(order, shuffled(1000, 8, 3));
    EXPECT_THAT(shuffled(1, 0, 0), ElementsAre(0));
}

/// Every order of 4 samples is equally likely: 24 orders in 24,000 epochs. Chi square of 23 degrees of freedom exceeds
/// 49.7 with probability 0.001; the seed is fixed.
TEST(Shuffled, TakesEveryOrderEquallyOften) {
    std::map<std::vector<int64_t>, int> counts;
    for (uint32_t epoch = 0; epoch < 24000; ++epoch) ++counts[shuffled(4, 1, epoch)];
    ASSERT_EQ(counts.size(), 24U);
    double chi = 0;
    for (const auto& [order, count] : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
    EXPECT_LT(chi, 49.7);
}

// ------------------------------------------------------------------------------------------ augmentation

TEST(Augmentation, IsReadAndWritten) {
    for (const std::string text : {"none", "flip", "crop=4", "crop=4,flip", "crop=2,reflect", "crop=2,reflect,flip"}) {
        EXPECT_EQ(to_string(parse_augmentation(text)), text);
    }
    EXPECT_EQ(parse_augmentation("flip,crop=4"), (Augmentation{4, false, true}));
    const auto reading = [](const std::string& text) { return [text] { parse_augmentation(text); }; };
    EXPECT_THAT(reading("flop"), config_error("'flop' is unknown, did you mean 'flip'?"));
    EXPECT_THAT(reading(""), config_error("write none"));
    EXPECT_THAT(reading("flip,none"), config_error("none stands alone"));
    EXPECT_THAT(reading("crop=0"), config_error("violates 1 <= crop <= 1024"));
    EXPECT_THAT(reading("crop=x"), config_error("crop"));
    EXPECT_THAT(reading("crop"), config_error("'crop' is unknown"));
    EXPECT_THAT(reading("reflect,flip"), config_error("crop is missing"));
    EXPECT_THAT(reading("flip,flip"), config_error("given twice"));
}

TEST(Augmentation, RefusesWhatIsNoImageOrTooSmall) {
    EXPECT_NO_THROW(require_images({4, false, true}, {3, 5, 9}));
    EXPECT_NO_THROW(require_images({}, {64}));
    EXPECT_THAT([] { require_images({0, false, true}, {64}); }, config_error("needs images"));
    EXPECT_THAT([] { require_images({5, true, false}, {3, 9, 5}); }, config_error("crop = 5 violates crop < 5"));
}

std::vector<float> augmented(const Augmentation& how, const AugmentationDraw& draw, const Shape& shape,
                             const std::vector<float>& image) {
    std::vector<float> out(image.size(), -1.0F);
    augment(how, draw, shape, image.data(), out.data());
    return out;
}

TEST(Augmentation, CutsFromAPaddedImageAndMirrors) {
    const std::vector<float> image{1, 2, 3, 4, 5, 6};  // 2 x 3
    EXPECT_THAT(augmented({1, false, true}, {0, 0, false}, {1, 2, 3}, image), ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_THAT(augmented({1, false, true}, {0, 0, true}, {1, 2, 3}, image), ElementsAre(3, 2, 1, 6, 5, 4));
    EXPECT_THAT(augmented({1, false, true}, {1, -1, false}, {2, 3}, image), ElementsAre(0, 4, 5, 0, 0, 0));
    EXPECT_THAT(augmented({1, false, true}, {-1, 1, true}, {2, 3}, image), ElementsAre(0, 0, 0, 0, 3, 2));
    EXPECT_THAT(augmented({1, true, true}, {1, -1, false}, {2, 3}, image), ElementsAre(5, 4, 5, 2, 1, 2));
    EXPECT_THAT(augmented({1, true, true}, {-1, 1, true}, {2, 3}, image), ElementsAre(5, 6, 5, 2, 3, 2));
}

TEST(Augmentation, TreatsEveryChannelAlike) {
    const std::vector<float> image{1, 2, 3, 4, 10, 20, 30, 40};  // 2 channels of 2 x 2
    EXPECT_THAT(augmented({1, false, true}, {1, 0, true}, {2, 2, 2}, image), ElementsAre(4, 3, 0, 0, 40, 30, 0, 0));
}

/// 9 places and 2 sides are equally likely: chi square of 17 degrees of freedom below 40.8 (probability 0.999).
TEST(Augmentation, DrawsEveryPlaceAndSideEquallyOften) {
    std::map<std::tuple<int64_t, int64_t, bool>, int> counts;
    for (int64_t sample = 0; sample < 18000; ++sample) {
        const AugmentationDraw draw = draw_augmentation({1, false, true}, 5, 2, sample);
        ++counts[{draw.down, draw.right, draw.mirrored}];
    }
    ASSERT_EQ(counts.size(), 18U);
    double chi = 0;
    for (const auto& [place, count] : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
    EXPECT_LT(chi, 40.8);
    EXPECT_FALSE(draw_augmentation({1, false, false}, 5, 2, 3).mirrored);
}

// ------------------------------------------------------------------------------------------ batches

/// Sample i holds 100 i, 100 i + 1, ... and label i mod 7.
std::shared_ptr<ListedData> numbered(int64_t samples, const Shape& shape) {
    std::vector<float> x;
    std::vector<int32_t> y;
    for (int64_t i = 0; i < samples; ++i) {
        for (int64_t j = 0; j < element_count(shape); ++j) x.push_back(static_cast<float>(100 * i + j));
        y.push_back(static_cast<int32_t>(i % 7));
    }
    return std::make_shared<ListedData>(shape, x, y);
}

TEST(Batches, ShowEverySampleOnceWithItsLabel) {
    BatchOptions options;
    options.samples = 12;
    options.preprocess = {0.5F, {1.0F}, {2.0F}};
    Batches batches(numbered(50, {1, 2, 2}), {4}, options);
    ASSERT_EQ(batches.count(), 5);
    std::set<int64_t> seen;
    Batch batch;
    for (int64_t number = 0; number < batches.count(); ++number) {
        batches.get(0, number, batch);
        ASSERT_EQ(batch.input.samples, number < 4 ? 12 : 2);
        ASSERT_EQ(batch.input.shape, Shape{4});
        ASSERT_EQ(batch.labels.size(), size_t(batch.input.samples));
        for (int64_t s = 0; s < batch.input.samples; ++s) {
            const float* const x = batch.input.sample(s);
            const auto index = static_cast<int64_t>((x[0] * 2 + 1) / 0.5F) / 100;
            EXPECT_TRUE(seen.insert(index).second);
            EXPECT_EQ(batch.labels[size_t(s)], index % 7);
            for (int64_t j = 0; j < 4; ++j) EXPECT_EQ(x[j], (float(100 * index + j) * 0.5F - 1.0F) / 2.0F);
        }
    }
    EXPECT_EQ(seen.size(), 50U);
}

TEST(Batches, AreTheSameWhateverWasAskedForBeforeAndForAnyNumberOfThreads) {
    BatchOptions options;
    options.samples = 20;
    options.seed = 3;
    options.augmentation = {1, true, true};
    const auto data = numbered(50, {1, 3, 3});
    Batches one(data, {1, 3, 3}, options), other(data, {1, 3, 3}, options);
    Batch a, b;
    one.get(0, 0, a);
    one.get(5, 1, a);
    set_threads(1);
    other.get(5, 1, b);
    set_threads(0);
    EXPECT_EQ(a.input.values, b.input.values);
    EXPECT_EQ(a.labels, b.labels);
    one.get(6, 1, b);
    EXPECT_NE(a.input.values, b.input.values);
}

TEST(Batches, AugmentBeforePreprocessing) {
    BatchOptions options;
    options.samples = 64;
    options.augmentation = {1, false, false};
    options.preprocess = {1.0F, {3.0F}, {1.0F}};
    const auto ones =
        std::make_shared<ListedData>(Shape{1, 2, 2}, std::vector<float>(256, 5.0F), std::vector<int32_t>(64, 0));
    Batch batch;
    Batches(ones, {1, 2, 2}, options).get(0, 0, batch);
    EXPECT_THAT(batch.input.values, Each(::testing::AnyOf(2.0F, -3.0F)));  // black, not the mean, beyond the edge
    EXPECT_THAT(batch.input.values, ::testing::Contains(-3.0F));
}

TEST(Batches, ForEvaluationKeepTheOrder) {
    BatchOptions options;
    options.augmentation = {1, false, true};
    const Batches batches(numbered(50, {1, 2, 2}), {1, 2, 2}, options);
    Batch batch;
    batches.get_plain(10, 30, batch);
    ASSERT_EQ(batch.input.samples, 30);
    for (int64_t s = 0; s < 30; ++s) {
        EXPECT_EQ(batch.input.sample(s)[1], float(100 * (10 + s) + 1));
        EXPECT_EQ(batch.labels[size_t(s)], (10 + s) % 7);
    }
}

TEST(Batches, RefuseWhatDoesNotFitTheSamples) {
    BatchOptions options;
    options.augmentation = {0, false, true};
    EXPECT_THAT([&] { Batches(numbered(5, {4}), {4}, options); }, config_error("needs images"));
    options = {};
    options.preprocess.mean = {0.0F, 0.0F};
    EXPECT_THAT([&] { Batches(numbered(5, {1, 2, 2}), {4}, options); }, config_error("mean has 2 entries"));
}

TEST(Fingerprint, TellsDataApart) {
    const std::vector<float> x(40, 1.0F);
    const std::vector<int32_t> y(10, 1);
    const std::string plain = fingerprint(ListedData({4}, x, y));
    EXPECT_EQ(plain.size(), 64U);
    EXPECT_EQ(plain, fingerprint(ListedData({4}, x, y)));
    EXPECT_NE(plain, fingerprint(ListedData({2, 2}, x, y)));
    std::vector<int32_t> other_labels = y;
    other_labels[7] = 2;
    EXPECT_NE(plain, fingerprint(ListedData({4}, x, other_labels)));
    std::vector<float> other_values = x;
    other_values[39] = 2;
    EXPECT_NE(plain, fingerprint(ListedData({4}, other_values, y)));
    EXPECT_NE(plain, fingerprint(ListedData({4}, std::vector<float>(36, 1.0F), std::vector<int32_t>(9, 1))));
}

}  // namespace
}  // namespace bitline::training
