// Arrays whose columns do not hand their sum on as it is.

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "mapping/chip.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;
using Model = ColumnTransferOptions::Model;

constexpr int kRows = 64, kCols = 24;

Quantizer bipolar() {
    Quantizer q = testing::codes(1, true);
    q.kind = Quantizer::Kind::bipolar;
    return q;
}

struct Binary {
    std::vector<int32_t> weights, codes;
    Network network;

    Binary() {
        RandomSource random(3);
        weights.resize(kRows * kCols);
        codes.resize(kRows);
        for (int32_t& code : codes) code = random.chance(0.5) ? 1 : -1;
        for (size_t c = 0; c < kCols; ++c)  // from few matches to many
            for (size_t r = 0; r < kRows; ++r)
                weights[c * kRows + r] = random.chance(static_cast<double>(c) / (kCols - 1)) ? codes[r] : -codes[r];
        network = testing::fully_connected(kRows, kCols, weights, 2, bipolar());
    }

    int matches(size_t col) const {
        int count = 0;
        for (size_t r = 0; r < kRows; ++r) count += weights[col * kRows + r] == codes[r];
        return count;
    }
};

Architecture xnor_chip(Model model) {
    Architecture a;
    a.array.rows = 2 * kRows;
    a.cell.bits = 1;
    a.weights.encoding = WeightEncoding::xnor;
    a.adc.bits = 0;
    a.array.transfer.model = model;
    return a;
}

std::vector<double> run(const Network& network, const Mapping& mapping, const std::vector<int32_t>& codes) {
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
    ChipEngine engine(network, mapping, chip);
    std::vector<double> acc(kCols);
    engine.product(network, 1, codes, 1, 0, acc);
    return acc;
}

TEST(Transfer, DividerOfAnXnorArrayGivesTheVoltageOfItsMatches) {
    const Binary binary;
    for (const double ratio : {1.0, 1.37, 0.6}) {
        Architecture a = xnor_chip(Model::divider);
        a.array.transfer.strength_ratio = ratio;
        const Mapping mapping = map_network(binary.network, a);
        const std::vector<double> acc = run(binary.network, mapping, binary.codes);
        double largest = 0;
        for (size_t c = 0; c < kCols; ++c) {
            const double n = binary.matches(c);
            const double volts = n * ratio / (n * ratio + (kRows - n));
            EXPECT_EQ(acc[c], 2 * std::nearbyint(kRows * volts) - kRows) << ratio << ' ' << n;
            largest = std::max(largest, std::abs(acc[c] - (2 * n - kRows)));
        }
        EXPECT_EQ(largest > 4, ratio != 1);
    }
}

TEST(Transfer, ChargeSharingShrinksEverySum) {
    const Binary binary;
    Architecture a = xnor_chip(Model::charge_sharing);
    a.array.transfer.parasitic = 0.3;
    const Mapping mapping = map_network(binary.network, a);
    const std::vector<double> acc = run(binary.network, mapping, binary.codes);
    for (size_t c = 0; c < kCols; ++c) EXPECT_EQ(acc[c], 2 * std::nearbyint(binary.matches(c) / 1.3) - kRows) << c;
    EXPECT_FALSE(program(mapping, static_ranges(mapping), 1, 0).layers[0].arrays[0].converter.has_transfer());
}

TEST(Transfer, StraightTableChangesNothing) {
    const Binary binary;
    Architecture a = xnor_chip(Model::table);
    a.array.transfer.table = {0, 0.25, 0.5, 0.75, 1};
    const Mapping mapping = map_network(binary.network, a);
    const std::vector<double> acc = run(binary.network, mapping, binary.codes);
    for (size_t c = 0; c < kCols; ++c) EXPECT_EQ(acc[c], 2 * binary.matches(c) - kRows) << c;
}

TEST(Transfer, SenseAmplifierDecidesBehindTheDivider) {
    const Binary binary;
    Architecture a = xnor_chip(Model::divider);
    a.array.transfer.strength_ratio = 2;
    a.adc.bits = 1;
    a.adc.sense_amplifier = true;
    const Mapping mapping = map_network(binary.network, a);
    const AdcRange range = static_ranges(mapping)[0];
    const std::vector<double> acc = run(binary.network, mapping, binary.codes);
    int moved = 0;
    for (size_t c = 0; c < kCols; ++c) {
        const double n = binary.matches(c), signal = kRows * 2 * n / (2 * n + (kRows - n));
        const bool above = signal >= range.threshold;
        EXPECT_DOUBLE_EQ(acc[c], 2 * (range.threshold + (above ? range.step : -range.step)) - kRows) << n;
        moved += above != (n >= range.threshold);
    }
    EXPECT_GT(moved, 0);
}

TEST(Transfer, DividerRefusesSumsWithASign) {
    const Binary binary;
    Architecture a = xnor_chip(Model::divider);
    a.weights.encoding = WeightEncoding::differential;
    try {
        map_network(binary.network, a);
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("array.transfer.model = divider"), std::string::npos);
    }
}

}  // namespace
}  // namespace bitline
