#include "mapping/compensation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

#include "core/error.h"
#include "core/parallel.h"
#include "mapping/simulate.h"
#include "support/listed_data.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using DriftGain = CompensationOptions::DriftGain;

constexpr int kIn = 96, kOut = 12, kSamples = 200;
constexpr double kHour = 3600, kYear = 31536000;

Network classifier() {
    testing::RandomSource random(5);
    std::vector<int32_t> weights(kIn * kOut);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-127, 127));
    return testing::fully_connected(kIn, kOut, weights);
}

testing::ListedData images(const Network& network) {
    testing::RandomSource random(9);
    std::vector<float> x(kSamples * kIn);
    for (float& v : x) v = static_cast<float>(random.chance(0.5) ? 0 : random.between(0, 255));
    const auto exact = make_exact_engine(network);
    const std::vector<float> y = run(network, *exact, x, kSamples, 0);
    std::vector<int32_t> labels;
    for (size_t s = 0; s < kSamples; ++s)
        labels.push_back(static_cast<int32_t>(top1(std::span(y).subspan(s * kOut, kOut))));
    return {{kIn}, x, labels};
}

/// Cells without any error but drift by (t / 1 s)^-nu.
Architecture drifting(double exponent, double deviation) {
    Architecture a = read_architecture("default");
    a.cell.g_min = 0;
    a.cell.programming_error.sigma = 0;
    a.cell.read_noise.sigma = 0;
    a.cell.drift.model = DriftOptions::Model::power;
    a.cell.drift.exponent.polynomial = {exponent};
    if (deviation > 0) a.cell.drift.deviation.polynomial = {deviation};
    a.adc.bits = 14;  // steps far below a level, so that small sums of old cells are still resolved
    a.adc.range = AdcOptions::Range::fixed;
    return a;
}

SimulationResult simulate_at(const Architecture& architecture, const std::vector<double>& ages, int trials = 1) {
    const Network network = classifier();
    const auto data = images(network);
    SimulateOptions options;
    options.ages = ages;
    options.trials = trials;
    options.ideal_chip = false;
    return simulate(network, map_network(network, architecture), data, {}, nullptr, nullptr, options);
}

/// Signal to noise of the only layer at one age.
double sqnr_at(const Architecture& architecture, double age) {
    return simulate_at(architecture, {age}).layers.at(0).sqnr_db.value_or(std::numeric_limits<double>::infinity());
}

Architecture with_gain(Architecture a, DriftGain gain) {
    a.compensation.drift_gain = gain;
    return a;
}

Architecture everything() {
    Architecture a = drifting(0.06, 0.03);
    a.cell.g_min = 1e-6;
    a.cell.programming_error.sigma = 0.02;
    a.cell.read_noise.sigma = 0.03;
    a.cell.read_noise.flicker.amplitude.polynomial = {0.01};
    a.adc.bits = 7;
    a.adc.range = AdcOptions::Range::calibrated;
    a.adc.gain_sigma = 0.02;
    a.adc.offset_sigma = 0.5;
    a.compensation.drift_gain = DriftGain::column;
    a.compensation.column_affine = true;
    a.compensation.adc_ranges = true;
    a.compensation.batch_norm = true;
    return a;
}

Chip make_chip(const Architecture& architecture, double age, uint32_t number = 0) {
    const Network network = classifier();
    const Mapping mapping = map_network(network, architecture);
    const auto data = images(network);
    const auto read = [&](int64_t first, int64_t count) {
        std::vector<float> x(static_cast<size_t>(count * kIn));
        data.read(first, count, x.data());
        return x;
    };
    return ChipMaker(network, mapping, read, 64, 3).make(number, {age, 300});
}

// ------------------------------------------------------------------------------------------------ ages

void expect_same(const ChipResult& a, const ChipResult& b) {
    ASSERT_EQ(a.trials.size(), b.trials.size());
    EXPECT_EQ(a.accuracy_mean, b.accuracy_mean);
    EXPECT_EQ(a.agreement, b.agreement);
    for (size_t l = 0; l < a.layers.size(); ++l) EXPECT_EQ(a.layers[l].sqnr_db, b.layers[l].sqnr_db);  // to the bit
}

TEST(Ages, EachAgeIsTheSameChipWhateverOthersAreAskedFor) {
    const Architecture a = with_gain(drifting(0.06, 0.03), DriftGain::column);
    const SimulationResult all = simulate_at(a, {0, 0.5, kHour, kYear}, 2);
    ASSERT_EQ(all.ages.size(), 4U);
    for (const AgeResult& age : all.ages) {
        ASSERT_TRUE(age.chip.has_value());
        const SimulationResult alone = simulate_at(a, {age.age}, 2);
        expect_same(*age.chip, alone);
        expect_same(*age.chip, *alone.ages[0].chip);
    }
    expect_same(*all.ages[0].chip, *all.ages[1].chip);  // before t0 nothing has drifted
    EXPECT_LT(*all.ages[3].chip->layers[0].sqnr_db, *all.ages[2].chip->layers[0].sqnr_db);
}

TEST(Ages, FreshIsThePlainRun) {
    const Architecture a = with_gain(drifting(0.06, 0.03), DriftGain::none);
    expect_same(simulate_at(a, {0}, 2), *simulate_at(a, {0, kHour}, 2).ages[0].chip);
    EXPECT_FALSE(SimulateOptions{}.ages_given());
}

TEST(Ages, OutsideOfTheModelIsSaid) {
    Architecture a = drifting(0.06, 0);
    a.cell.valid.time = {1, 1e5};
    const SimulationResult r = simulate_at(a, {0.5, kHour, kYear});
    EXPECT_FALSE(r.ages[0].chip.has_value());
    EXPECT_TRUE(r.ages[1].chip.has_value());
    EXPECT_FALSE(r.ages[2].chip.has_value());
    EXPECT_NE(r.ages[2].outside.find("100000"), std::string::npos) << r.ages[2].outside;
    expect_same(r, *r.ages[1].chip);
    EXPECT_THROW(simulate_at(a, {kYear}), ConfigError);
    a.cell.valid.temperature = {310, 350};
    EXPECT_THROW(simulate_at(a, {kHour}), ConfigError);
}

TEST(Ages, AbsurdOnesAreRefused) {
    for (const std::vector<double>& ages : std::vector<std::vector<double>>{
             {}, {-1}, {std::nan("")}, {1e13}, {1, 1}, {2, 1}, {std::numeric_limits<double>::infinity()}}) {
        SimulateOptions options;
        options.ages = ages;
        EXPECT_THROW(validate(options), ConfigError);
    }
    for (const double temperature : {0.0, -5.0, 3000.0, std::nan("")}) {
        SimulateOptions options;
        options.temperature = temperature;
        EXPECT_THROW(validate(options), ConfigError);
    }
}

TEST(Ages, ProgressCountsEveryPass) {
    const Network network = classifier();
    const auto data = images(network);
    SimulateOptions options;
    options.ages = {0, kHour, kYear};
    options.trials = 2;
    std::vector<std::string> stages;
    int64_t last = 0;
    simulate(network, map_network(network, drifting(0.05, 0)), data, {}, nullptr, nullptr, options,
             [&](const Progress& p) {
                 if (stages.empty() || stages.back() != p.stage) stages.push_back(p.stage);
                 EXPECT_EQ(p.total, kSamples * 7);
                 last = p.done;
             });
    EXPECT_EQ(stages.back(), "trial 2/2, age 3/3");
    EXPECT_GT(last, kSamples * 5);
}

// ------------------------------------------------------------------------------------------------ drift gain

TEST(DriftGain, OfEqualExponentsIsThePowerLaw) {
    const double fall = std::pow(kYear, -0.06);
    const Architecture none = drifting(0.06, 0);
    EXPECT_LT(sqnr_at(none, kYear), 20 * std::log10(1 / (1 - fall)) + 0.5);
    for (const DriftGain gain : {DriftGain::chip, DriftGain::layer}) {
        const Chip chip = make_chip(with_gain(none, gain), kYear);
        EXPECT_NEAR(chip.layers[0].correction.gain * fall, 1, 0.01) << "gain " << chip.layers[0].correction.gain;
        EXPECT_EQ(chip.layers[0].correction.gain_bits, 0);
    }
    const Chip columns = make_chip(with_gain(none, DriftGain::column), kYear);
    EXPECT_GT(columns.layers[0].correction.gain_bits, 0);
    EXPECT_EQ(columns.layers[0].correction.gain, 1);
    for (const DriftGain gain : {DriftGain::chip, DriftGain::layer, DriftGain::column}) {
        EXPECT_GT(sqnr_at(with_gain(none, gain), kYear), 28);
        EXPECT_GT(simulate_at(with_gain(none, gain), {kYear}).accuracy_mean, 0.95);
    }
}

TEST(DriftGain, OfTheFreshNoiselessChipIsOne) {
    for (const DriftGain gain : {DriftGain::chip, DriftGain::layer, DriftGain::column}) {
        const Architecture a = drifting(0.06, 0.02);
        expect_same(simulate_at(with_gain(a, gain), {0}), simulate_at(a, {0}));
    }
}

/// Cells of high levels drift less.
Architecture state_dependent() {
    Architecture a = drifting(0, 0);
    a.cell.drift.exponent.polynomial = {0.1, -0.09};
    a.cell.bits = 4;
    return a;
}

TEST(DriftGain, FinerIsBetterWhereColumnsDriftApart) {
    Architecture a = drifting(0.06, 0.01);
    a.array.rows = 2;  // few cells to a column: their mean exponents differ
    const double none = sqnr_at(a, kYear), layer = sqnr_at(with_gain(a, DriftGain::layer), kYear),
                 column = sqnr_at(with_gain(a, DriftGain::column), kYear);
    EXPECT_GT(layer, none + 1);
    EXPECT_GT(column, layer + 1);
    const Architecture s = state_dependent();
    EXPECT_GT(sqnr_at(with_gain(s, DriftGain::layer), kYear), sqnr_at(s, kYear) + 3);
}

TEST(DriftGain, IsMeasuredWithNoise) {
    Architecture a = with_gain(drifting(0.06, 0), DriftGain::layer);
    a.cell.read_noise.sigma = 0.05;
    const double first = make_chip(a, kHour, 0).layers[0].correction.gain;
    EXPECT_NE(first, make_chip(a, kHour, 1).layers[0].correction.gain);  // other reads
    EXPECT_EQ(first, make_chip(a, kHour, 0).layers[0].correction.gain);
    EXPECT_NEAR(first * std::pow(kHour, -0.06), 1, 0.02);
}

// ------------------------------------------------------------------------------------------------ columns

TEST(ColumnAffine, UndoesTheSpreadOfConverters) {
    Architecture a = drifting(0, 0);
    a.adc.gain_sigma = 0.05;
    a.adc.offset_sigma = 4;
    a.adc.columns_per_converter = 1;
    const double spread = sqnr_at(a, 0);
    a.compensation.column_affine = true;
    EXPECT_GT(sqnr_at(a, 0), spread + 12);
}

TEST(ColumnAffine, AddsNothingToConvertersWithoutOffsets) {
    Architecture a = drifting(0.06, 0.03);
    a.cell.programming_error.sigma = 0.03;
    a.adc.bits = 6;
    a.compensation.column_affine = true;
    const Chip chip = make_chip(a, kYear);
    ASSERT_EQ(chip.layers[0].correction.offset.size(), size_t{kOut});
    for (const double offset : chip.layers[0].correction.offset) EXPECT_EQ(offset, 0);
}

TEST(ColumnAffine, UndoesDriftAloneAndWithAGain) {
    for (const DriftGain gain : {DriftGain::none, DriftGain::chip, DriftGain::layer, DriftGain::column}) {
        Architecture a = with_gain(drifting(0.06, 0), gain);
        a.compensation.column_affine = true;
        EXPECT_GT(sqnr_at(a, kYear), 28);
    }
}

TEST(Compensation, LeavesAPerfectChipExact) {
    for (const WeightEncoding encoding : {WeightEncoding::differential, WeightEncoding::offset,
                                          WeightEncoding::twos_complement, WeightEncoding::flipped}) {
        for (const bool reference : {false, true}) {
            Architecture a = read_architecture("ideal");
            a.cell.g_min = 1e-6;
            a.weights.encoding = encoding;
            if (reference && encoding != WeightEncoding::offset) continue;
            if (reference) a.weights.offset_correction = WeightOptions::OffsetCorrection::reference_column;
            a.compensation.drift_gain = DriftGain::column;
            a.compensation.column_affine = true;
            a.compensation.batch_norm = true;
            const SimulationResult r = simulate_at(a, {0});
            EXPECT_EQ(r.agreement, 1);
            EXPECT_FALSE(r.layers[0].sqnr_db.has_value()) << *r.layers[0].sqnr_db;
        }
    }
}

// ------------------------------------------------------------------------------------------------ thresholds

Architecture with_lloyd_max(Architecture a, int bits) {
    a.adc.bits = bits;
    a.adc.range = AdcOptions::Range::calibrated;
    a.adc.thresholds = AdcOptions::Thresholds::lloyd_max;
    return a;
}

/// Thresholds of a converter that starts `offset` LSB late and whose steps are `gain` LSB wide.
Architecture with_table(Architecture a, int bits, double gain, double offset) {
    a.adc.bits = bits;
    a.adc.range = AdcOptions::Range::calibrated;
    a.adc.thresholds = AdcOptions::Thresholds::table;
    const int codes = 1 << bits;
    const double middle = codes / 2;  // the lowest code is -codes / 2
    for (int k = 1; k < codes; ++k) a.adc.table.push_back(middle + (k - middle - 0.5) * gain + offset);
    return a;
}

TEST(Thresholds, DriftGainIsThePowerLawThere) {
    const double fall = std::pow(kYear, -0.06);
    const Architecture drifted = drifting(0.06, 0);
    for (const Architecture& a : {with_lloyd_max(drifted, 8), with_table(drifted, 8, 1, 0)}) {
        const double none = sqnr_at(a, kYear);
        for (const DriftGain gain : {DriftGain::chip, DriftGain::layer, DriftGain::column}) {
            const Chip chip = make_chip(with_gain(a, gain), kYear);
            // Fitted values are dense where nominal sums are, which aged ones are not: the measured gain errs by more
            // than one of equal steps does.
            EXPECT_NEAR(chip.layers[0].compensation.drift_gain.mean() * fall, 1, 0.06);
            EXPECT_GT(sqnr_at(with_gain(a, gain), kYear), none + 8);
            expect_same(simulate_at(with_gain(a, gain), {0}), simulate_at(a, {0}));
        }
    }
}

TEST(Thresholds, ColumnAffineTakesTheValueOfNoCurrentForWhatItIs) {
    // A fitted value of the cell around 0 is not 0, and no offset either.
    for (const int bits : {3, 4, 6}) {
        Architecture a = with_lloyd_max(drifting(0, 0), bits);
        const double plain = sqnr_at(a, 0);
        a.compensation.column_affine = true;
        const Chip chip = make_chip(a, 0);
        for (const double offset : chip.layers[0].correction.offset) EXPECT_EQ(offset, 0) << bits << " bits";
        EXPECT_GT(sqnr_at(a, 0), plain - 1.5) << bits << " bits";
    }
}

TEST(Thresholds, ColumnAffineUndoesTheSpreadOfConverters) {
    Architecture a = with_lloyd_max(drifting(0, 0), 9);
    a.adc.gain_sigma = 0.05;
    a.adc.offset_sigma = 4;
    a.adc.columns_per_converter = 1;
    const double spread = sqnr_at(a, 0);
    a.compensation.column_affine = true;
    EXPECT_GT(sqnr_at(a, 0), spread + 6);
}

TEST(Thresholds, ColumnAffineUndoesATableOfAnotherGainAndOffset) {
    Architecture a = with_table(drifting(0, 0), 9, 1.1, 3);
    const double bent = sqnr_at(a, 0);
    a.compensation.column_affine = true;
    const Chip chip = make_chip(a, 0);
    EXPECT_NEAR(chip.layers[0].compensation.column_gain.mean(), 1.1, 0.02);
    EXPECT_GT(sqnr_at(a, 0), bent + 10);
}

TEST(Thresholds, FittedRangesFollowTheAgedSums) {
    Architecture a = with_gain(with_lloyd_max(drifting(0.1, 0), 5), DriftGain::layer);
    const double nominal = sqnr_at(a, kYear);
    a.compensation.adc_ranges = true;
    EXPECT_GT(sqnr_at(a, kYear), nominal + 3);
}

TEST(Thresholds, EveryCompensationRunsAndNoCodeIsLeftOut) {
    for (const Architecture& start : {with_lloyd_max(everything(), 4), with_table(everything(), 4, 0.9, 0.3)}) {
        for (int mask = 0; mask < 8; ++mask) {
            Architecture a = start;
            a.adc.type = AdcOptions::Type::flash;
            a.adc.comparator_sigma = 0.2;
            a.compensation.column_affine = mask & 1;
            a.compensation.adc_ranges = mask & 2;
            a.compensation.batch_norm = mask & 4;
            for (const DriftGain gain : {DriftGain::none, DriftGain::layer, DriftGain::column})
                EXPECT_GT(*simulate_at(with_gain(a, gain), {kHour}).layers[0].sqnr_db, -3);
        }
    }
}

// ------------------------------------------------------------------------------------------------ ranges

TEST(AdcRanges, FollowTheAgedSums) {
    Architecture a = with_gain(drifting(0.1, 0), DriftGain::layer);
    a.adc.bits = 5;
    a.adc.range = AdcOptions::Range::calibrated;
    const double nominal = sqnr_at(a, kYear);
    const double step = simulate_at(a, {kYear}).layers[0].adc.step;
    a.compensation.adc_ranges = true;
    const SimulationResult aged = simulate_at(a, {0, kYear});
    EXPECT_NEAR(aged.ages[1].chip->layers[0].adc.step / step, std::pow(kYear, -0.1), 0.06);
    EXPECT_NEAR(aged.ages[0].chip->layers[0].adc.step, step, 1e-12);
    EXPECT_GT(*aged.ages[1].chip->layers[0].sqnr_db, nominal + 3);
}

// ------------------------------------------------------------------------------------------------ batch norm

TEST(BatchNorm, EveryLayerHasTheMeanAndDeviationOfTheSoftware) {
    testing::RandomNetworkOptions options;
    options.max_layers = 4;
    for (uint64_t seed = 1; seed <= 6; ++seed) {
        const Network network = testing::random_network(seed, options);
        Architecture a = drifting(0.06, 0.05);
        a.compensation.batch_norm = true;
        const Mapping mapping = map_network(network, a);
        const auto read = [&](int64_t first, int64_t count) {
            EXPECT_EQ(first, 0);
            return testing::random_input(network, count, 4);
        };
        Chip chip = ChipMaker(network, mapping, read, 24, 1).make(0, {kYear, 300});
        const std::vector<ChannelStatistics> wanted = software_statistics(network, mapping, read, 24);
        // Corrections of the same samples are then the identity: a second measurement finds what was wanted.
        const std::vector<Correction> first = [&] {
            std::vector<Correction> all;
            for (ChipLayer& layer : chip.layers) all.push_back(layer.correction);
            return all;
        }();
        Chip again = chip;
        for (ChipLayer& layer : again.layers) layer.correction.scale = layer.correction.shift = {};
        match_statistics(network, mapping, wanted, read, 24, again);
        for (size_t l = 0; l < chip.layers.size(); ++l) {
            EXPECT_EQ(again.layers[l].correction.scale, first[l].scale);
            EXPECT_EQ(again.layers[l].correction.shift, first[l].shift);
            EXPECT_EQ(first[l].scale.size(), wanted[l].mean.size());
        }
    }
}

TEST(BatchNorm, MatchesTheMomentsOfALayer) {
    const Network network = classifier();
    Architecture a = drifting(0.06, 0.05);
    a.compensation.batch_norm = true;
    const Mapping mapping = map_network(network, a);
    const auto data = images(network);
    const auto read = [&](int64_t first, int64_t count) {
        std::vector<float> x(static_cast<size_t>(count * kIn));
        data.read(first, count, x.data());
        return x;
    };
    const Chip chip = ChipMaker(network, mapping, read, kSamples, 1).make(0, {kYear, 300});
    ChipEngine engine(network, mapping, chip);
    const auto exact = make_exact_engine(network);
    const std::vector<float> x = read(0, kSamples);
    const std::vector<float> on_chip = run(network, engine, x, kSamples, 0),
                             wanted = run(network, *exact, x, kSamples, 0);
    for (size_t c = 0; c < kOut; ++c) {
        double mean[2] = {}, square[2] = {};
        for (size_t s = 0; s < kSamples; ++s) {
            const double of_chip = static_cast<double>(on_chip[s * kOut + c]),
                         of_exact = static_cast<double>(wanted[s * kOut + c]);
            mean[0] += of_chip / kSamples;
            mean[1] += of_exact / kSamples;
            square[0] += of_chip * of_chip / kSamples;
            square[1] += of_exact * of_exact / kSamples;
        }
        const double deviation[2] = {std::sqrt(square[0] - mean[0] * mean[0]),
                                     std::sqrt(square[1] - mean[1] * mean[1])};
        EXPECT_NEAR(mean[0], mean[1], 1e-5 * deviation[1]);
        EXPECT_NEAR(deviation[0], deviation[1], 1e-5 * deviation[1]);
    }
    Architecture even = drifting(0.06, 0);
    const double plain = sqnr_at(even, kYear);
    even.compensation.batch_norm = true;
    EXPECT_GT(sqnr_at(even, kYear), plain + 15);
}

TEST(BatchNorm, NeedsTwoSamples) {
    const Network network = classifier();
    Architecture a = drifting(0.06, 0);
    a.compensation.batch_norm = true;
    const auto data = images(network);
    SimulateOptions options;
    options.calibration_samples = 1;
    EXPECT_THROW(simulate(network, map_network(network, a), data, {}, nullptr, nullptr, options), ConfigError);
}

// ------------------------------------------------------------------------------------------------ all of them

TEST(Compensation, SameBitsForAnyNumberOfThreads) {
    set_threads(1);
    const SimulationResult one = simulate_at(everything(), {0, kYear}, 2);
    set_threads(2);
    const SimulationResult two = simulate_at(everything(), {0, kYear}, 2);
    set_threads(0);
    for (size_t i = 0; i < 2; ++i) expect_same(*one.ages[i].chip, *two.ages[i].chip);
}

TEST(Compensation, WhatWasMeasuredIsReported) {
    const auto report = [](const Architecture& a, int trials) {
        return simulate_at(a, {kYear}, trials).layers[0].compensation;
    };
    const auto expect_none = [](const Summary& summary) { EXPECT_EQ(summary.count, 0); };
    const Architecture none = drifting(0.06, 0.03);
    const CompensationReport silent = report(none, 1);
    for (const Summary& summary :
         {silent.drift_gain, silent.column_gain, silent.offset, silent.channel_scale, silent.channel_shift})
        expect_none(summary);
    const CompensationReport layer = report(with_gain(none, DriftGain::layer), 3);
    EXPECT_EQ(layer.drift_gain.count, 3);
    double sum = 0, least = 1e9, most = 0;
    for (uint32_t trial = 0; trial < 3; ++trial) {
        const Network network = classifier();
        const Mapping mapping = map_network(network, with_gain(none, DriftGain::layer));
        const double gain = ChipMaker(network, mapping, {}, 0, 0).make(trial, {kYear, 300}).layers[0].correction.gain;
        sum += gain;
        least = std::min(least, gain);
        most = std::max(most, gain);
    }
    EXPECT_EQ(layer.drift_gain.sum, sum);
    EXPECT_EQ(layer.drift_gain.least, least);
    EXPECT_EQ(layer.drift_gain.most, most);
    expect_none(layer.column_gain);

    const Chip chip = make_chip(with_gain(none, DriftGain::column), kYear);
    const Summary columns = chip.layers[0].compensation.drift_gain;
    const ChipArray& array = chip.layers[0].arrays.at(0);
    ASSERT_EQ(chip.layers[0].arrays.size(), 1U);
    EXPECT_EQ(columns.count, static_cast<int64_t>(array.readout.column_weight.size()));
    EXPECT_LT(columns.least, columns.mean());
    EXPECT_GT(columns.most, columns.mean());

    const CompensationReport all = report(everything(), 2);
    EXPECT_EQ(all.offset.count, 2 * kOut);
    EXPECT_EQ(all.channel_scale.count, 2 * kOut);
    EXPECT_EQ(all.channel_shift.count, 2 * kOut);
    EXPECT_EQ(all.column_gain.count, all.drift_gain.count);
    EXPECT_NEAR(all.column_gain.mean(), 1, 0.3);
}

TEST(Compensation, EveryEncodingAndEveryCombinationRuns) {
    int runs = 0;
    for (const WeightEncoding encoding : {WeightEncoding::differential, WeightEncoding::offset,
                                          WeightEncoding::twos_complement, WeightEncoding::flipped}) {
        for (int mask = 0; mask < 8; ++mask) {
            Architecture a = everything();
            a.weights.encoding = encoding;
            a.compensation.column_affine = mask & 1;
            a.compensation.adc_ranges = mask & 2;
            a.compensation.batch_norm = mask & 4;
            for (const DriftGain gain : {DriftGain::none, DriftGain::chip, DriftGain::layer, DriftGain::column}) {
                const SimulationResult r = simulate_at(with_gain(a, gain), {kHour});
                EXPECT_TRUE(std::isfinite(*r.layers[0].sqnr_db));
                ++runs;
            }
        }
    }
    EXPECT_EQ(runs, 128);
}

TEST(Compensation, KeysOfNoEffectAreRefused) {
    const auto refuses = [](const std::string& yaml, const std::string& part) {
        try {
            parse_architecture("base: default\n" + yaml, "chip.yaml");
            ADD_FAILURE() << "accepted " << yaml;
        } catch (const ConfigError& error) {
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
    };
    refuses("compensation:\n  adc_ranges: true\nadc:\n  range: lossless\n  bits: lossless\n", "adc.range = calibrated");
    refuses("compensation:\n  reference_vectors: 16\n", "compensation.drift_gain");
    refuses("compensation:\n  drift_gain: layer\n  reference_vectors: 1\n", "8 <= compensation.reference_vectors");
    refuses("compensation:\n  drift_gain: global\n", "none, chip, layer, column");
    refuses("compensation:\n  drift_gain: layer\nadc:\n  bits: 1\n  sense_amplifier: true\n", "sign only");
    refuses("compensation:\n  drift_gain: layer\nadc:\n  bits: 1\n", "two ends");
    refuses("compensation:\n  column_affine: true\nadc:\n  bits: 1\n  thresholds: lloyd_max\n", "two ends");
}

}  // namespace
}  // namespace bitline
