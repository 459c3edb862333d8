#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bitline {
namespace {

// ---------------------------------------------------------------------------------------------- Philox

TEST(Philox, GivesThePublishedVectors) {
    // kat_vectors of Random123, philox4x32 with 10 rounds.
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamKeyIsPhiloxOfSeedTrialAndPurpose) {
    const Counter words = philox({0x89abcdef, 0x01234567, 42, 3}, {0, 0});
    EXPECT_EQ(stream_key(0x0123456789abcdef, 42, Purpose::read_noise), (StreamKey{words[0], words[1]}));
}

TEST(Philox, EngineWalksAlongTheFirstCounterWord) {
    const StreamKey key{5, 6};
    PhiloxEngine engine(key, 7, 8, 9);
    for (uint32_t block = 0; block < 3; ++block) {
        for (const uint32_t word : philox({block, 7, 8, 9}, key)) EXPECT_EQ(engine(), word);
    }
}

TEST(Philox, UniformLiesStrictlyInside) {
    EXPECT_EQ(uniform(0), 0x1p-33);
    EXPECT_EQ(uniform(0xFFFFFFFF), 1 - 0x1p-33);
    EXPECT_EQ(uniform(0x7FFFFFFF) + uniform(0x80000000), 1.0);
}

// ---------------------------------------------------------------------------------------------- ARS

TEST(Ars, GivesThePublishedVectors) {
    // kat_vectors of Random123, ars4x32 with 10 rounds.
    EXPECT_EQ(ars({0, 0, 0, 0}, {0, 0, 0, 0}, 10), (Counter{0x8d73ee19, 0x506401ef, 0x13c2dbe4, 0x0cbe9c0d}));
    EXPECT_EQ(
        ars({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89}, 10),
        (Counter{0xa516e7d6, 0x8357ad74, 0x5b59b3ec, 0x8763fff3}));
    EXPECT_EQ(ars({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0, 0}, 10),
              (Counter{0xbb3743b1, 0x9f635551, 0xecbc87fc, 0xa19478a9}));
}

TEST(Ars, GivesTheseVectorsWithSevenRounds) {
    // By a separate implementation from FIPS 197 (its inverses by search in GF(2^8), its rounds on rows), which gives
    // the published vectors, too. Every chip's noise hangs on them.
    EXPECT_EQ(ars({0, 0, 0, 0}, {0, 0, 0, 0}, 7), (Counter{0xdacf61ff, 0xc45798f3, 0x113c7eeb, 0x101e27f3}));
    EXPECT_EQ(
        ars({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89}, 7),
        (Counter{0xd1df87af, 0xf67d43ba, 0x4f66afdb, 0x393dcb2d}));
    EXPECT_EQ(ars({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff, 0, 0}, 7),
              (Counter{0x5e39c131, 0xd1121a9c, 0xba0a9803, 0x9372482d}));
    EXPECT_EQ(ars({1, 2, 3, 4}, {5, 6, 0, 0}, 7), (Counter{0xcc69af7d, 0x68adc57f, 0x6697c02e, 0xd06d2e80}));
}

#if defined(__x86_64__)

/// ARS as its authors wrote it: with the processor's own rounds of AES.
__attribute__((target("aes,sse2"))) Counter ars_by_instructions(const Counter& counter, const Counter& key,
                                                                int rounds) {
    const __m128i weyl = _mm_set_epi64x(int64_t(0xBB67AE8584CAA73B), int64_t(0x9E3779B97F4A7C15));
    __m128i round_key = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.data()));
    __m128i state = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(counter.data())), round_key);
    for (int round = 1; round < rounds; ++round) {
        round_key = _mm_add_epi64(round_key, weyl);
        state = _mm_aesenc_si128(state, round_key);
    }
    state = _mm_aesenclast_si128(state, _mm_add_epi64(round_key, weyl));
    Counter out{};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.data()), state);
    return out;
}

TEST(Ars, IsWhatTheAesInstructionsGive) {
    if (!__builtin_cpu_supports("aes")) GTEST_SKIP() << "this processor has no AES instructions";
    const StreamKey stream = stream_key(9, 0, Purpose::test);
    for (uint32_t i = 0; i < 20000; ++i) {
        const Counter counter = philox({i, 0, 0, 0}, stream);
        Counter key = philox({i, 1, 0, 0}, stream);
        if (i % 2 == 0) key[2] = key[3] = 0;  // as for noise
        const int rounds = 1 + int(i % 10);
        ASSERT_EQ(ars(counter, key, rounds), ars_by_instructions(counter, key, rounds)) << i;
    }
}

#endif

// ---------------------------------------------------------------------------------------------- the normal quantile

/// P(Z > z).
double tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }
double density(double z) { return std::exp(-0.5 * z * z) / std::sqrt(2 * std::acos(-1.0)); }

/// Bits around every edge of the table's segments, and evenly over everything, in [0, 2^31).
std::vector<uint32_t> lower_half_bits() {
    std::vector<uint32_t> all;
    for (int octave = 0; octave < 31; ++octave) {
        for (int part = 0; part < 8; ++part) {
            const int64_t edge = (int64_t(1) << octave) * (8 + part) / 8;
            for (int64_t bits = std::max<int64_t>(0, edge - 300); bits < edge + 300; ++bits) {
                all.push_back(uint32_t(std::min<int64_t>(bits, 0x7FFFFFFF)));
            }
        }
    }
    for (uint32_t bits = 0; bits < 0x80000000; bits += 4099) all.push_back(bits);
    for (uint32_t bits = 0x7FFFFFFF; bits > 0x7FFFF000; --bits) all.push_back(bits);
    std::sort(all.begin(), all.end());
    return all;
}

TEST(Gaussian, IsTheQuantileWithinAMillionth) {
    for (const uint32_t bits : lower_half_bits()) {
        const double z = gaussian(bits), p = uniform(bits);
        // An error e of the quantile moves the probability by e * density, to first order.
        ASSERT_LE(std::abs(tail(-z) - p), 1e-6 * density(z) * (1 + 1e-5)) << bits;
    }
}

TEST(Gaussian, IsMonotone) {
    float last = -std::numeric_limits<float>::infinity();
    for (const uint32_t bits : lower_half_bits()) {
        const float z = gaussian(bits);
        ASSERT_GE(z, last) << bits;
        ASSERT_LE(z, 0) << bits;
        last = z;
    }
}

TEST(Gaussian, IsAntisymmetricAndBounded) {
    for (const uint32_t bits : lower_half_bits()) ASSERT_EQ(gaussian(~bits), -gaussian(bits)) << bits;
    EXPECT_NEAR(gaussian(0xFFFFFFFF), 6.338, 1e-3);  // the quantile of 1 - 2^-33
    EXPECT_LE(gaussian(0xFFFFFFFF), 6.4f);
}

TEST(Gaussian, GivesTheSameBitsOnEveryMachine) {
    uint32_t hash = 2166136261;  // FNV-1a over the bit patterns
    for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 65521) {
        const float z = gaussian(uint32_t(bits));
        uint32_t pattern = 0;
        std::copy_n(reinterpret_cast<const char*>(&z), sizeof z, reinterpret_cast<char*>(&pattern));
        hash = (hash ^ pattern) * 16777619;
    }
    EXPECT_EQ(hash, 3319105591u);
}

TEST(Gaussian, HasTheNormalLawsSharesOverAllBits) {
    for (double z = -5.5; z <= 5.5; z += 0.25) {
        // The smallest bits whose value reaches z, by bisection: the quantile is monotone.
        uint64_t low = 0, high = uint64_t(1) << 32;
        while (low < high) {
            const uint64_t middle = (low + high) / 2;
            if (gaussian(uint32_t(middle)) < float(z)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const double share = 1 - double(low) * 0x1p-32;
        EXPECT_NEAR(share, tail(z), 1e-6 * density(z) + 0x1p-32) << z;
    }
}

// ---------------------------------------------------------------------------------------------- streams of deviates

/// Sums over a long stream.
struct Statistics {
    double count = 0, power[4] = {};      // sums of z, z^2, z^3, z^4
    double above[6] = {}, below[6] = {};  // how many beyond 1, 2, .. 5 (entry k for k)
};

Statistics statistics_of(uint32_t counters) {
    constexpr uint32_t kChunk = 1 << 14;
    const StreamKey key = stream_key(2024, 0, Purpose::test);
    std::vector<float> z(4 * kChunk);
    Statistics all;
    for (uint32_t first = 0; first < counters; first += kChunk) {
        kernels::active().gaussians(key, first, 1, 2, 3, z.size(), z.data());
        for (const double value : z) {
            const double square = value * value;
            all.power[0] += value;
            all.power[1] += square;
            all.power[2] += square * value;
            all.power[3] += square * square;
            if (square < 1) continue;
            for (int k = 1; k <= 5 && std::abs(value) > k; ++k) ++(value > 0 ? all.above : all.below)[k];
        }
        all.count += double(z.size());
    }
    return all;
}

TEST(Gaussian, HasNormalMomentsAndTailsOverManyCounters) {
    const Statistics s = statistics_of(1 << 24);
    const double deviations = 4.5;  // of each estimate; one in 150000 streams would fail
    EXPECT_NEAR(s.power[0] / s.count, 0, deviations * std::sqrt(1 / s.count));
    EXPECT_NEAR(s.power[1] / s.count, 1, deviations * std::sqrt(2 / s.count));
    EXPECT_NEAR(s.power[2] / s.count, 0, deviations * std::sqrt(15 / s.count));
    EXPECT_NEAR(s.power[3] / s.count, 3, deviations * std::sqrt(96 / s.count));
    for (int k = 1; k <= 5; ++k) {
        const double expected = s.count * tail(k);
        EXPECT_NEAR(s.above[k], expected, deviations * std::sqrt(expected)) << k;
        EXPECT_NEAR(s.below[k], expected, deviations * std::sqrt(expected)) << k;
    }
}

constexpr int kPairs = 1 << 17;

/// `first(i)` and `second(i)` are the words of two streams that should know nothing of each other.
template <class First, class Second>
void expect_independent(const char* what, First first, Second second) {
    double product[4] = {};
    std::vector<double> top(256), bottom(256);
    for (int i = 0; i < kPairs; ++i) {
        const Counter a = first(uint32_t(i)), b = second(uint32_t(i));
        for (int lane = 0; lane < 4; ++lane) product[lane] += double(gaussian(a[lane])) * double(gaussian(b[lane]));
        ++top[(a[0] >> 28 << 4) | b[0] >> 28];
        ++bottom[(a[3] & 15) << 4 | (b[3] & 15)];
    }
    for (const double sum : product) EXPECT_NEAR(sum / kPairs, 0, 4.5 / std::sqrt(double(kPairs))) << what;
    // Pairs of four bits: chi-square with 255 degrees of freedom, deviation sqrt(2 * 255).
    for (const auto* counts : {&top, &bottom}) {
        const double expected = kPairs / 256.0;
        double chi_square = 0;
        for (const double count : *counts) chi_square += (count - expected) * (count - expected) / expected;
        EXPECT_NEAR(chi_square, 255, 4.5 * std::sqrt(2 * 255.0)) << what;
    }
}

TEST(Streams, AreIndependentAlongEveryCounterWord) {
    const StreamKey key = stream_key(7, 0, Purpose::test);
    for (int word = 0; word < 4; ++word) {
        for (const uint32_t lag : {1u, 2u, 16u, 1u << 20}) {
            const auto at = [&](uint32_t i) {
                Counter counter{11, 22, 33, 44};
                counter[word] += i;
                return philox(counter, key);
            };
            expect_independent("counter word", at, [&](uint32_t i) { return at(i + lag); });
        }
    }
}

TEST(Streams, LanesAreIndependent) {
    const StreamKey key = stream_key(8, 0, Purpose::test);
    const auto at = [&](uint32_t i) { return philox({i, 0, 0, 0}, key); };
    for (int shift = 1; shift < 4; ++shift) {
        expect_independent("lanes", at, [&](uint32_t i) {
            Counter words = at(i);
            std::rotate(words.begin(), words.begin() + shift, words.end());
            return words;
        });
    }
}

TEST(Streams, SeedsTrialsAndPurposesAreIndependent) {
    const auto stream = [](StreamKey key) { return [key](uint32_t i) { return philox({i, 0, 0, 0}, key); }; };
    const auto base = stream(stream_key(1, 0, Purpose::read_noise));
    expect_independent("seed", base, stream(stream_key(2, 0, Purpose::read_noise)));
    expect_independent("seed, high word", base, stream(stream_key(1 | uint64_t(1) << 32, 0, Purpose::read_noise)));
    expect_independent("trial", base, stream(stream_key(1, 1, Purpose::read_noise)));
    expect_independent("purpose", base, stream(stream_key(1, 0, Purpose::adc_offset)));
    // One number from each of many trials.
    const auto trial = [](uint32_t i) { return philox({0, 0, 0, 0}, stream_key(1, i, Purpose::programming_error)); };
    expect_independent("trials", trial, [&](uint32_t i) { return trial(i + 1); });
}

// ---------------------------------------------------------------------------------------------- exp and log

/// |value - exact| in units of the last place of the result.
double ulps(double value, long double exact) {
    const double magnitude = std::abs(double(exact));
    const double ulp = std::nextafter(magnitude, std::numeric_limits<double>::infinity()) - magnitude;
    return double(std::abs(value - exact) / ulp);
}

TEST(FixedMath, ExpStaysWithinTwoUnits) {
    for (int i = 0; i < 300000; ++i) {
        const double x = -745 + 1454.5 * (i + 0.37) / 300000;
        ASSERT_LT(ulps(fixed_exp(x), std::exp((long double)x)), 2) << x;
    }
    for (double x = 1e-300; x < 1; x *= 1.7) {
        ASSERT_LT(ulps(fixed_exp(x), std::exp((long double)x)), 2) << x;
        ASSERT_LT(ulps(fixed_exp(-x), std::exp(-(long double)x)), 2) << -x;
    }
}

TEST(FixedMath, LogStaysWithinTwoUnits) {
    for (double x = 1e-320; x < 1e308; x *= 1.003) ASSERT_LT(ulps(fixed_log(x), std::log((long double)x)), 2) << x;
    for (double x = 0.3; x < 3; x += 1.1e-5) ASSERT_LT(ulps(fixed_log(x), std::log((long double)x)), 2) << x;
    for (double d = 1e-16; d < 0.5; d *= 1.3) {
        ASSERT_LT(ulps(fixed_log(1 + d), std::log((long double)(1 + d))), 2) << d;
        ASSERT_LT(ulps(fixed_log(1 - d), std::log((long double)(1 - d))), 2) << d;
    }
}

TEST(FixedMath, TreatsTheEdges) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(fixed_exp(0), 1);
    EXPECT_EQ(fixed_exp(kInfinity), kInfinity);
    EXPECT_EQ(fixed_exp(-kInfinity), 0);
    EXPECT_EQ(fixed_exp(1000), kInfinity);
    EXPECT_EQ(fixed_exp(-1000), 0);
    EXPECT_TRUE(std::isfinite(fixed_exp(709.78)));
    EXPECT_EQ(fixed_exp(709.79), kInfinity);
    EXPECT_TRUE(std::isnan(fixed_exp(std::numeric_limits<double>::quiet_NaN())));
    EXPECT_EQ(fixed_log(1), 0);
    EXPECT_EQ(fixed_log(0), -kInfinity);
    EXPECT_EQ(fixed_log(kInfinity), kInfinity);
    EXPECT_TRUE(std::isnan(fixed_log(-1)));
    EXPECT_TRUE(std::isnan(fixed_log(std::numeric_limits<double>::quiet_NaN())));
}

}  // namespace
}  // namespace bitline
