// Batch norms folded into layers while they train: the same function, gradients and statistics as batch norm, weights
// and chips without one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/parallel.h"
#include "core/reference.h"
#include "tests/training/layer_runs.h"
#include "tests/training/small_chips.h"
#include "training/checkpoint.h"
#include "training/hardware.h"
#include "training/model.h"

namespace bitline::training {
namespace {

using bitline::testing::image_reader;
using bitline::testing::images;
using bitline::testing::kImages;
using bitline::testing::random_layer;
using bitline::testing::random_norm;
using bitline::testing::random_numbers;
using bitline::testing::RandomSource;
using bitline::testing::slope;
using bitline::testing::uniform_numbers;
using bitline::testing::weighted;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Gammas of both signs.
BatchNorm norm(RandomSource& random, int64_t channels) {
    BatchNorm op = random_norm(random, channels);
    op.gamma[1] = -op.gamma[1];
    return op;
}

/// conv1 (with bias) - bn1 - relu - conv2 - bn2 - flatten - fc
TrainingNetwork two_norms() {
    RandomSource random(11);
    TrainingNetwork t;
    Network& n = t.network;
    n.name = "two norms";
    const Shape image{2, 8, 8}, maps{4, 8, 8};
    n.values = {{"x", image, {}}, {"a", maps, {}}, {"b", maps, {}},  {"c", maps, {}},
                {"d", maps, {}},  {"e", maps, {}}, {"f", {256}, {}}, {"y", {5}, {}}};
    n.nodes = {{"conv1", "", {0}, 1, random_layer(random, 2, 4, 3, 0.2)},
               {"bn1", "", {1}, 2, norm(random, 4)},
               {"relu1", "", {2}, 3, Activation{}},
               {"conv2", "", {3}, 4, random_layer(random, 4, 4, 3, 0)},
               {"bn2", "", {4}, 5, norm(random, 4)},
               {"flatten", "", {5}, 6, Reshape{}},
               {"fc", "", {6}, 7, random_layer(random, 256, 5, 0, 0.2)}};
    n.input = 0;
    n.output = 7;
    return t;
}

ModelOptions folded(int bits, const std::string& method = "ste") {
    ModelOptions options;
    options.method = method;
    options.weight_bits = options.input_bits = bits;
    options.first_last_bits = 0;
    options.fold_batch_norm = true;
    return options;
}

Pass training_pass(bool frozen, uint32_t step = 0) {
    Pass pass;
    pass.training = true;
    pass.freeze_batch_norm = frozen;
    pass.step = step;
    return pass;
}

template <class Item>
std::map<std::string, std::vector<float>> by_name(const std::vector<Item*>& items) {
    std::map<std::string, std::vector<float>> all;
    for (const Item* item : items) all[item->name] = item->value;
    return all;
}

std::map<std::string, std::vector<float>> gradients(Model& model) {
    std::map<std::string, std::vector<float>> all;
    for (const Parameter* p : model.parameters()) all[p->name] = p->gradient;
    return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

double largest(const std::vector<float>& values) {
    double most = 0;
    for (const float v : values) most = std::max(most, double(std::abs(v)));
    return most;
}

void expect_close(const std::vector<float>& got, const std::vector<float>& wanted, double share) {
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], share * largest(wanted)) << i;
}

bool holds_batch_norm(const Network& network) {
    return std::any_of(network.nodes.begin(), network.nodes.end(),
                       [](const Node& n) { return std::holds_alternative<BatchNorm>(n.op); });
}

// ------------------------------------------------------------------------------------------------- the fold itself

constexpr int64_t kIn = 6, kOut = 4;

/// y = W x + b and what follows it, all of it float.
struct FoldRun {
    BatchNorm op;
    std::vector<float> weights, bias, folded_weights, folded_bias;
    std::unique_ptr<FoldedNorm> norm;

    explicit FoldRun(bool with_bias = true) {
        RandomSource random(5);
        op = testing_norm(random);
        weights = uniform_numbers(random, kOut * kIn, -1, 1);
        if (with_bias) bias = uniform_numbers(random, kOut, -1, 1);
        norm = std::make_unique<FoldedNorm>("bn", op, true);
    }
    static BatchNorm testing_norm(RandomSource& random) { return training::norm(random, kOut); }

    WeightsAndBias raw() const { return {weights, bias}; }
    void fold() { norm->fold(raw(), folded_weights, folded_bias); }
    void follow(const Tensor& x) {
        fold();
        norm->follow_batch(raw(), {folded_weights, folded_bias}, products(x, folded_weights, folded_bias));
    }
    const std::vector<float>& mean() const { return norm->states()[0]->value; }
    const std::vector<float>& variance() const { return norm->states()[1]->value; }

    static Tensor products(const Tensor& x, const std::vector<float>& w, const std::vector<float>& b) {
        Tensor y;
        y.resize({kOut}, x.samples);
        for (int64_t s = 0; s < x.samples; ++s) {
            for (int64_t c = 0; c < kOut; ++c) {
                double sum = b.empty() ? 0.0 : double(b[size_t(c)]);
                for (int64_t i = 0; i < kIn; ++i) sum += double(w[size_t(c * kIn + i)]) * double(x.sample(s)[i]);
                y.sample(s)[c] = float(sum);
            }
        }
        return y;
    }
};

TEST(Fold, IsBatchNormByItsRunningStatistics) {
    for (const bool with_bias : {false, true}) {
        FoldRun run(with_bias);
        run.fold();
        const Tensor x = bitline::testing::random_tensor({kIn}, 50, 3);
        const Tensor got = FoldRun::products(x, run.folded_weights, run.folded_bias);
        const Tensor y = FoldRun::products(x, run.weights, run.bias);
        for (size_t i = 0; i < y.values.size(); ++i) {
            const size_t c = i % kOut;
            const double deviation = std::sqrt(double(run.op.variance[c]) + double(run.op.epsilon));
            const double wanted = (double(y.values[i]) - double(run.op.mean[c])) / deviation * double(run.op.gamma[c]) +
                                  double(run.op.beta[c]);
            EXPECT_NEAR(got.values[i], wanted, 2e-6);
        }
    }
}

TEST(Fold, HasTheGradientsOfFiniteDifferences) {
    FoldRun run;
    const std::vector<float> by_weights = random_numbers(kOut * kIn, 1), by_bias = random_numbers(kOut, 2);
    const auto objective = [&] {
        run.fold();
        return weighted(by_weights, run.folded_weights) + weighted(by_bias, run.folded_bias);
    };
    run.fold();
    std::vector<float> weight_gradient(kOut * kIn, NAN), bias_gradient(kOut, NAN);
    run.norm->backward(run.raw(), {by_weights, by_bias}, weight_gradient, bias_gradient);
    const auto check = [&](std::vector<float>& values, const std::vector<float>& gradient, const char* what) {
        for (size_t i = 0; i < values.size(); ++i)
            EXPECT_NEAR(gradient[i], slope(values[i], 0.05F, objective), 1e-4) << what << i;
    };
    check(run.weights, weight_gradient, "weight");
    check(run.bias, bias_gradient, "bias");
    for (Parameter* p : run.norm->parameters()) check(p->value, std::vector<float>(p->gradient), p->name.c_str());
}

/// Batch norm's own rule on W x + b itself.
TEST(Fold, StatisticsFollowThoseOfTheProductItself) {
    FoldRun run;
    const Tensor x = bitline::testing::random_tensor({kIn}, 64, 9, 2);
    const Tensor y = FoldRun::products(x, run.weights, run.bias);
    std::vector<double> mean(kOut), variance(kOut);
    for (size_t i = 0; i < y.values.size(); ++i) mean[i % kOut] += double(y.values[i]) / 64;
    for (size_t i = 0; i < y.values.size(); ++i)
        variance[i % kOut] += (double(y.values[i]) - mean[i % kOut]) * (double(y.values[i]) - mean[i % kOut]) / 63;
    run.follow(x);
    for (size_t c = 0; c < kOut; ++c) {
        EXPECT_NEAR(run.mean()[c], 0.9 * double(run.op.mean[c]) + 0.1 * mean[c], 1e-5);
        EXPECT_NEAR(run.variance()[c], 0.9 * double(run.op.variance[c]) + 0.1 * variance[c], 1e-5);
    }
    for (int step = 0; step < 200; ++step) run.follow(x);
    for (size_t c = 0; c < kOut; ++c) {
        EXPECT_NEAR(run.mean()[c], mean[c], 1e-4);
        EXPECT_NEAR(run.variance()[c], variance[c], 1e-4 * variance[c]);
    }
}

TEST(Fold, SurvivesChannelsThatSayNothing) {
    FoldRun run;
    std::vector<float>& gamma = run.norm->parameters()[0]->value;
    gamma = {0, 1e-30F, -1e-12F, 1};
    std::fill(run.weights.begin() + 3 * kIn, run.weights.end(), 0.0F);
    const Tensor x = bitline::testing::random_tensor({kIn}, 64, 9);
    for (int step = 0; step < 50; ++step) run.follow(x);
    EXPECT_EQ(run.mean(), run.op.mean);
    EXPECT_EQ(run.variance(), run.op.variance);
    std::vector<float> by_weights(kOut * kIn, 1.0F), weight_gradient(kOut * kIn), bias_gradient(kOut);
    run.norm->backward(run.raw(), {by_weights, std::vector<float>(kOut, 1.0F)}, weight_gradient, bias_gradient);
    EXPECT_NE(run.norm->parameters()[0]->gradient[0], 0);  // it can come back
    for (const float g : run.norm->parameters()[0]->gradient) EXPECT_TRUE(std::isfinite(g));
}

/// Weights that say less, or more, than the factor: a clipping quantizer, noise of the cells. A fold that divided by a
/// would grow, or shrink, by a factor at every step.
TEST(Fold, StatisticsDoNotRunAwayFromTheFoldThatFollowsThem) {
    for (const float fixed : {0.02F, 50.0F}) {  // whatever the fold makes of the weights, these are used
        FoldRun run;
        const Tensor x = bitline::testing::random_tensor({kIn}, 64, 9);
        std::vector<float> used = run.weights;
        for (float& w : used) w *= fixed;
        double before = 0;
        for (int step = 0; step < 300; ++step) {
            run.fold();
            run.norm->follow_batch(run.raw(), {used, run.folded_bias}, FoldRun::products(x, used, run.folded_bias));
            if (step == 200) before = double(run.variance()[0]);
        }
        const Tensor y = FoldRun::products(x, run.weights, {});
        double energy = 0;
        for (int64_t s = 0; s < 64; ++s) energy += double(y.sample(s)[0]) * double(y.sample(s)[0]) / 64;
        EXPECT_NEAR(run.variance()[0], before, 1e-4 * before);
        EXPECT_GT(run.variance()[0], energy / 8);
        EXPECT_LT(run.variance()[0], energy * 8);
    }
}

// ------------------------------------------------------------------------------------------------- in a model

TEST(FoldedModel, OfManyBitsIsTheFloatNetworkWithBatchNorm) {
    Model real(two_norms(), {}), model(two_norms(), folded(16));
    const Tensor x = images();
    expect_close(model.forward({}, x).values, real.forward({}, x).values, 1e-3);
    const Network network = model.real();
    EXPECT_TRUE(holds_batch_norm(network));
    const auto wanted = run(two_norms().network, *make_exact_engine(two_norms().network), x.values, kImages, 0);
    EXPECT_TRUE(same_bits(run(network, *make_exact_engine(network), x.values, kImages, 0), wanted));
}

/// The same parameters by name, with the same gradients, as of batch norm that is frozen.
TEST(FoldedModel, OfManyBitsHasTheGradientsOfBatchNorm) {
    Model real(two_norms(), {}), model(two_norms(), folded(16));
    Tensor gradient = bitline::testing::random_tensor({5}, kImages, 4);
    for (Model* each : {&real, &model}) {
        each->forward(training_pass(true), images());
        each->backward(training_pass(true), gradient);
    }
    const auto wanted = gradients(real), got = gradients(model);
    ASSERT_EQ(wanted.size(), got.size());
    for (const auto& [name, values] : wanted) {
        SCOPED_TRACE(name);
        ASSERT_TRUE(got.contains(name));
        EXPECT_GT(largest(values), 0);
        expect_close(got.at(name), values, 5e-3);
    }
}

TEST(FoldedModel, StatisticsConvergeToThoseOfTheData) {
    Model real(two_norms(), {}), model(two_norms(), folded(16));
    const Tensor x = images();
    for (uint32_t step = 0; step < 200; ++step) {
        real.forward(training_pass(false, step), x);
        model.forward(training_pass(false, step), x);
    }
    const auto wanted = by_name(real.states()), got = by_name(model.states());
    ASSERT_EQ(wanted.size(), 4U);  // bn1.mean, ...
    for (const auto& [name, values] : wanted) {
        SCOPED_TRACE(name);
        ASSERT_TRUE(got.contains(name));
        expect_close(got.at(name), values, 5e-3);
    }
    // By them, channels come out as gamma and beta say.
    const auto before = by_name(model.states());
    model.forward({}, x);
    model.forward(training_pass(true), x);
    EXPECT_EQ(by_name(model.states()), before);
}

TEST(FoldedModel, ExportsAnIntegerNetworkWithoutBatchNorm) {
    Model model(two_norms(), folded(4));
    const Tensor x = images();
    for (uint32_t step = 0; step < 3; ++step) model.forward(training_pass(false, step), x);
    const Network network = model.quantized();
    EXPECT_FALSE(holds_batch_norm(network));
    EXPECT_EQ(network.nodes.size(), 8U);  // three pairs of Quantize and layer, relu, flatten
    expect_close(run(network, *make_exact_engine(network), x.values, kImages, 0), model.forward({}, x).values, 1e-5);
    ModelOptions apart = folded(4);
    apart.fold_batch_norm = false;
    EXPECT_TRUE(holds_batch_norm(Model(two_norms(), apart).real()));
    EXPECT_LT(model.average_bits(), Model(two_norms(), apart).average_bits());  // gamma and beta are gone
}

class FoldedOnChip : public ::testing::TestWithParam<bool> {};

/// As SameBits in hardware_test.cpp. On a perfect chip those are the bits of the integer network.
TEST_P(FoldedOnChip, TrainingThroughItIsSimulatingIt) {
    const bool perfect = GetParam();
    std::vector<Setting> settings{{"array.rows", "32"}, {"array.cols", "32"}};
    for (const auto& [key, value] :
         {std::pair{"cell.programming_error.sigma", "0.05"}, {"cell.read_noise.sigma", "0.02"}, {"adc.bits", "5"}})
        if (!perfect) settings.push_back({key, value});
    if (perfect) settings.push_back({"adc.range", "lossless"});
    HardwareOptions options;
    options.strength = HardwareStrength::full;
    options.architecture = parse_architecture("name: small", "small.yaml", settings);
    options.fixed_chip = true;
    options.calibration_samples = 16;
    constexpr uint64_t kSeed = 17;
    Model model(two_norms(), folded(4));
    const auto hardware = make_hardware(options, kSeed, model.products(), image_reader());
    const Tensor x = images();
    model.forward(training_pass(false), x);
    model.attach(hardware.get());
    Pass pass = training_pass(true);
    pass.seed = kSeed;
    const std::vector<float> trained = model.forward(pass, x).values;
    const Network network = model.quantized();
    const Mapping mapping = map_network(network, *options.architecture);
    ChipMaker maker(network, mapping, image_reader(), 16, kSeed);
    const Chip chip = maker.make(0, {});
    ChipEngine engine(network, mapping, chip);
    EXPECT_TRUE(same_bits(trained, run(network, engine, x.values, kImages, 0)));
    const bool is_exact = same_bits(trained, run(network, *make_exact_engine(network), x.values, kImages, 0));
    EXPECT_EQ(is_exact, perfect);
    const auto before = by_name(model.states());
    pass.freeze_batch_norm = false;
    model.backward(pass, model.forward(pass, x));
    EXPECT_NE(by_name(model.states()).at("bn2.mean"), before.at("bn2.mean"));  // of the chip's outputs
    for (const Parameter* p : model.parameters())
        for (const float g : p->gradient) EXPECT_TRUE(std::isfinite(g)) << p->name;
}

INSTANTIATE_TEST_SUITE_P(Chips, FoldedOnChip, ::testing::Bool());

/// Some steps down the slope of a made-up objective.
struct Steps {
    Model model;
    explicit Steps(const ModelOptions& options) : model(two_norms(), options) {}
    std::vector<float> take(uint32_t first, uint32_t count) {
        std::vector<float> all;
        for (uint32_t step = first; step < first + count; ++step) {
            Tensor gradient = model.forward(training_pass(false, step), images());
            all = gradient.values;
            for (float& g : gradient.values) g *= 1e-3F;
            model.backward(training_pass(false, step), gradient);
            for (Parameter* p : model.parameters())
                for (size_t i = 0; i < p->value.size(); ++i) p->value[i] -= 0.05F * p->gradient[i];
        }
        for (const auto& items : {by_name(model.parameters()), by_name(model.states())})
            for (const auto& [name, values] : items) all.insert(all.end(), values.begin(), values.end());
        return all;
    }
};

class EveryFoldingMethod : public ::testing::TestWithParam<std::string> {
 protected:
    ModelOptions options() const {
        ModelOptions o = folded(4, GetParam());
        o.weight_bits = find_method(GetParam()).weight_bits;
        o.input_bits = find_method(GetParam()).input_bits;
        return o;
    }
};

TEST_P(EveryFoldingMethod, HasTheSameBitsForAnyNumberOfThreads) {
    std::vector<std::vector<float>> results;
    for (const int number : {1, 3}) {
        set_threads(number);
        results.push_back(Steps(options()).take(0, 3));
    }
    set_threads(0);
    EXPECT_TRUE(same_bits(results[0], results[1]));
    for (const float v : results[0]) ASSERT_TRUE(std::isfinite(v));
}

TEST_P(EveryFoldingMethod, GoesOnFromACheckpointWithTheSameBits) {
    Steps whole(options()), first(options()), rest(options());
    const std::vector<float> wanted = whole.take(0, 5);
    first.take(0, 2);
    restore_values(copy_values(first.model.parameters()), rest.model.parameters());
    restore_values(copy_values(first.model.states()), rest.model.states());
    EXPECT_TRUE(same_bits(rest.take(2, 3), wanted));
}

/// The quantizer starts on folded weights: before any step, few bits stand for them about as well as they can.
TEST_P(EveryFoldingMethod, StartsOnFoldedWeights) {
    TrainingNetwork t = two_norms();
    for (float& gamma : std::get<BatchNorm>(t.network.nodes[1].op).gamma) gamma *= 100;
    Model model(t, options());
    const Tensor x = images();
    const Network network = (model.forward({}, x), model.quantized());
    const auto& raw = std::get<MatVec>(t.network.nodes[0].op).real_weights;
    const auto& bn = std::get<BatchNorm>(t.network.nodes[1].op);
    double error = 0, energy = 0;
    std::vector<double> sums(raw.size(), 0.0);
    for (const Node& node : network.nodes) {  // planes of conv1
        const auto* plane = std::get_if<MatVec>(&node.op);
        if (!plane || !node.name.starts_with("conv1") || (node.name != "conv1" && !node.name.ends_with("x0"))) continue;
        for (size_t i = 0; i < sums.size(); ++i)
            sums[i] += double(plane->codes[i]) *
                       double(plane->weight.scale[plane->weight.per_tensor() ? 0 : i / (raw.size() / 4)]);
    }
    for (size_t i = 0; i < raw.size(); ++i) {
        const size_t c = i / (raw.size() / 4);
        const double wanted = double(raw[i]) * double(bn.gamma[c]) / std::sqrt(double(bn.variance[c] + bn.epsilon));
        error += (sums[i] - wanted) * (sums[i] - wanted);
        energy += wanted * wanted;
    }
    EXPECT_LT(error, 0.4 * energy);  // two bits of uniform numbers
}

/// Noise of cells relative to the largest weight of the layer drowns a channel of small gamma; nothing runs away.
TEST_P(EveryFoldingMethod, StaysFiniteInNoise) {
    TrainingNetwork t = two_norms();
    std::get<BatchNorm>(t.network.nodes[1].op).gamma = {0, 1e-6F, 1, -0.01F};
    Model model(t, options());
    HardwareOptions noise;
    noise.weight_noise = 0.2;
    const auto hardware = make_hardware(noise, 3, model.products(), image_reader());
    model.attach(hardware.get());
    for (uint32_t step = 0; step < 300; ++step) model.forward(training_pass(false, step), images());
    for (const State* state : model.states()) {
        for (const float v : state->value) EXPECT_LT(std::abs(v), 100) << state->name;
    }
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryFoldingMethod,
                         ::testing::Values("ste", "ternary", "power-of-two", "lq-net", "lsq"), [](const auto& test) {
                             std::string name = test.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

std::string refusal(const TrainingNetwork& network, const ModelOptions& options) {
    try {
        const Model model(network, options);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "";
}

TEST(FoldedModel, RefusesWhatCannotBeFolded) {
    for (const char* method : {"binaryconnect", "bnn", "xnor", "dorefa", "pact"}) {
        EXPECT_FALSE(find_method(method).folds_batch_norm);
        ModelOptions options = folded(4, method);
        options.weight_bits = find_method(method).weight_bits;
        options.input_bits = find_method(method).input_bits;
        EXPECT_THAT(refusal(two_norms(), options), HasSubstr(std::string(method) + " cannot fold batch norm"));
        options.fold_batch_norm = false;
        EXPECT_EQ(refusal(two_norms(), options), "");
    }
    ModelOptions real;
    real.fold_batch_norm = true;
    EXPECT_THAT(refusal(two_norms(), real), HasSubstr("choose a method"));
    // Dropout, another reader, the network's output: numbers before batch norm that somebody wants.
    TrainingNetwork dropped = two_norms();
    dropped.dropout = {{1, 0.5F}, {4, 0.5F}};
    EXPECT_THAT(refusal(dropped, folded(4)), HasSubstr("no batch norm can be folded"));
    dropped.dropout = {{1, 0.5F}};
    EXPECT_EQ(refusal(dropped, folded(4)), "");
    TrainingNetwork shared = two_norms();
    shared.network.nodes[2].op = AddValues{};  // bn1 + conv1
    shared.network.nodes[2].inputs = {2, 1};
    Model model(shared, folded(4));
    model.forward({}, images());
    const Network network = model.quantized();
    EXPECT_EQ(std::count_if(network.nodes.begin(), network.nodes.end(),
                            [](const Node& n) { return std::holds_alternative<BatchNorm>(n.op); }),
              1);  // bn2 is folded
}

}  // namespace
}  // namespace bitline::training
