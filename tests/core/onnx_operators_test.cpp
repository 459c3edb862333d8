// Element-wise, pooling and shape operators of the ONNX reader.

#include <gmock/gmock.h>

#include "core/onnx_builder.h"

namespace bitline::test {
namespace {

using onnx::TensorProto;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

using Ints = std::vector<int64_t>;

TEST(OnnxOperators, ArithmeticWithConstantsOnEitherSide) {
    OnnxBuilder model({2, 1, 2});
    const auto c = model.real({2, 4}, {2, 1, 1});
    const std::vector<float> x = {1, 2, 3, 5};
    EXPECT_THAT(evaluate(model.read(model.node("Add", {"x", c})), x), ElementsAre(3, 4, 7, 9));
    EXPECT_THAT(evaluate(model.read(model.node("Sub", {"x", c})), x), ElementsAre(-1, 0, -1, 1));
    EXPECT_THAT(evaluate(model.read(model.node("Sub", {c, "x"})), x), ElementsAre(1, 0, 1, -1));
    EXPECT_THAT(evaluate(model.read(model.node("Mul", {c, "x"})), x), ElementsAre(2, 4, 12, 20));
    EXPECT_THAT(evaluate(model.read(model.node("Div", {"x", c})), x), ElementsAre(0.5F, 1, 0.75F, 1.25F));
    EXPECT_THAT(evaluate(model.read(model.node("Div", {c, "x"})), x), ElementsAre(2, 1, 4.0F / 3, 0.8F));
    EXPECT_THAT(evaluate(model.read(model.node("Pow", {"x", model.real(2)})), x), ElementsAre(1, 4, 9, 25));
}

TEST(OnnxOperators, ConstantsKeepTheFewestEntriesThatSayTheSame) {
    OnnxBuilder model({2, 1, 2});
    const auto constant = [&](const std::string& c) {
        return find_op<Arithmetic>(model.read(model.node("Add", {"x", c}))).constant;
    };
    EXPECT_THAT(constant(model.real({7}, {1, 1, 1, 1})), ElementsAre(7));
    EXPECT_THAT(constant(model.real({7, 8}, {2, 1, 1})), ElementsAre(7, 8));
    EXPECT_THAT(constant(model.real({7, 8}, {1, 2, 1, 1})), ElementsAre(7, 8));
    EXPECT_THAT(constant(model.real({7, 8}, {2})), ElementsAre(7, 8, 7, 8));  // along the last axis
    EXPECT_THAT(constant(model.real({1, 2, 3, 4}, {2, 1, 2})), ElementsAre(1, 2, 3, 4));
}

TEST(OnnxOperators, TwoValuesAddAndSubtract) {
    OnnxBuilder model({3});
    const auto relu = model.node("Relu", {"x"});
    EXPECT_THAT(evaluate(model.read(model.node("Add", {"x", relu})), {-1, 2, 3}), ElementsAre(-1, 4, 6));
    EXPECT_THAT(evaluate(model.read(model.node("Sub", {relu, "x"})), {-1, 2, 3}), ElementsAre(1, 0, 0));
    EXPECT_THAT(refusal([&] { model.read(model.node("Mul", {relu, "x"})); }), HasSubstr("two values"));
}

TEST(OnnxOperators, BatchNormalization) {
    OnnxBuilder model({2, 1, 2});
    const auto y = model.node("BatchNormalization",
                              {"x", model.real({2, -1}, {2}), model.real({1, 0}, {2}), model.real({3, 4}, {2}),
                               model.real({0.75F, 3.75F}, {2})},
                              {{"epsilon", 0.25F}});
    EXPECT_THAT(evaluate(model.read(y), {3, 4, 4, 8}), ElementsAre(1, 3, 0, -2));
}

TEST(OnnxOperators, Activations) {
    OnnxBuilder model({3});
    const std::vector<float> x = {-2, 0, 3};
    EXPECT_THAT(evaluate(model.read(model.node("Relu", {"x"})), x), ElementsAre(0, 0, 3));
    EXPECT_THAT(evaluate(model.read(model.node("Clip", {"x", "", model.real(2)})), x), ElementsAre(-2, 0, 2));
    EXPECT_THAT(evaluate(model.read(model.node("Clip", {"x", model.real(-1), model.real(2)})), x),
                ElementsAre(-1, 0, 2));
    const Network sign = model.read(model.node("Sign", {"x"}));
    EXPECT_THAT(evaluate(sign, x), ElementsAre(-1, 0, 1));
    EXPECT_TRUE(output_value(sign).quantizer.has_value());
    OnnxBuilder older({3}, 10);
    EXPECT_THAT(evaluate(older.read(older.node("Clip", {"x"}, {{"min", -1.0F}, {"max", 2.0F}})), x),
                ElementsAre(-1, 0, 2));
}

TEST(OnnxOperators, SoftmaxFollowsItsOpset) {
    OnnxBuilder older({2, 3}, 12), newer({2, 3}, 13);
    const Softmax flat = find_op<Softmax>(older.read(older.node("Softmax", {"x"})));
    EXPECT_EQ(flat.axis, 0);
    EXPECT_TRUE(flat.flatten_from_axis);
    const Softmax last = find_op<Softmax>(newer.read(newer.node("Softmax", {"x"})));
    EXPECT_EQ(last.axis, 1);
    EXPECT_FALSE(last.flatten_from_axis);
    EXPECT_THAT(refusal([&] { newer.read(newer.node("Softmax", {"x"}, {{"axis", int64_t(0)}})); }), HasSubstr("batch"));
}

TEST(OnnxOperators, Pools) {
    OnnxBuilder model({1, 3, 3});
    const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const Attributes two = {{"kernel_shape", Ints{2, 2}}};
    EXPECT_THAT(evaluate(model.read(model.node("MaxPool", {"x"}, two)), x), ElementsAre(5, 6, 8, 9));
    EXPECT_THAT(evaluate(model.read(model.node("AveragePool", {"x"}, two)), x), ElementsAre(3, 4, 6, 7));
    const Attributes padded = {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{1, 1, 0, 0}}, {"strides", Ints{2, 2}}};
    EXPECT_THAT(evaluate(model.read(model.node("AveragePool", {"x"}, padded)), x), ElementsAre(1, 2.5F, 5.5F, 7));
    Attributes counted = padded;
    counted.emplace_back("count_include_pad", int64_t(1));
    EXPECT_THAT(evaluate(model.read(model.node("AveragePool", {"x"}, counted)), x),
                ElementsAre(0.25F, 1.25F, 2.75F, 7));
    EXPECT_THAT(evaluate(model.read(model.node("GlobalAveragePool", {"x"})), x), ElementsAre(5));
    EXPECT_THAT(evaluate(model.read(model.node("GlobalMaxPool", {"x"})), x), ElementsAre(9));
}

TEST(OnnxOperators, CeilModeIsReadWhereThereIsNothingToRound) {
    OnnxBuilder model({1, 4, 5});
    const auto pool = [&](Ints strides) {
        return model.node("MaxPool", {"x"},
                          {{"kernel_shape", Ints{2, 2}}, {"strides", std::move(strides)}, {"ceil_mode", int64_t(1)}});
    };
    EXPECT_EQ(output_value(model.read(pool({2, 3}))).shape, (Shape{1, 2, 2}));
    EXPECT_THAT(refusal([&] { model.read(pool({2, 2})); }), HasSubstr("ceil_mode"));
}

// ---------------------------------------------------------------------------------------------- shapes

struct ReshapeCase {
    Ints target;
    Shape shape;  // empty: refused
};

class Reshapes : public testing::TestWithParam<ReshapeCase> {};

TEST_P(Reshapes, KeepTheBatchFirst) {
    OnnxBuilder model({3, 4, 2});
    const auto y = model.node("Reshape", {model.node("Relu", {"x"}), model.shape(GetParam().target)});
    if (GetParam().shape.empty()) {
        EXPECT_THAT(refusal([&] { model.read(y); }), HasSubstr("Reshape"));
    } else {
        EXPECT_EQ(output_value(model.read(y)).shape, GetParam().shape);
    }
}

INSTANTIATE_TEST_SUITE_P(Onnx, Reshapes,
                         testing::Values(ReshapeCase{{0, -1}, {24}}, ReshapeCase{{-1, 24}, {24}},
                                         ReshapeCase{{1, -1}, {24}}, ReshapeCase{{0, 0, -1}, {3, 8}},
                                         ReshapeCase{{-1, 3, 8}, {3, 8}}, ReshapeCase{{0, 3, 4, 2}, {3, 4, 2}},
                                         ReshapeCase{{-1, 12}, {}}, ReshapeCase{{-1, 48}, {}}, ReshapeCase{{5, -1}, {}},
                                         ReshapeCase{{-1, -1}, {}}, ReshapeCase{{0, -2}, {}}, ReshapeCase{{-1}, {}},
                                         ReshapeCase{{0, 0, 0, 0, 0}, {}},
                                         ReshapeCase{{0, int64_t(1) << 40, int64_t(1) << 40}, {}}));

TEST(OnnxShapes, ComputedTargets) {
    OnnxBuilder model({3, 4, 2});
    const auto relu = model.node("Relu", {"x"});
    const auto shape = model.node("Shape", {"x"});
    const auto batch =
        model.node("Unsqueeze", {model.node("Gather", {shape, model.whole(TensorProto::INT64, 0)}), model.shape({0})});
    const auto flat = model.node("Concat", {batch, model.shape({-1})}, {{"axis", int64_t(0)}});
    EXPECT_EQ(output_value(model.read(model.node("Reshape", {relu, flat}))).shape, (Shape{24}));

    const auto rows = model.node("Slice", {shape, model.shape({1}), model.shape({3})});
    const auto product = model.node(
        "Mul", {model.node("Gather", {rows, model.shape({0})}), model.node("Gather", {rows, model.shape({-1})})});
    const auto target = model.node("Concat", {batch, product, model.shape({2})}, {{"axis", int64_t(0)}});
    EXPECT_EQ(output_value(model.read(model.node("Reshape", {relu, target}))).shape, (Shape{12, 2}));

    const auto mixed = model.node("Mul", {batch, model.shape({2})});
    EXPECT_THAT(refusal([&] { model.read(model.node("Reshape", {relu, mixed})); }), HasSubstr("batch size"));
    const auto moved = model.node("Concat", {model.shape({24}), batch}, {{"axis", int64_t(0)}});
    EXPECT_NE(refusal([&] { model.read(model.node("Reshape", {relu, moved})); }), "");
}

TEST(OnnxShapes, AStaticBatchIsGeneralised) {
    OnnxBuilder model({2, 3}, 13, TensorProto::FLOAT, 4);
    const auto y = model.node("Reshape", {model.node("Relu", {"x"}), model.shape({4, 6})});
    const Network network = model.read(y);
    EXPECT_EQ(output_value(network).shape, (Shape{6}));
    EXPECT_EQ(evaluate(network, numbers(6 * 7)).size(), 42U);
}

TEST(OnnxShapes, FlattenSqueezeUnsqueeze) {
    OnnxBuilder model({1, 5, 1});
    const auto relu = model.node("Relu", {"x"});
    const auto shape_of = [&](const std::string& y) { return output_value(model.read(y)).shape; };
    EXPECT_EQ(shape_of(model.node("Flatten", {relu})), (Shape{5}));
    EXPECT_EQ(shape_of(model.node("Flatten", {relu}, {{"axis", int64_t(2)}})), (Shape{5}));
    EXPECT_THAT(refusal([&] { model.read(model.node("Flatten", {relu}, {{"axis", int64_t(3)}})); }), HasSubstr("axis"));
    EXPECT_EQ(shape_of(model.node("Squeeze", {relu})), (Shape{5}));
    EXPECT_EQ(shape_of(model.node("Squeeze", {relu, model.shape({-1})})), (Shape{1, 5}));
    EXPECT_EQ(shape_of(model.node("Unsqueeze", {relu, model.shape({1, -1})})), (Shape{1, 1, 5, 1, 1}));
    EXPECT_THAT(refusal([&] { model.read(model.node("Squeeze", {relu, model.shape({0})})); }), HasSubstr("axis"));
    EXPECT_THAT(refusal([&] { model.read(model.node("Unsqueeze", {relu, model.shape({0})})); }), HasSubstr("batch"));
    OnnxBuilder older({1, 5, 1}, 11);
    EXPECT_EQ(
        output_value(older.read(older.node("Squeeze", {older.node("Relu", {"x"})}, {{"axes", Ints{1, 3}}}))).shape,
        (Shape{5}));
}

TEST(OnnxShapes, TransposesReorderASample) {
    OnnxBuilder model({2, 1, 3});
    const auto y = model.node("Transpose", {"x"}, {{"perm", Ints{0, 2, 3, 1}}});
    const Network network = model.read(y);
    EXPECT_EQ(output_value(network).shape, (Shape{1, 3, 2}));
    EXPECT_THAT(evaluate(network, {1, 2, 3, 4, 5, 6}), ElementsAre(1, 4, 2, 5, 3, 6));
    EXPECT_THAT(refusal([&] { model.read(model.node("Transpose", {"x"})); }), HasSubstr("batch"));
}

TEST(OnnxShapes, ConcatKeepsEqualCodesAndReadsOthersAsReal) {
    OnnxBuilder model({2, 2});
    const auto q = model.quantized("x", 0.5F, TensorProto::UINT8, 3);
    const Network same = model.read(model.node("Concat", {q, q}, {{"axis", int64_t(1)}}));
    EXPECT_TRUE(output_value(same).quantizer.has_value());
    EXPECT_EQ(output_value(same).shape, (Shape{4, 2}));
    const auto other = model.quantized("x", 0.25F, TensorProto::UINT8, 3);
    const Network mixed = model.read(model.node("Concat", {q, other}, {{"axis", int64_t(-1)}}));
    EXPECT_FALSE(output_value(mixed).quantizer.has_value());
    EXPECT_THAT(evaluate(mixed, {1, 0.75F, -0.5F, 2}),
                ElementsAreArray({1.0F, 1.0F, 1.0F, 0.75F, -0.5F, 2.0F, -0.5F, 2.0F}));
}

TEST(OnnxShapes, IdentityDropoutAndDeadNodesLeaveNoTrace) {
    OnnxBuilder model({3});
    model.node("NoSuchOperator", {"x"});
    const auto y = model.node("Identity", {model.node("Dropout", {model.node("Relu", {"x"})})});
    EXPECT_THAT(origins(model.read(y)), ElementsAre("Relu"));
}

// ---------------------------------------------------------------------------------------------- folding

TEST(OnnxFolding, ConstantsOfEveryKind) {
    OnnxBuilder model({2});
    const auto constant = [&](const std::string& c) {
        return find_op<Arithmetic>(model.read(model.node("Add", {"x", c}))).constant;
    };
    EXPECT_THAT(constant(model.node("Constant", {}, {{"value_float", 2.5F}})), ElementsAre(2.5F));
    EXPECT_THAT(constant(model.node("Constant", {}, {{"value_floats", std::vector<float>{1, 2}}})), ElementsAre(1, 2));
    EXPECT_THAT(constant(model.node("Cast", {model.node("Constant", {}, {{"value_ints", Ints{3, 4}}})},
                                    {{"to", int64_t(TensorProto::FLOAT)}})),
                ElementsAre(3, 4));
    EXPECT_THAT(constant(model.node("ConstantOfShape", {model.shape({2})})), ElementsAre(0, 0));
    const auto table = model.real({1, 2, 3, 4, 5, 6}, {3, 2});
    EXPECT_THAT(constant(model.node("Gather", {table, model.whole(TensorProto::INT64, -1)})), ElementsAre(5, 6));
    const auto sliced = model.node(
        "Slice", {table, model.shape({2, 0}), model.shape({-4, 1}), model.shape({0, 1}), model.shape({-2, 1})});
    EXPECT_THAT(constant(model.node("Reshape", {sliced, model.shape({2})})), ElementsAre(5, 1));
    EXPECT_THAT(constant(model.node("Squeeze", {model.node("Slice", {table, model.shape({1}), model.shape({2})})})),
                ElementsAre(3, 4));
    const auto root = model.node("Sqrt", {model.node("Add", {model.real({3.75F, 8.75F}, {2}), model.real(0.25F)})});
    EXPECT_THAT(constant(model.node("Div", {model.real(6), root})), ElementsAre(3, 2));
    EXPECT_THAT(constant(model.node("Pow", {model.real({4, 9}, {2}), model.real(0.5F)})), ElementsAre(2, 3));
    EXPECT_THAT(constant(model.node("Neg", {model.node("Sub", {model.real(1), model.real({3, 5}, {2})})})),
                ElementsAre(2, 4));
}

TEST(OnnxFolding, WholeNumbersAreCheckedForOverflow) {
    OnnxBuilder model({2});
    const auto huge = model.shape({int64_t(1) << 62});
    const auto target = model.node("Mul", {huge, model.shape({4})});
    EXPECT_THAT(refusal([&] { model.read(model.node("Reshape", {"x", target})); }), HasSubstr("overflow"));
    const auto quotient = model.node("Div", {huge, model.shape({0})});
    EXPECT_NE(refusal([&] { model.read(model.node("Reshape", {"x", quotient})); }), "");
}

}  // namespace
}  // namespace bitline::test
