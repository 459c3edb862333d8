// Gradients of few bits reach the weights: through the layers of a model, not only in the method itself.

#include <gtest/gtest.h>

#include <cmath>

#include "support/moments.h"
#include "support/random_network.h"
#include "training/model.h"
#include "training/zoo.h"

namespace bitline::training {
namespace {

constexpr int64_t kSamples = 8;
const Shape kImage{1, 4, 4};

/// Three layers, of which only the one in the middle is DoReFa's.
TrainingNetwork three_layers() {
    return parse_network(
        "name: small\n"
        "layers:\n"
        "  flatten: {type: flatten}\n"
        "  fc1: {type: fully_connected, channels: 6}\n"
        "  relu1: {type: relu}\n"
        "  fc2: {type: fully_connected, channels: 5}\n"
        "  relu2: {type: relu}\n"
        "  fc3: {type: fully_connected, channels: classes}\n",
        "small.yaml", kImage, 3, {}, 1);
}

struct Gradients {
    std::vector<float> first, middle, last;
};

class Steps {
 public:
    explicit Steps(int gradient_bits) : model_(three_layers(), options(gradient_bits)) {
        testing::RandomSource random(3);
        input_.resize(kImage, kSamples);
        for (float& v : input_.values) v = float(random.real(0, 1));
        gradient_.resize({3}, kSamples);
        for (float& g : gradient_.values) g = float(random.real(-1, 1));
    }

    Gradients take(uint32_t step) {
        Pass pass;
        pass.training = true;
        pass.seed = 5;
        pass.step = step;
        model_.forward(pass, input_);
        model_.backward(pass, gradient_);
        std::vector<std::vector<float>> weights;
        for (const Parameter* p : model_.parameters()) {
            if (p->name.find("weight") != std::string::npos) weights.push_back(p->gradient);
        }
        return {weights.at(0), weights.at(1), weights.at(2)};
    }

 private:
    static ModelOptions options(int gradient_bits) {
        ModelOptions options;
        options.method = "dorefa";
        options.method_options.gradient_bits = gradient_bits;
        options.weight_bits = options.input_bits = 4;
        return options;
    }

    Model model_;
    Tensor input_, gradient_;
};

TEST(GradientBits, ChangeTheGradientsOfTheMethodsOwnLayersWithoutBias) {
    Steps exact(32), coarse(2);
    const Gradients true_ones = exact.take(0);
    const size_t weights = true_ones.middle.size();
    std::vector<testing::Moments> middle(weights);
    constexpr uint32_t kSteps = 4000;
    for (uint32_t step = 0; step < kSteps; ++step) {
        const Gradients drawn = coarse.take(step);
        EXPECT_EQ(drawn.last, true_ones.last);  // by `ste`, which leaves gradients alone
        for (size_t i = 0; i < weights; ++i) middle[i].add(double(drawn.middle[i]));
    }
    size_t spread = 0;
    for (size_t i = 0; i < weights; ++i) {
        const double error = 4.5 * std::sqrt(middle[i].variance() / kSteps) + 1e-5;
        EXPECT_NEAR(middle[i].mean, double(true_ones.middle[i]), error) << i;
        spread += middle[i].variance() > 0;
    }
    EXPECT_GT(spread, weights / 2);
}

TEST(GradientBits, DoNotDependOnWhatWasAskedBefore) {
    Steps a(2), b(2);
    a.take(7);
    EXPECT_EQ(a.take(8).middle, b.take(8).middle);
}

}  // namespace
}  // namespace bitline::training
