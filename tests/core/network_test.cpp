#include "core/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "tests/support/one_node.h"
#include "tests/support/random_network.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;

using testing::kInf;
using testing::kNan;
using testing::quantizer;

/// input (2x5x5, uint4) -> conv 3x3, 2 -> 3 channels, requantized -> max pool 3x3 -> dequantizing softmax.
Network small_network() {
    Network n;
    n.name = "small";
    n.values = {{"x", {2, 5, 5}, quantizer(4, false, 0.5F, 3)},
                {"a", {3, 3, 3}, quantizer(8, true, 0.25F)},
                {"b", {3, 1, 1}, quantizer(8, true, 0.25F)},
                {"y", {3, 1, 1}, std::nullopt}};
    MatVec conv;
    conv.is_convolution = true;
    conv.in_channels = 2;
    conv.out_channels = 3;
    conv.window.kernel_h = conv.window.kernel_w = 3;
    conv.codes.assign(54, 1);
    conv.weight = quantizer(4, true, 0.125F);
    conv.bias_codes = {1, 2, 3};
    conv.output = RequantizeOutput{{0.5F, 0.5F, 0.5F}};
    Pool pool;
    pool.window.kernel_h = pool.window.kernel_w = 3;
    n.nodes = {
        {"conv", "Conv", {0}, 1, conv}, {"pool", "MaxPool", {1}, 2, pool}, {"soft", "Softmax", {2}, 3, Softmax{0}}};
    n.input = 0;
    n.output = 3;
    return n;
}

MatVec& conv_of(Network& n) { return std::get<MatVec>(n.nodes[0].op); }
Pool& pool_of(Network& n) { return std::get<Pool>(n.nodes[1].op); }

ThresholdOutput two_levels() { return {{0, 0, 0}, {0, 0, 0}, {-1, 1}}; }

/// Replaces the last node by `op` from value b to value y.
void replace_last(Network& n, Operator op) { n.nodes[2].op = std::move(op); }

struct Defect {
    const char* name;
    std::function<void(Network&)> break_it;
    const char* node;      // quoted in the message
    const char* relation;  // quoted in the message
};

void PrintTo(const Defect& defect, std::ostream* out) { *out << defect.name; }

class Validate : public ::testing::TestWithParam<Defect> {};

TEST_P(Validate, NamesTheNodeAndTheRelation) {
    Network n = small_network();
    ASSERT_NO_THROW(validate(n));
    GetParam().break_it(n);
    try {
        validate(n);
        FAIL() << "accepted";
    } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(GetParam().node));
        EXPECT_THAT(error.what(), HasSubstr(GetParam().relation));
    }
}

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

const Defect kGraphDefects[] = {
    {"input_index", [](Network& n) { n.input = 4; }, "'small'", "network input 4 violates 0 <= index < 4"},
    {"negative_output_index", [](Network& n) { n.output = -1; }, "'small'", "network output -1 violates"},
    {"node_input_index", [](Network& n) { n.nodes[1].inputs = {7}; }, "'pool'", "input 7 violates"},
    {"node_output_index", [](Network& n) { n.nodes[1].output = -3; }, "'pool'", "output -3 violates"},
    {"order", [](Network& n) { std::swap(n.nodes[0], n.nodes[1]); }, "'pool'", "produced by an earlier node"},
    {"two_producers", [](Network& n) { n.nodes[1].output = 1; }, "'pool'", "produced once"},
    {"writes_the_input", [](Network& n) { n.nodes[0].output = 0; }, "'conv'", "produced once"},
    {"output_without_producer", [](Network& n) { n.nodes.pop_back(); }, "'y'", "produced by a node"},
    {"no_inputs", [](Network& n) { n.nodes[0].inputs = {}; }, "'conv'", "inputs = 1"},
    {"wrong_shape",
     [](Network& n) {
         n.values[1].shape = {3, 3, 4};
     },
     "'conv'", "inferred shape 3x3x3"},
    {"zero_size",
     [](Network& n) {
         n.values[0].shape = {2, 0, 5};
     },
     "'x'", "every size >= 1"},
    {"negative_size",
     [](Network& n) {
         n.values[0].shape = {2, -5, -5};
     },
     "'x'", "every size >= 1"},
    {"huge_shape",
     [](Network& n) {
         n.values[0].shape = {1 << 16, 1 << 16};
     },
     "'x'", "fewer than 2^31"},
    {"overflowing_shape",
     [](Network& n) {
         n.values[0].shape = {kHuge, 3};
     },
     "'x'", "fewer than 2^63"},
    {"preprocess_std",
     [](Network& n) {
         n.preprocess = Preprocess{1, {0}, {0}};
     },
     "'small'", "std > 0"},
    {"preprocess_nan",
     [](Network& n) {
         n.preprocess = Preprocess{kNan, {0}, {1}};
     },
     "'small'", "finite"},
    {"preprocess_size",
     [](Network& n) {
         n.preprocess = Preprocess{1, {0, 0, 0}, {1}};
     },
     "'small'", "one per channel (2)"},
};
INSTANTIATE_TEST_SUITE_P(Graph, Validate, ::testing::ValuesIn(kGraphDefects),
                         [](const auto& test) { return test.param.name; });

const Defect kQuantizerDefects[] = {
    {"bits_zero", [](Network& n) { n.values[0].quantizer->bits = 0; }, "'x'", "1 <= bits <= 16"},
    {"bits_seventeen", [](Network& n) { n.values[0].quantizer->bits = 17; }, "'x'", "1 <= bits <= 16"},
    {"scale_zero", [](Network& n) { n.values[0].quantizer->scale = {0}; }, "'x'", "0 < scale"},
    {"scale_negative", [](Network& n) { n.values[0].quantizer->scale = {-1}; }, "'x'", "0 < scale"},
    {"scale_infinite", [](Network& n) { n.values[0].quantizer->scale = {kInf}; }, "'x'", "0 < scale"},
    {"scale_nan", [](Network& n) { n.values[0].quantizer->scale = {kNan}; }, "'x'", "0 < scale"},
    {"no_scale", [](Network& n) { n.values[0].quantizer->scale = {}; }, "'x'", "same number"},
    {"zero_points",
     [](Network& n) {
         n.values[0].quantizer->zero_point = {0, 0};
     },
     "'x'", "same number"},
    {"zero_point_range", [](Network& n) { n.values[0].quantizer->zero_point = {16}; }, "'x'", "<= zero point <= 15"},
    {"per_channel_value",
     [](Network& n) {
         n.values[0].quantizer->scale = {1, 1};
         n.values[0].quantizer->zero_point = {0, 0};
     },
     "'x'", "per tensor"},
    {"one_code",
     [](Network& n) {
         n.values[0].quantizer = quantizer(1, true);
         n.values[0].quantizer->narrow = true;
     },
     "'x'", "at least two codes"},
    {"bipolar_bits", [](Network& n) { n.values[0].quantizer->kind = Quantizer::Kind::bipolar; }, "'x'", "bits = 1"},
    {"bipolar_zero_point",
     [](Network& n) {
         n.values[0].quantizer = quantizer(1, true, 1, 1);
         n.values[0].quantizer->kind = Quantizer::Kind::bipolar;
     },
     "'x'", "zero point = 0"},
};
INSTANTIATE_TEST_SUITE_P(Quantizers, Validate, ::testing::ValuesIn(kQuantizerDefects),
                         [](const auto& test) { return test.param.name; });

const Defect kMatVecDefects[] = {
    {"groups_zero", [](Network& n) { conv_of(n).groups = 0; }, "'conv'", "1 <= number"},
    {"groups_do_not_divide", [](Network& n) { conv_of(n).groups = 2; }, "'conv'", "whole multiples of 2 groups"},
    {"channels", [](Network& n) { conv_of(n).in_channels = 4; }, "'conv'", "channels = 4"},
    {"channels_overflow", [](Network& n) { conv_of(n).out_channels = kHuge; }, "'conv'", "1 <= number"},
    {"rank", [](Network& n) { conv_of(n).is_convolution = false; }, "'conv'", "rank = 1"},
    {"stride_zero", [](Network& n) { conv_of(n).window.stride_w = 0; }, "'conv'", "1 <= size"},
    {"dilation_negative", [](Network& n) { conv_of(n).window.dilation_h = -1; }, "'conv'", "1 <= size"},
    {"kernel_zero", [](Network& n) { conv_of(n).window.kernel_h = 0; }, "'conv'", "1 <= size"},
    {"kernel_too_large", [](Network& n) { conv_of(n).window.kernel_h = 6; }, "'conv'", "kernel extent <= padded input"},
    {"kernel_overflow", [](Network& n) { conv_of(n).window.kernel_h = kHuge; }, "'conv'", "size <= 2^31"},
    {"pad_negative", [](Network& n) { conv_of(n).window.pad_left = -1; }, "'conv'", "0 <= pad"},
    {"weights_missing", [](Network& n) { conv_of(n).codes.clear(); }, "'conv'", "exactly one of the two"},
    {"weights_twice", [](Network& n) { conv_of(n).real_weights.assign(54, 1); }, "'conv'", "exactly one of the two"},
    {"weights_short", [](Network& n) { conv_of(n).codes.pop_back(); }, "'conv'", "54 entries"},
    {"weight_range", [](Network& n) { conv_of(n).codes[5] = 8; }, "'conv'", "weight[5] = 8 violates -8 <= code <= 7"},
    {"weight_zero_in_bipolar",
     [](Network& n) {
         conv_of(n).weight = quantizer(1, true);
         conv_of(n).weight.kind = Quantizer::Kind::bipolar;
         conv_of(n).codes[3] = 0;
     },
     "'conv'", "weight[3] = 0"},
    {"weight_scales",
     [](Network& n) {
         conv_of(n).weight.scale = {1, 1};
         conv_of(n).weight.zero_point = {0, 0};
     },
     "'conv'", "one per output channel (3)"},
    {"weight_axis",
     [](Network& n) {
         conv_of(n).weight.scale = {1, 1, 1};
         conv_of(n).weight.zero_point = {0, 0, 0};
         conv_of(n).weight.axis = 1;
     },
     "'conv'", "along axis 0"},
    {"bias_size", [](Network& n) { conv_of(n).bias_codes = {1}; }, "'conv'", "1 biases violate 3 entries"},
    {"bias_bound", [](Network& n) { conv_of(n).bias_codes[1] = (int64_t(1) << 53) - 100; }, "'conv'", "sum < 2^53"},
    {"bias_lowest", [](Network& n) { conv_of(n).bias_codes[1] = -kHuge - 1; }, "'conv'", "sum < 2^53"},
    {"real_bias",
     [](Network& n) {
         conv_of(n).real_bias = {1, 2, 3};
     },
     "'conv'", "none with integer weights"},
    {"multipliers",
     [](Network& n) {
         conv_of(n).output = RequantizeOutput{{1, 1}};
     },
     "'conv'", "2 multipliers"},
    {"multiplier_nan",
     [](Network& n) {
         conv_of(n).output = RequantizeOutput{{1, kNan, 1}};
     },
     "'conv'", "multiplier[1]"},
    {"codes_to_a_real_value", [](Network& n) { n.values[1].quantizer.reset(); }, "'conv'", "a quantizer for its codes"},
    {"reals_to_codes",
     [](Network& n) {
         conv_of(n).output = ScaleOutput{{1, 1, 1}, {}};
     },
     "'conv'", "real numbers"},
    {"integer_output_of_real_input", [](Network& n) { n.values[0].quantizer.reset(); }, "'conv'", "an integer input"},
    {"threshold_count",
     [](Network& n) {
         ThresholdOutput t = two_levels();
         t.threshold.pop_back();
         conv_of(n).output = t;
     },
     "'conv'", "3 entries"},
    {"threshold_order",
     [](Network& n) {
         conv_of(n).output = ThresholdOutput{{0, 1, 5, 4, 0, 0}, {0, 0, 0}, {-1, 0, 1}};
     },
     "'conv'", "thresholds of channel 1"},
    {"threshold_falling",
     [](Network& n) {
         ThresholdOutput t = two_levels();
         t.falling[0] = 2;
         conv_of(n).output = t;
     },
     "'conv'", "0 or 1"},
    {"threshold_codes_order",
     [](Network& n) {
         ThresholdOutput t = two_levels();
         t.codes = {1, 1};
         conv_of(n).output = t;
     },
     "'conv'", "strictly ascending"},
    {"threshold_code_range",
     [](Network& n) {
         ThresholdOutput t = two_levels();
         t.codes = {-1, 128};
         conv_of(n).output = t;
     },
     "'conv'", "level[1] = 128"},
    {"threshold_one_level",
     [](Network& n) {
         conv_of(n).output = ThresholdOutput{{}, {0, 0, 0}, {1}};
     },
     "'conv'", "2 <= levels"},
    {"real_weight_infinite",
     [](Network& n) {
         n.values[1].quantizer = n.values[2].quantizer = std::nullopt;
         MatVec& conv = conv_of(n);
         conv.codes.clear();
         conv.bias_codes.clear();
         conv.output = ScaleOutput{};
         conv.real_weights.assign(54, 1);
         conv.real_weights[53] = kInf;
     },
     "'conv'", "weight[53] violates a finite number"},
};
INSTANTIATE_TEST_SUITE_P(MatVecs, Validate, ::testing::ValuesIn(kMatVecDefects),
                         [](const auto& test) { return test.param.name; });

const Defect kOperatorDefects[] = {
    {"pool_pad",
     [](Network& n) {
         pool_of(n).window.pad_top = 3;
         n.values[2].shape = {3, 4, 1};
     },
     "'pool'", "pad < kernel"},
    {"pool_changes_the_quantizer", [](Network& n) { n.values[2].quantizer->scale = {1}; }, "'pool'", "same quantizer"},
    {"average_pool_to_codes", [](Network& n) { pool_of(n).kind = Pool::Kind::average; }, "'pool'", "real numbers"},
    {"quantize_to_another", [](Network& n) { replace_last(n, Quantize{quantizer(8, true)}); }, "'soft'",
     "quantizer that"},
    {"truncate_shift",
     [](Network& n) {
         n.values[3].quantizer = quantizer(4, true);
         replace_last(n, Truncate{quantizer(4, true), 1, 0, 32});
     },
     "'soft'", "0 <= shift <= 31"},
    {"bucketize_order",
     [](Network& n) {
         n.values[3].quantizer = quantizer(2, false);
         replace_last(n, Bucketize{{1, 0.5F}, {0, 1, 2}, quantizer(2, false)});
     },
     "'soft'", "threshold[1] violates ascending order"},
    {"bucketize_nan",
     [](Network& n) {
         n.values[3].quantizer = quantizer(2, false);
         replace_last(n, Bucketize{{kNan}, {0, 1}, quantizer(2, false)});
     },
     "'soft'", "threshold[0] violates a finite number"},
    {"bucketize_codes",
     [](Network& n) {
         n.values[3].quantizer = quantizer(2, false);
         replace_last(n, Bucketize{{1}, {0, 4}, quantizer(2, false)});
     },
     "'soft'", "codes[1] = 4 violates 0 <= code <= 3"},
    {"bucketize_count",
     [](Network& n) {
         n.values[3].quantizer = quantizer(2, false);
         replace_last(n, Bucketize{{1}, {0}, quantizer(2, false)});
     },
     "'soft'", "1 codes violate 2 entries"},
    {"arithmetic_size",
     [](Network& n) {
         replace_last(n, Arithmetic{Arithmetic::Kind::add, {1, 2}});
     },
     "'soft'", "2 constants"},
    {"arithmetic_nan",
     [](Network& n) {
         replace_last(n, Arithmetic{Arithmetic::Kind::add, {kNan}});
     },
     "'soft'", "constant[0] violates a finite number"},
    {"batch_norm_channels",
     [](Network& n) {
         replace_last(n, BatchNorm{{1}, {1}, {1}, {1}});
     },
     "'soft'", "one entry per channel"},
    {"batch_norm_variance",
     [](Network& n) {
         replace_last(n, BatchNorm{{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, -1, 1}});
     },
     "'soft'", "0 < variance + epsilon"},
    {"batch_norm_sizes",
     [](Network& n) {
         replace_last(n, BatchNorm{{1, 1, 1}, {1, 1}, {1, 1, 1}, {1, 1, 1}});
     },
     "'soft'", "2 beta violate 3 entries"},
    {"clip_bounds",
     [](Network& n) {
         replace_last(n, Activation{Activation::Kind::clip, 1, 0});
     },
     "'soft'", "low <= high"},
    {"clip_nan",
     [](Network& n) {
         replace_last(n, Activation{Activation::Kind::clip, kNan, 0});
     },
     "'soft'", "low <= high"},
    {"sign_codes",
     [](Network& n) {
         n.values[3].quantizer = quantizer(1, false);
         replace_last(n, Activation{Activation::Kind::sign});
     },
     "'soft'", "codes -1, 0, +1"},
    {"concat_axis", [](Network& n) { replace_last(n, Concat{3}); }, "'soft'", "0 <= axis < 3"},
    {"concat_sizes",
     [](Network& n) {
         replace_last(n, Concat{0});
         n.nodes[2].inputs = {1, 2};
     },
     "'soft'", "equal sizes on every axis but 0"},
    {"add_one", [](Network& n) { replace_last(n, AddValues{}); }, "'soft'", "inputs = 2"},
    {"add_shapes",
     [](Network& n) {
         replace_last(n, AddValues{});
         n.nodes[2].inputs = {1, 2};
     },
     "'soft'", "equal shapes"},
    {"reshape_elements",
     [](Network& n) {
         n.values[3].shape = {4};
         replace_last(n, Reshape{});
     },
     "'soft'", "equal number of elements"},
    {"permute_twice",
     [](Network& n) {
         replace_last(n, Permute{{0, 0, 1}});
     },
     "'soft'", "exactly once"},
    {"permute_short",
     [](Network& n) {
         replace_last(n, Permute{{0, 1}});
     },
     "'soft'", "exactly once"},
    {"softmax_axis", [](Network& n) { replace_last(n, Softmax{3}); }, "'soft'", "-3 <= axis < 3"},
};
INSTANTIATE_TEST_SUITE_P(Operators, Validate, ::testing::ValuesIn(kOperatorDefects),
                         [](const auto& test) { return test.param.name; });

TEST(Network, RandomNetworksAreValid) {
    for (uint64_t seed = 0; seed < 200; ++seed) EXPECT_NO_THROW(validate(testing::random_network(seed))) << seed;
}

TEST(Network, SumBoundIsExact) {
    // One row: |x| <= 1, |w| = 1, so the largest sum is |bias| + 1 and must stay below 2^53.
    Network n;
    n.values = {{"x", {1}, quantizer(1, false)}, {"y", {1}, std::nullopt}};
    MatVec op;
    op.in_channels = op.out_channels = 1;
    op.codes = {1};
    op.weight = quantizer(2, true);
    op.output = ScaleOutput{{1}, {}};
    op.bias_codes = {(int64_t(1) << 53) - 2};
    n.nodes = {{"fc", "", {0}, 1, op}};
    n.input = 0;
    n.output = 1;
    EXPECT_NO_THROW(validate(n));
    ++std::get<MatVec>(n.nodes[0].op).bias_codes[0];
    EXPECT_THROW(validate(n), FormatError);
}

TEST(Network, IntegerWeightsOnARealInputNeedTheWeightScale) {
    Network n = small_network();
    n.values[0].quantizer = n.values[1].quantizer = n.values[2].quantizer = std::nullopt;
    conv_of(n).bias_codes.clear();
    conv_of(n).output = ScaleOutput{{0.125F, 0.125F, 0.125F}, {1, 2, 3}};
    EXPECT_NO_THROW(validate(n));
    EXPECT_FALSE(is_mappable(n, n.nodes[0]));
    conv_of(n).output = ScaleOutput{{0.125F, 0.25F, 0.125F}, {}};
    EXPECT_THROW(validate(n), FormatError);
}

TEST(Quantizer, CodeRanges) {
    struct Case {
        int bits;
        bool is_signed, narrow;
        int32_t low, high;
    };
    for (const Case& c :
         {Case{8, true, false, -128, 127}, Case{8, true, true, -127, 127}, Case{8, false, false, 0, 255},
          Case{8, false, true, 0, 254}, Case{1, false, false, 0, 1}, Case{2, true, true, -1, 1},
          Case{16, true, false, -32768, 32767}, Case{16, false, false, 0, 65535}}) {
        Quantizer q = quantizer(c.bits, c.is_signed);
        q.narrow = c.narrow;
        EXPECT_EQ(q.code_min(), c.low) << c.bits;
        EXPECT_EQ(q.code_max(), c.high) << c.bits;
    }
    Quantizer bipolar = quantizer(1, true);
    bipolar.kind = Quantizer::Kind::bipolar;
    EXPECT_EQ(bipolar.code_min(), -1);
    EXPECT_EQ(bipolar.code_max(), 1);
}

TEST(Shapes, ElementCountAndText) {
    EXPECT_EQ(element_count({}), 1);
    EXPECT_EQ(element_count({3, 32, 32}), 3072);
    EXPECT_EQ(to_string(Shape{3, 32, 32}), "3x32x32");
    EXPECT_THROW(element_count({-1}), FormatError);
    EXPECT_THROW(element_count({kHuge, 2}), FormatError);
}

TEST(Shapes, WindowOutput) {
    EXPECT_EQ(window_output(5, 3, 1, 1, 0), 3);
    EXPECT_EQ(window_output(5, 3, 2, 1, 2), 3);
    EXPECT_EQ(window_output(7, 3, 2, 2, 0), 2);
    EXPECT_EQ(window_output(2, 3, 1, 1, 0), 0);
    EXPECT_EQ(window_output(2, 3, 4, 1, 0), 0);  // division truncates toward zero: must not round up to one position
}

TEST(Shapes, ConcatAndPermute) {
    EXPECT_EQ(infer_shape(Concat{1}, {{2, 3, 4}, {2, 5, 4}}, {}), (Shape{2, 8, 4}));
    EXPECT_EQ(infer_shape(Permute{{2, 0, 1}}, {{2, 3, 4}}, {}), (Shape{4, 2, 3}));
    EXPECT_EQ(infer_shape(Reshape{}, {{2, 3, 4}}, {24}), (Shape{24}));
}

TEST(Network, CountsAndKinds) {
    Network n = small_network();
    EXPECT_TRUE(is_mappable(n, n.nodes[0]));
    EXPECT_FALSE(is_mappable(n, n.nodes[1]));
    EXPECT_EQ(output_positions(n, n.nodes[0]), 9);
    EXPECT_EQ(multiply_accumulates(n, n.nodes[0]), 3 * 18 * 9);
    EXPECT_EQ(multiply_accumulates(n, n.nodes[1]), 0);
    EXPECT_EQ(describe_kind(n.nodes[0].op), "convolution");
    EXPECT_EQ(describe_kind(n.nodes[1].op), "max pool");
    MatVec op = conv_of(n);
    op.groups = 2;
    EXPECT_EQ(describe_kind(op), "depthwise convolution");
    op.in_channels = 4;
    EXPECT_EQ(describe_kind(op), "grouped convolution");
    op.is_convolution = false;
    EXPECT_EQ(describe_kind(op), "fully connected");
}

}  // namespace
}  // namespace bitline
