// What every method of the table must keep, whatever it is given.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/parallel.h"
#include "core/reference.h"
#include "support/method_numbers.h"
#include "training/method.h"

namespace bitline::training {
namespace {

using ::testing::HasSubstr;
using testing::normal_numbers;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kChannels = 5;

std::vector<std::string> method_names() {
    std::vector<std::string> names;
    for (const MethodEntry& entry : methods()) names.push_back(entry.name);
    return names;
}

struct Weights {
    std::string what;
    std::vector<float> values;
};

std::vector<Weights> awkward_weights() {
    std::vector<float> spread = normal_numbers(kChannels * 37, 0.1F), outlier = spread, huge = spread, tiny = spread;
    outlier[3] = 40;
    for (float& w : huge) w *= 1e30F;
    for (float& w : tiny) w *= 1e-30F;
    std::vector<float> one_dead = spread;
    std::fill(one_dead.begin() + 37, one_dead.begin() + 74, 0.0F);
    return {{"normal", spread},
            {"outlier", outlier},
            {"huge", huge},
            {"tiny", tiny},
            {"dead channel", one_dead},
            {"all zero", std::vector<float>(kChannels * 37, 0.0F)},
            {"constant", std::vector<float>(kChannels * 37, -0.3F)},
            {"one weight per channel", {0.5F, -0.25F, 0, 1, -1}}};
}

void expect_usable(const Quantizer& q) {
    EXPECT_EQ(q.scale.size(), q.zero_point.size());
    for (const float scale : q.scale) EXPECT_TRUE(std::isfinite(scale) && scale > 0) << scale;
    for (const float scale : q.scale) EXPECT_TRUE(scale * scale > 0 && std::isfinite(scale * scale)) << scale;
    for (const int32_t zero : q.zero_point) EXPECT_TRUE(zero >= q.code_min() && zero <= q.code_max());
}

void expect_fitting(const QuantizedWeights& quantized, size_t count) {
    ASSERT_FALSE(quantized.planes.empty());
    for (const auto& plane : quantized.planes) {
        expect_usable(plane.quantizer);
        EXPECT_TRUE(plane.quantizer.per_tensor() || plane.quantizer.scale.size() == size_t(kChannels));
        ASSERT_EQ(plane.codes.size(), count);
        for (const int32_t code : plane.codes) {
            EXPECT_TRUE(code >= plane.quantizer.code_min() && code <= plane.quantizer.code_max()) << code;
            EXPECT_TRUE(plane.quantizer.kind != Quantizer::Kind::bipolar || code != 0);
        }
    }
}

/// A quantizer after some steps of training: its weights and all that it learned.
struct Trained {
    QuantizedWeights quantized;
    std::vector<float> gradient, learned;
};

Trained train_weights(const MethodEntry& entry, int bits, const std::vector<float>& weights) {
    const auto method = entry.make({});
    const auto quantizer = method->weights({"layer", bits, kChannels, false, 1});
    Trained trained;
    quantizer->start(weights);
    for (int step = 0; step < 3; ++step) quantizer->quantize(weights, true, trained.quantized);
    trained.gradient.assign(weights.size(), kInfinity);  // must be overwritten
    quantizer->backward(weights, trained.quantized, normal_numbers(weights.size(), 1, 99), trained.gradient);
    for (const Parameter* parameter : quantizer->parameters()) {
        trained.learned.insert(trained.learned.end(), parameter->value.begin(), parameter->value.end());
        trained.learned.insert(trained.learned.end(), parameter->gradient.begin(), parameter->gradient.end());
    }
    for (const State* state : quantizer->states())
        trained.learned.insert(trained.learned.end(), state->value.begin(), state->value.end());
    return trained;
}

class EveryMethod : public ::testing::TestWithParam<std::string> {
 protected:
    const MethodEntry& entry() const { return find_method(GetParam()); }
};

TEST_P(EveryMethod, KeepsWeightCodesAndScalesUsable) {
    for (int bits = entry().weight_bits_low; bits <= std::min(entry().weight_bits_high, 8); ++bits) {
        for (const Weights& weights : awkward_weights()) {
            SCOPED_TRACE(weights.what + ", bits " + std::to_string(bits));
            const Trained trained = train_weights(entry(), bits, weights.values);
            expect_fitting(trained.quantized, weights.values.size());
            for (const float g : trained.gradient) EXPECT_TRUE(std::isfinite(g)) << g;
            for (const float x : trained.learned) EXPECT_TRUE(std::isfinite(x)) << x;
        }
    }
}

TEST_P(EveryMethod, GivesTheSameBitsForAnyNumberOfThreads) {
    const int before = threads();
    const std::vector<float> weights = normal_numbers(kChannels * 9000, 0.1F);
    std::vector<Trained> runs;
    for (const int count : {1, 2, 4}) {
        set_threads(count);
        runs.push_back(train_weights(entry(), entry().weight_bits, weights));
    }
    set_threads(before);
    for (size_t i = 1; i < runs.size(); ++i) {
        ASSERT_EQ(runs[0].quantized.planes.size(), runs[i].quantized.planes.size());
        for (size_t p = 0; p < runs[0].quantized.planes.size(); ++p) {
            EXPECT_EQ(runs[0].quantized.planes[p].codes, runs[i].quantized.planes[p].codes);
            EXPECT_EQ(runs[0].quantized.planes[p].quantizer, runs[i].quantized.planes[p].quantizer);
        }
        EXPECT_EQ(runs[0].gradient, runs[i].gradient);
        EXPECT_EQ(runs[0].learned, runs[i].learned);
    }
}

/// Weights are nearer to their codes than to nothing: a quantizer that lost its scale fails.
TEST_P(EveryMethod, ComesCloseToTheWeights) {
    const std::vector<float> weights = normal_numbers(kChannels * 400, 0.7F);
    const Trained trained = train_weights(entry(), entry().weight_bits, weights);
    const std::vector<float> w = testing::real_weights(trained.quantized, kChannels);
    double product = 0, own = 0, of_codes = 0;
    for (size_t i = 0; i < w.size(); ++i) {
        product += double(w[i]) * double(weights[i]);
        own += double(weights[i]) * double(weights[i]);
        of_codes += double(w[i]) * double(w[i]);
    }
    EXPECT_GT(product / std::sqrt(own * of_codes), 0.79);  // signs of normal numbers: sqrt(2 / pi) = 0.798
}

TEST_P(EveryMethod, KeepsWhatItWasShownWhereItMustNotAdapt) {
    const auto method = entry().make({});
    const auto quantizer = method->weights({"layer", entry().weight_bits, kChannels, false, 1});
    const std::vector<float> weights = normal_numbers(kChannels * 50, 0.1F);
    quantizer->start(weights);
    std::vector<std::vector<float>> before;
    for (const State* state : quantizer->states()) before.push_back(state->value);
    QuantizedWeights quantized;
    quantizer->quantize(normal_numbers(kChannels * 50, 3), false, quantized);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(quantizer->states()[i]->value, before[i]);
}

// ---------------------------------------------------------------------------------------------- inputs

/// x_q through core's reference: the planes as nodes of a network, their sum in float32.
std::vector<float> through_planes(const std::vector<Operator>& planes, const std::vector<float>& x) {
    Network network;
    network.values.push_back({"x", {int64_t(x.size())}, std::nullopt});
    network.input = 0;
    for (const Operator& op : planes) {
        const Quantizer& to =
            std::holds_alternative<Quantize>(op) ? std::get<Quantize>(op).to : std::get<Bucketize>(op).to;
        expect_usable(to);
        const auto value = int(network.values.size());
        network.values.push_back({"plane" + std::to_string(value), {int64_t(x.size())}, to});
        network.nodes.push_back({"node" + std::to_string(value), "", {0}, value, op});
        network.output = value;
    }
    validate(network);
    std::vector<Block> values;
    run(network, *make_exact_engine(network), x, 1, 0, &values);
    std::vector<float> sum(x.size(), 0.0F);
    for (size_t p = 0; p < planes.size(); ++p) {
        const Quantizer& to = *network.values[p + 1].quantizer;
        for (size_t i = 0; i < x.size(); ++i) {
            const float part = float(values[p + 1].codes[i] - to.zero_point[0]) * to.scale[0];
            sum[i] = p == 0 ? part : sum[i] + part;
        }
    }
    return sum;
}

/// Numbers around every step of the quantizer, and those that are none.
std::vector<float> awkward_inputs(const std::vector<Operator>& planes) {
    std::vector<float> x = normal_numbers(1000, 1.5F, 3);
    const float largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::denorm_min();
    for (const float special : {0.0F, kInfinity, largest, smallest, 1.0F, 1e-20F, 0.5F}) {
        x.push_back(special);
        x.push_back(-special);
    }
    x.push_back(std::numeric_limits<float>::quiet_NaN());
    const auto around = [&](float middle) {
        for (const float v : {std::nextafter(middle, -kInfinity), middle, std::nextafter(middle, kInfinity)})
            x.push_back(v);
    };
    for (const Operator& op : planes) {
        if (const auto* quantize = std::get_if<Quantize>(&op)) {
            for (int half = -40; half <= 40; ++half) around(float(half) * 0.5F * quantize->to.scale[0]);
        } else {
            for (const float threshold : std::get<Bucketize>(op).threshold) around(threshold);
        }
    }
    return x;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& x) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i])) << a[i] << " " << b[i] << " " << x[i];
    }
}

void check_inputs(InputQuantizer& quantizer) {
    const std::vector<Operator> planes = quantizer.planes();
    const std::vector<float> x = awkward_inputs(planes);
    std::vector<float> quantized(x.size(), kInfinity), x_gradient(x.size(), kInfinity);
    quantizer.forward(x, quantized);
    expect_same_bits(quantized, through_planes(planes, x), x);

    size_t parameters = 0;
    for (const Parameter* parameter : quantizer.parameters()) parameters += parameter->value.size();
    std::vector<double> parameter_gradients(parameters, 2);
    quantizer.backward(x, normal_numbers(x.size(), 1, 5), x_gradient, parameter_gradients);
    for (const float g : x_gradient) EXPECT_TRUE(std::isfinite(g));
    std::vector<double> again(parameters, 0);
    quantizer.backward(x, normal_numbers(x.size(), 1, 5), x_gradient, again);
    for (size_t i = 0; i < parameters; ++i) {
        EXPECT_TRUE(std::isfinite(again[i]));
        EXPECT_NEAR(parameter_gradients[i], 2 + again[i], 1e-9 * std::abs(again[i]) + 1e-12);  // added, not overwritten
    }
}

TEST_P(EveryMethod, QuantizesInputsAsTheReferenceDoesToTheBit) {
    for (int bits = entry().input_bits_low; bits <= entry().input_bits_high; ++bits) {
        for (const bool negative : {false, true}) {
            SCOPED_TRACE("bits " + std::to_string(bits) + (negative ? ", negative" : ""));
            const auto method = entry().make({});
            const auto quantizer = method->inputs({"layer", bits, 1, negative, 100});
            check_inputs(*quantizer);  // before it saw anything
            std::vector<float> seen = normal_numbers(20000, 1, 8);
            for (float& x : seen) x = negative ? x : std::max(x, 0.0F);
            quantizer->observe(seen, true);
            check_inputs(*quantizer);
            for (float& x : seen) x *= 2.3F;
            quantizer->observe(seen, false);
            check_inputs(*quantizer);
        }
    }
}

TEST_P(EveryMethod, SurvivesInputsThatSayNothing) {
    for (const float value : {0.0F, 0.25F, 1e30F, 1e-30F, kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
        SCOPED_TRACE(value);
        const auto method = entry().make({});
        const auto quantizer = method->inputs({"layer", entry().input_bits, 1, false, 100});
        quantizer->observe(std::vector<float>(100, value), true);
        check_inputs(*quantizer);
        quantizer->observe(std::vector<float>(1, value), false);
        quantizer->observe({}, false);
        check_inputs(*quantizer);
    }
}

/// Codes of codes are the same codes, where the range did not move in between.
TEST_P(EveryMethod, LeavesQuantizedInputsAsTheyAre) {
    const auto method = entry().make({});
    const auto quantizer = method->inputs({"layer", entry().input_bits, 1, false, 100});
    std::vector<float> x = normal_numbers(5000, 1, 8);
    for (float& v : x) v = std::max(v, 0.0F);
    quantizer->observe(x, true);
    std::vector<float> once(x.size()), twice(x.size());
    quantizer->forward(x, once);
    quantizer->forward(once, twice);
    EXPECT_EQ(once, twice);
}

TEST_P(EveryMethod, RefusesBitsOutsideItsRange) {
    const auto method = entry().make({});
    const auto message = [&](bool of_weights, int bits) -> std::string {
        try {
            const LayerRole role{"conv7", bits, kChannels, false, 1};
            of_weights ? static_cast<void>(method->weights(role)) : static_cast<void>(method->inputs(role));
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "";
    };
    for (const int bits : {-1, 0, entry().weight_bits_low - 1, entry().weight_bits_high + 1, 1000}) {
        EXPECT_THAT(message(true, bits), HasSubstr("layer 'conv7': weight bits = " + std::to_string(bits)));
    }
    for (const int bits : {-1, 0, entry().input_bits_low - 1, entry().input_bits_high + 1, 1000}) {
        EXPECT_THAT(message(false, bits), HasSubstr("layer 'conv7': input bits = " + std::to_string(bits)));
    }
    EXPECT_EQ(message(true, entry().weight_bits), "");
    EXPECT_EQ(message(false, entry().input_bits), "");
}

/// A batch in chunks gives the sums of the whole batch: nothing depends on what else is in the call.
TEST_P(EveryMethod, TreatsEachInputByItself) {
    const auto method = entry().make({});
    const auto quantizer = method->inputs({"layer", entry().input_bits, 1, true, 100});
    const std::vector<float> x = normal_numbers(777, 1, 8);
    quantizer->observe(x, true);
    std::vector<float> whole(x.size()), parts(x.size());
    quantizer->forward(x, whole);
    for (size_t first = 0; first < x.size(); first += 50) {
        const size_t count = std::min<size_t>(50, x.size() - first);
        quantizer->forward(std::span(x).subspan(first, count), std::span(parts).subspan(first, count));
    }
    EXPECT_EQ(whole, parts);
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, ::testing::ValuesIn(method_names()), [](const auto& test) {
    std::string name = test.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST(MethodTable, KnowsItsMethodsAndNamesTheNearest) {
    EXPECT_THAT(method_names(), ::testing::UnorderedElementsAre("ste", "binaryconnect", "bnn", "ternary", "xnor",
                                                                "dorefa", "lq-net", "pact", "lsq", "power-of-two"));
    for (const MethodEntry& entry : methods()) {
        EXPECT_EQ(&find_method(entry.name), &entry);
        EXPECT_TRUE(entry.weight_bits_low <= entry.weight_bits && entry.weight_bits <= entry.weight_bits_high);
        EXPECT_TRUE(entry.input_bits_low <= entry.input_bits && entry.input_bits <= entry.input_bits_high);
        EXPECT_EQ(entry.quantizes_gradients, entry.name == "dorefa");
    }
    try {
        find_method("dorfea");
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("did you mean 'dorefa'?"));
    }
}

}  // namespace
}  // namespace bitline::training
