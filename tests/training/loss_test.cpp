#include "training/loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/training/layer_runs.h"

namespace bitline::training {
namespace {

using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using testing::random_tensor;
using testing::tensor;
using ::testing::ThrowsMessage;

const Tensor kLogits{{3}, 2, {1, -2, 0.5F, 0.25F, 3, -1}};
const Tensor kTeacher{{3}, 2, {0.5F, 1, -1, 2, 0, 1}};
const std::vector<int32_t> kLabels{2, 1};

void expect_loss(const LossResult& result, const Tensor& gradient, double loss, const std::vector<float>& wanted) {
    EXPECT_NEAR(result.loss, loss, 1e-12);
    EXPECT_EQ(result.correct, 1);
    EXPECT_THAT(gradient.values, Pointwise(FloatNear(1e-7F), wanted));
}

// Constants: torch.nn.functional in double, PyTorch 2.
TEST(Loss, IsThatOfPyTorch) {
    Tensor g;
    expect_loss(cross_entropy(kLogits, kLabels, 0, g), g, 0.5418165518731914,
                {0.301874448F, 0.0150294438F, -0.316903892F, 0.0295348788F, -0.0379967632F, 0.00846188445F});
    expect_loss(cross_entropy(kLogits, kLabels, 0.1, g), g, 0.6876498852065247,
                {0.285207781F, -0.00163722288F, -0.283570559F, 0.0128682121F, -0.00466342991F, -0.00820478222F});
    expect_loss(mean_squared_error(kLogits, kLabels, g), g, 1.71875,
                {0.333333333F, -0.666666667F, -0.166666667F, 0.0833333333F, 0.666666667F, -0.333333333F});
    expect_loss(distillation(kLogits, kTeacher, kLabels, {4, 0.7}, g), g, 1.6921725895047985,
                {0.188699784F, -0.277131157F, 0.0884313732F, -0.201751701F, 0.380994223F, -0.179242522F});
}

// h = 1/64: truncation h^2 / 6 of a third derivative below 1 / samples, 5e-5.
TEST(Loss, GradientsAreThoseOfFiniteDifferences) {
    Tensor logits = random_tensor({5}, 9, 1, 2), g, ignored;
    const Tensor teacher = random_tensor({5}, 9, 2, 3);
    const std::vector<int32_t> labels{0, 1, 2, 3, 4, 0, 1, 2, 3};
    const std::vector<std::function<double(Tensor&)>> losses = {
        [&](Tensor& to) { return cross_entropy(logits, labels, 0.2, to).loss; },
        [&](Tensor& to) { return mean_squared_error(logits, labels, to).loss; },
        [&](Tensor& to) {
            return distillation(logits, teacher, labels, {2, 0.5}, to).loss;
        }};
    for (const auto& loss : losses) {
        loss(g);
        for (size_t i = 0; i < logits.values.size(); ++i) {
            const double wanted = testing::slope(logits.values[i], 1.0F / 64, [&] { return loss(ignored); });
            EXPECT_NEAR(g.values[i], wanted, 5e-5);
        }
    }
}

TEST(Loss, StaysFiniteForLargeLogitsAndNotForNumbersThatAreNot) {
    Tensor g;
    const Tensor large{{2}, 1, {1e30F, -1e30F}};
    EXPECT_EQ(cross_entropy(large, std::vector<int32_t>{0}, 0, g).loss, 0);
    EXPECT_DOUBLE_EQ(cross_entropy(large, std::vector<int32_t>{1}, 0, g).loss, 2.0 * static_cast<double>(1e30F));
    const Tensor broken{{2}, 1, {testing::kNan, 0}};
    EXPECT_FALSE(std::isfinite(cross_entropy(broken, std::vector<int32_t>{0}, 0, g).loss));
    EXPECT_FALSE(std::isfinite(mean_squared_error(broken, std::vector<int32_t>{0}, g).loss));
    const Tensor infinite{{2}, 1, {testing::kInf, 0}};
    EXPECT_FALSE(std::isfinite(cross_entropy(infinite, std::vector<int32_t>{1}, 0, g).loss));
}

TEST(Loss, RefusesWhatDoesNotFit) {
    Tensor g;
    const auto with = [&](std::vector<int32_t> labels) { return [=, &g] { cross_entropy(kLogits, labels, 0, g); }; };
    EXPECT_THAT(with({0}), ThrowsMessage<ConfigError>(HasSubstr("one per sample")));
    EXPECT_THAT(with({0, 3}), ThrowsMessage<ConfigError>(HasSubstr("label 3 of sample 1 violates 0 <= label < 3")));
    EXPECT_THAT(with({-1, 0}), ThrowsMessage<ConfigError>(HasSubstr("label -1")));
    EXPECT_THROW(cross_entropy(kLogits, kLabels, 1, g), ConfigError);
    EXPECT_THROW(distillation(kLogits, kTeacher, kLabels, {0, 0.5}, g), ConfigError);
    EXPECT_THROW(distillation(kLogits, kTeacher, kLabels, {1, 1.5}, g), ConfigError);
    EXPECT_THROW(distillation(kLogits, Tensor{{3}, 1, {1, 2, 3}}, kLabels, {1, 0.5}, g), ConfigError);
}

TEST(Loss, BitsDoNotDependOnThreads) {
    const Tensor logits = random_tensor({10}, 100, 1);
    const std::vector<int32_t> labels(100, 3);
    Tensor one, four;
    set_threads(1);
    const double loss = cross_entropy(logits, labels, 0.1, one).loss;
    set_threads(4);
    EXPECT_EQ(cross_entropy(logits, labels, 0.1, four).loss, loss);
    set_threads(0);
    EXPECT_EQ(one.values, four.values);
}

}  // namespace
}  // namespace bitline::training
