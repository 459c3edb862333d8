#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/data.h"
#include "core/error.h"

namespace bitline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Preprocess, NamesStandForTheirNumbers) {
    EXPECT_EQ(parse_preprocess("raw"), (Preprocess{1, {0}, {1}}));
    EXPECT_EQ(parse_preprocess("unit"), (Preprocess{1.0F / 255.0F, {0}, {1}}));
    EXPECT_EQ(parse_preprocess("imagenet"),
              (Preprocess{1.0F / 255.0F, {0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}));
}

TEST(Preprocess, AnySubsetOfTheKeysIsRead) {
    EXPECT_EQ(parse_preprocess("scale=1/255"), parse_preprocess("unit"));
    EXPECT_EQ(parse_preprocess("std=.2/.25/4e-1,scale=1/255,mean=.5"),
              (Preprocess{1.0F / 255.0F, {0.5F}, {0.2F, 0.25F, 0.4F}}));
    EXPECT_EQ(parse_preprocess("mean=-128"), (Preprocess{1, {-128}, {1}}));
    EXPECT_EQ(parse_preprocess("scale=-0.5847029"), (Preprocess{-0.5847029F, {0}, {1}}));
}

TEST(Preprocess, TextReadsBackToTheSameBits) {
    EXPECT_EQ(to_string(parse_preprocess("raw")), "raw");
    EXPECT_EQ(to_string(parse_preprocess("scale=1/255")), "unit");
    EXPECT_EQ(to_string(parse_preprocess("scale=1/255,mean=.485/.456/.406,std=.229/.224/.225")), "imagenet");
    EXPECT_EQ(to_string(parse_preprocess("scale=1/255,mean=.5")), "scale=1/255,mean=0.5");
    const Preprocess odd{1.0F / 3.0F, {1e-40F, -3.4e38F, 0.1F}, {1.0F / 7.0F, 1e30F, 1e-30F}};
    EXPECT_EQ(parse_preprocess(to_string(odd)), odd) << to_string(odd);
    const Preprocess zeros{1, {0, 0, 0}, {1}};
    EXPECT_EQ(parse_preprocess(to_string(zeros)), zeros) << to_string(zeros);
}

TEST(Preprocess, MistakesAreNamed) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "unknown name"},
        {"uint", "did you mean 'unit'"},
        {"imagnet", "did you mean 'imagenet'"},
        {"scale=", "no finite number"},
        {"scale=abc", "no finite number"},
        {"scale=1,5", "'5' is neither"},
        {"scale=1/0", "violates scale != 0, finite"},
        {"scale=0", "violates scale != 0"},
        {"scale=1/2/3", "one fraction"},
        {"scale=1e99", "no finite number"},
        {"scale=nan", "no finite number"},
        {"mean=inf", "no finite number"},
        {"mean=1//2", "no finite number"},
        {"mean=1/2/", "no finite number"},
        {"mean=1x", "'x' is unexpected"},
        {"mean= 1", "no finite number"},
        {"std=1/0/1", "std = 0 violates std > 0"},
        {"std=-1", "violates std > 0"},
        {"men=1", "did you mean 'mean'"},
        {"mean=1,mean=2", "'mean' is given twice"},
        {"mean=1,", "neither"},
        {"=1", "unknown key"},
    };
    for (const auto& [text, problem] : cases) {
        EXPECT_THAT([text = text] { parse_preprocess(text); }, ThrowsMessage<ConfigError>(HasSubstr(problem))) << text;
    }
}

TEST(Preprocess, AppliesPerChannelInTheStatedOrder) {
    std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
    apply({0.5F, {1, 2}, {0.5F, 4}}, {2, 1, 2}, 2, x.data());
    // (x * 0.5 - 1) / 0.5 on channel 0, (x * 0.5 - 2) / 4 on channel 1.
    EXPECT_THAT(x, ElementsAre(-1, 0, -0.125F, 0, 3, 4, 0.375F, 0.5F));
    const float value = 200;
    float once = value;
    apply(parse_preprocess("imagenet"), {3}, 0, &once);
    EXPECT_EQ(once, value);
    float rgb[3] = {200, 200, 200};
    apply(parse_preprocess("imagenet"), {3, 1, 1}, 1, rgb);
    const float scaled = value * (1.0F / 255.0F);
    const float shifted = scaled - 0.456F;
    EXPECT_EQ(rgb[1], shifted / 0.224F);
}

TEST(Preprocess, ChannelsMustMatch) {
    std::vector<float> x(784);
    EXPECT_THAT(
        [&] {
            apply(parse_preprocess("imagenet"), {1, 28, 28}, 1, x.data());
        },
        ThrowsMessage<ConfigError>(HasSubstr("mean has 3 entries, the samples have 1 channels")));
    EXPECT_THAT(
        [&] {
            apply({1, {0}, {1, 1}}, {784}, 1, x.data());
        },
        ThrowsMessage<ConfigError>(HasSubstr("std has 2 entries")));
    EXPECT_NO_THROW(apply(parse_preprocess("unit"), {784}, 1, x.data()));
}

}  // namespace
}  // namespace bitline
