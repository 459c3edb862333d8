// Noise that keeps its value over the cycles of a product adds up in them; noise that does not averages out. Both
// against closed forms, through the whole engine.

#include "mapping/wander.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "mapping/chip.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;

constexpr int kRows = 64, kCols = 32, kBits = 8, kInput = 255;
constexpr double kAge = 86400;

Network serial_layer() {
    RandomSource random(4);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-3, 3));
    weights[0] = 3;
    return testing::fully_connected(kRows, kCols, weights, 3, testing::codes(kBits, false));
}

Architecture fine_converters() {
    Architecture a;
    a.array.rows = kRows;
    a.cell.g_min = 4e-5;
    a.adc.bits = 16;
    a.adc.range = AdcOptions::Range::fixed;  // steps far below a level
    return a;
}

Architecture with_flicker(Persistence persists) {
    Architecture a = fine_converters();
    a.cell.read_noise.flicker.amplitude.polynomial = {0.002};
    a.cell.read_noise.flicker.persists = persists;
    return a;
}

struct Reader {
    Network network = serial_layer();
    Mapping mapping;
    Chip chip;
    explicit Reader(const Architecture& a, uint32_t trial = 0)
        : mapping(map_network(network, a)), chip(program(mapping, static_ranges(mapping), 1, trial, {kAge, 300})) {}

    std::vector<double> read(int64_t sample, int32_t code = kInput) const {
        ChipEngine engine(network, mapping, chip);
        const std::vector<int32_t> codes(kRows, code);
        std::vector<double> acc(kCols);
        engine.product(network, 1, codes, 1, sample, acc);
        return acc;
    }
};

/// Mean square of the error over samples and columns.
double error_variance(const Reader& reader, int samples) {
    const auto exact = make_exact_engine(reader.network);
    std::vector<double> expected(kCols);
    exact->product(reader.network, 1, std::vector<int32_t>(kRows, kInput), 1, 0, expected);
    double squares = 0;
    for (int sample = 0; sample < samples; ++sample) {
        const std::vector<double> sums = reader.read(sample);
        for (size_t c = 0; c < kCols; ++c) squares += (sums[c] - expected[c]) * (sums[c] - expected[c]);
    }
    return squares / samples / kCols;
}

/// Sum over the cells behind a column of the squared rms of one read, in levels^2, averaged over columns.
double variance_of_a_read(const Reader& reader, double relative) {
    const MappedLayer& layer = reader.mapping.layers[0];
    double sum = 0;
    for (const int32_t w : layer.weights) {
        const double plus = layer.grid.g_min + layer.grid.level_step * std::max(w, 0);
        const double minus = layer.grid.g_min + layer.grid.level_step * std::max(-w, 0);
        sum += relative * relative * (plus * plus + minus * minus) / std::pow(layer.grid.level_step, 2);
    }
    return sum / kCols;
}

TEST(Wander, PersistentNoiseAddsUpOverTheCyclesOfAProduct) {
    const double rms = 0.002 * std::sqrt(std::log((kAge + 250e-9) / 500e-9));
    constexpr int kSamples = 600;
    // 600 x 32 squares of Gaussians: five standard errors.
    constexpr double kTolerance = 5 * 0.0102;
    double per_cycle = 0;  // independent cycles: sum of the squares of the weights of the cycles
    for (int c = 0; c < kBits; ++c) per_cycle += std::ldexp(1.0, 2 * c);
    const Reader fast(with_flicker(Persistence::conversion));
    const double of_a_read = variance_of_a_read(fast, rms);
    EXPECT_NEAR(error_variance(fast, kSamples) / (of_a_read * per_cycle), 1, kTolerance);
    for (const Persistence persists : {Persistence::product, Persistence::sample}) {
        const Reader slow(with_flicker(persists));
        EXPECT_NEAR(error_variance(slow, kSamples) / (of_a_read * kInput * kInput), 1, kTolerance);
    }
}

TEST(Wander, OfAChipIsTheSameForEverySample) {
    const Reader chip(with_flicker(Persistence::chip)), sample(with_flicker(Persistence::sample));
    EXPECT_EQ(chip.read(3), chip.read(4));
    EXPECT_NE(sample.read(3), sample.read(4));
    EXPECT_EQ(sample.read(3), sample.read(3));
    EXPECT_NE(sample.read(3), Reader(with_flicker(Persistence::sample), 1).read(3));
}

TEST(Wander, FilledTrapsLowerTheirCells) {
    Architecture a = fine_converters();
    a.cell.read_noise.telegraph = {0.1, 1, 1e-3, 1e-3, Persistence::sample};
    const Reader reader(a);
    const MappedLayer& layer = reader.mapping.layers[0];
    constexpr int kSamples = 600;
    double mean = 0, squares = 0, expected = 0, variance = 0;
    for (int sample = 0; sample < kSamples; ++sample) {
        const double sum = reader.read(sample)[0] / kInput;
        mean += sum / kSamples;
        squares += sum * sum / kSamples;
    }
    for (int r = 0; r < kRows; ++r) {
        const int32_t w = layer.weights[size_t(r)];
        const double step = layer.grid.level_step;
        const double plus = (layer.grid.g_min + step * std::max(w, 0)) / step;
        const double minus = (layer.grid.g_min + step * std::max(-w, 0)) / step;
        expected += (plus - minus) * (1 - 0.1 * 0.5);
        variance += 0.01 * 0.25 * (plus * plus + minus * minus);
    }
    EXPECT_NEAR(mean, expected, 5 * std::sqrt(variance / kSamples));
    EXPECT_NEAR((squares - mean * mean) / variance, 1, 5 * std::sqrt(2.0 / kSamples));
}

TEST(Wander, IsTheSameHoweverSamplesAreGrouped) {
    for (const Persistence persists : {Persistence::product, Persistence::sample}) {
        const Reader reader(with_flicker(persists));
        ChipEngine engine(reader.network, reader.mapping, reader.chip);
        constexpr int kSamples = 6;
        std::vector<int32_t> codes(kRows * kSamples);
        for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int32_t>(i * 37 % 256);
        std::vector<double> together(kCols * kSamples), alone(kCols * kSamples);
        engine.product(reader.network, 1, codes, kSamples, 10, together);
        for (int s = kSamples - 1; s >= 0; --s)
            engine.product(reader.network, 1, std::span(codes).subspan(size_t(s) * kRows, kRows), 1, 10 + s,
                           std::span(alone).subspan(size_t(s) * kCols, kCols));
        EXPECT_EQ(together, alone);
    }
}

TEST(Wander, DrawsAreIndependentAcrossCellsAndMoments) {
    kernels::Block cells;
    cells.rows = 128;
    cells.cols = 64;
    cells.g.assign(128 * 64, 10000);
    cells.one_bit_digits = true;
    Wander wander;
    wander.places = cells.g.size();
    wander.rms.assign(wander.places, 300);
    ReadNoiseOptions noise;
    noise.flicker.persists = Persistence::product;
    const WanderStreams streams = wander_streams(3, 0);
    const auto draw = [&](uint32_t block, uint32_t sample, uint32_t position) {
        kernels::Block out;
        draw_wander(cells, wander, noise, streams, block, {sample, position}, out);
        std::vector<double> shift;
        for (const int32_t g : out.g) shift.push_back((g - 10000) / 300.0);
        return shift;
    };
    const std::vector<double> one = draw(0, 0, 0);
    const double n = static_cast<double>(one.size());
    double mean = 0, squares = 0, fourth = 0;
    for (const double x : one) {
        mean += x / n;
        squares += x * x / n;
        fourth += x * x * x * x / n;
    }
    EXPECT_NEAR(mean, 0, 5 / std::sqrt(n));
    EXPECT_NEAR(squares, 1, 5 * std::sqrt(2 / n));
    EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96 / n));
    for (const auto& other : {draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1)}) {
        double product = 0;
        for (size_t i = 0; i < one.size(); ++i) product += one[i] * other[i] / n;
        EXPECT_NEAR(product, 0, 5 / std::sqrt(n));
    }
    noise.flicker.persists = Persistence::sample;
    EXPECT_EQ(draw(0, 7, 1), draw(0, 7, 2));
}

}  // namespace
}  // namespace bitline
