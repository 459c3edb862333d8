// With perfect cells and a lossless ADC every encoding gives the integer reference to the bit: random networks, random
// architectures, awkward array sizes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>

#include "core/error.h"
#include "core/parallel.h"
#include "mapping/chip.h"
#include "mapping/mapping.h"
#include "support/random_network.h"

namespace bitline {
namespace {

using testing::RandomNetworkOptions;
using testing::RandomSource;

constexpr int64_t kSamples = 3;

std::vector<float> random_input(RandomSource& random, const Network& network) {
    const int64_t size = element_count(network.values[static_cast<size_t>(network.input)].shape);
    std::vector<float> input(static_cast<size_t>(kSamples * size));
    for (float& x : input) x = static_cast<float>(random.real(-3, 3));
    return input;
}

template <class T>
T pick(RandomSource& random, std::initializer_list<T> choices) {
    return *(choices.begin() + random.between(0, static_cast<int64_t>(choices.size()) - 1));
}

Architecture random_architecture(RandomSource& random, WeightEncoding encoding) {
    Architecture a;
    a.array.rows = pick(random, {1, 2, 7, 16, 64, 128, 4096});
    a.array.cols = pick(random, {1, 2, 13, 16, 64, 128, 4096});
    if (encoding == WeightEncoding::xnor && a.array.rows < 2) a.array.rows = 2;
    a.array.active_rows = random.chance(0.3) ? static_cast<int>(random.between(1, a.array.rows)) : 0;
    a.cell.bits = pick(random, {1, 2, 3, 4});
    if (encoding == WeightEncoding::multilevel) a.cell.bits = 10;
    // G_min 0, a usual on/off ratio, a ratio that is no whole fraction of a level, and a very large one.
    a.cell.g_min = pick(random, {0.0, 1e-6, 3.7e-6, 2e-9});
    a.input.bits_per_cycle = pick(random, {1, 1, 2, 3, 4, 8});
    a.input.signed_codes =
        pick(random, {InputOptions::SignedCodes::offset, InputOptions::SignedCodes::twos_complement});
    a.input.binary_codes = pick(random, {InputOptions::BinaryCodes::bipolar, InputOptions::BinaryCodes::zero_one});
    a.weights.encoding = encoding;
    a.weights.differential_split = pick(random, {WeightOptions::Split::one_sided, WeightOptions::Split::balanced});
    a.weights.short_slice = pick(random, {WeightOptions::ShortSlice::top, WeightOptions::ShortSlice::bottom});
    a.weights.subtraction = pick(random, {WeightOptions::Subtraction::analog, WeightOptions::Subtraction::digital});
    a.weights.offset_correction =
        pick(random, {WeightOptions::OffsetCorrection::digital, WeightOptions::OffsetCorrection::reference_column});
    a.weights.fallback = WeightEncoding::differential;
    a.bias.place = pick(random, {BiasOptions::Place::digital, BiasOptions::Place::rows});
    a.adc.bits = 0;
    a.pack_groups = random.chance(0.7);
    return a;
}

std::string describe(const Architecture& a) {
    return fmt::format(
        "{}x{} active {} cell.bits {} g_min {} d {} signed {} binary {} {} split {} short {} sub {} offset {} bias {} "
        "pack {}",
        a.array.rows, a.array.cols, a.array.active_rows, a.cell.bits, a.cell.g_min, a.input.bits_per_cycle,
        static_cast<int>(a.input.signed_codes), static_cast<int>(a.input.binary_codes), to_string(a.weights.encoding),
        static_cast<int>(a.weights.differential_split), static_cast<int>(a.weights.short_slice),
        static_cast<int>(a.weights.subtraction), static_cast<int>(a.weights.offset_correction),
        static_cast<int>(a.bias.place), a.pack_groups);
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b, const std::string& where) {
    ASSERT_EQ(a.size(), b.size()) << where;
    for (size_t i = 0; i < a.size(); ++i)
        ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]))
            << where << " output " << i << ": " << a[i] << " against " << b[i];
}

/// Row drivers that are said to be nonlinear, and are not: every value of a digit has a line of its own, the value 0
/// too where there is an offset.
void expect_exact_on_lines_of_values(const Network& network, Mapping mapping, const std::vector<float>& input,
                                     const std::vector<float>& expected, const std::string& where) {
    DacOptions& dac = mapping.architecture.input.dac;
    for (int v = 0; v < 1 << mapping.architecture.input.bits_per_cycle; ++v) dac.levels.push_back(v);
    for (const double offset : {0.0, 1e-15}) {
        dac.offset_sigma = offset;
        const Chip chip = program(mapping, static_ranges(mapping), 7, 3);
        for (size_t l = 0; l < mapping.layers.size(); ++l) {
            const bool several = offset > 0 || !mapping.layers[l].input.one_bit_digits();
            ASSERT_EQ(chip.layers[l].lines.copies() > 1, several) << where;
        }
        ChipEngine engine(network, mapping, chip);
        expect_same_bits(run(network, engine, input, kSamples, 0), expected, where + ", a line for each value");
    }
}

/// Every encoding, with what it cannot hold falling back to differential: xnor gets binary networks.
class Exactness : public ::testing::TestWithParam<WeightEncoding> {};

TEST_P(Exactness, IdealChipEqualsIntegerReference) {
    int mapped = 0;
    for (uint64_t seed = 1; seed <= 120; ++seed) {
        RandomSource random(seed * 1000 + static_cast<uint64_t>(GetParam()));
        RandomNetworkOptions options;
        options.only_bipolar = GetParam() == WeightEncoding::xnor && random.chance(0.8);
        const Network network = testing::random_network(seed, options);
        Architecture architecture = random_architecture(random, GetParam());
        const std::string where = fmt::format("seed {}: {}", seed, describe(architecture));
        Mapping mapping;
        try {
            mapping = map_network(network, architecture);
        } catch (const ConfigError&) {  // -1/+1 inputs with padding, which zero_one cannot drive
            ASSERT_EQ(architecture.input.binary_codes, InputOptions::BinaryCodes::zero_one) << where;
            architecture.input.binary_codes = InputOptions::BinaryCodes::bipolar;
            mapping = map_network(network, architecture);
        }
        mapped += static_cast<int>(mapping.layers.size());
        const std::vector<float> input = random_input(random, network);
        const auto exact = make_exact_engine(network);
        const std::vector<float> expected = run(network, *exact, input, kSamples, 0);
        expect_exact_on_lines_of_values(network, mapping, input, expected, where);

        const Chip ideal = program_ideal(mapping);
        ChipEngine engine(network, mapping, ideal);
        expect_same_bits(run(network, engine, input, kSamples, 0), expected, where);

        // The same through the path of imperfect chips, with every error of size zero.
        const Chip chip = program(mapping, static_ranges(mapping), 7, 3);
        ChipEngine programmed(network, mapping, chip);
        std::vector<LayerRecord> records(static_cast<size_t>(kSamples) * mapping.layers.size());
        programmed.compare_with(*exact, records, 0);
        expect_same_bits(run(network, programmed, input, kSamples, 0), expected, where);
        for (const LayerRecord& record : records) {
            ASSERT_EQ(record.error, 0) << where;
            ASSERT_EQ(record.clipped, 0) << where;
            ASSERT_GT(record.conversions, 0) << where;
        }
    }
    EXPECT_GT(mapped, 120);
}

INSTANTIATE_TEST_SUITE_P(Encodings, Exactness,
                         ::testing::Values(WeightEncoding::differential, WeightEncoding::offset,
                                           WeightEncoding::twos_complement, WeightEncoding::flipped,
                                           WeightEncoding::multilevel, WeightEncoding::xnor),
                         [](const auto& encoding) { return to_string(encoding.param); });

// ISAAC's 8-bit ADC resolves every sum of flipped columns (Shafiee et al., ISCA 2016, section IV).
TEST(Exactness, IsaacIsExactWithItsEightBitConverters) {
    const Architecture isaac = read_architecture("isaac");
    ASSERT_EQ(isaac.adc.bits, 8);
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        RandomSource random(seed);
        RandomNetworkOptions options;
        options.max_channels = 40;  // several row tiles
        const Network network = testing::random_network(seed, options);
        Architecture architecture = isaac;
        Mapping mapping;
        try {
            mapping = map_network(network, architecture);
        } catch (const ConfigError&) {  // -1/+1 inputs with padding
            continue;
        }
        for (const MappedLayer& layer : mapping.layers) ASSERT_LE(layer.lossless_bits, 8) << seed;
        const std::vector<float> input = random_input(random, network);
        const auto exact = make_exact_engine(network);
        const Chip chip = program(mapping, static_ranges(mapping), seed, 0);
        ChipEngine engine(network, mapping, chip);
        expect_same_bits(run(network, engine, input, kSamples, 0), run(network, *exact, input, kSamples, 0),
                         fmt::format("seed {}", seed));
    }
}

TEST(Exactness, ResultsDoNotDependOnBlocksOrThreads) {
    RandomSource random(5);
    for (uint64_t seed = 1; seed <= 12; ++seed) {
        const Network network = testing::random_network(seed, {});
        Architecture architecture = random_architecture(random, WeightEncoding::differential);
        architecture.input.binary_codes = InputOptions::BinaryCodes::bipolar;
        architecture.cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.05, {}, {}};
        architecture.cell.read_noise.sigma = 0.02;
        architecture.adc.bits = 6;
        const Mapping mapping = map_network(network, architecture);
        const std::vector<float> input = random_input(random, network);
        set_threads(1);
        const Chip one = program(mapping, static_ranges(mapping), 7, 0);
        ChipEngine engine(network, mapping, one);
        const std::vector<float> together = run(network, engine, input, kSamples, 10);
        set_threads(2);
        const Chip two = program(mapping, static_ranges(mapping), 7, 0);
        ChipEngine other(network, mapping, two);
        const size_t in = input.size() / kSamples, out = together.size() / kSamples;
        for (size_t s = 0; s < static_cast<size_t>(kSamples); ++s) {
            const auto alone =
                run(network, other, std::span(input).subspan(s * in, in), 1, 10 + static_cast<int64_t>(s));
            expect_same_bits(alone,
                             {together.begin() + static_cast<std::ptrdiff_t>(s * out),
                              together.begin() + static_cast<std::ptrdiff_t>((s + 1) * out)},
                             fmt::format("seed {}", seed));
        }
    }
    set_threads(0);
}

}  // namespace
}  // namespace bitline
