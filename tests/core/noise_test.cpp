// The noise of the kernels: the exact law of a deviate, the root, and the whole stream as the kernels draw it.

#include "core/kernels/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BITLINE_SLOW_BUILD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BITLINE_SLOW_BUILD 1
#endif

namespace bitline::kernels {
namespace {

/// How much is drawn: less where each draw takes long. A pass over 10^7 needs vector code.
int effort() {
#if defined(BITLINE_SLOW_BUILD)
    return 1;
#else
    return std::string(active().name) == "scalar" ? 1 : 8;
#endif
}

/// P(Z > z) of the standard normal law.
double tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }

const double kSigma = std::sqrt(kNoiseVariance);

// ---------------------------------------------------------------------------------------------- the exact law

/// How many of the 2^32 words give each deviate, -kLargestDeviate first.
std::vector<uint64_t> count_words() {
    std::vector<uint64_t> counts = {1};
    for (int draw = 0; draw < 8; ++draw) {
        const int8_t* table = draw < 4 ? kNoiseLow : kNoiseHigh;
        const int largest = table[15];
        std::vector<uint64_t> next(counts.size() + 2 * size_t(largest));
        for (size_t at = 0; at < counts.size(); ++at) {
            for (int i = 0; i < 16; ++i) next[at + size_t(largest + table[i])] += counts[at];
        }
        counts = std::move(next);
    }
    return counts;
}

const std::vector<uint64_t>& word_counts() {
    static const std::vector<uint64_t> counts = count_words();
    return counts;
}

/// E(z^k) in units of sigma^k.
double exact_moment(int k) {
    long double sum = 0;
    for (int z = -kLargestDeviate; z <= kLargestDeviate; ++z) {
        sum += (long double)(word_counts()[size_t(z + kLargestDeviate)]) * std::pow((long double)(z) / kSigma, k);
    }
    return double(sum * 0x1p-32L);
}

/// P(deviate > z), where z may lie within an atom, whose probability is then spread evenly over z +- 1/2.
double exact_tail(double z) {
    uint64_t above = 0;
    const int atom = int(std::floor(z + 0.5));
    for (int value = kLargestDeviate; value > atom; --value) above += word_counts()[size_t(value + kLargestDeviate)];
    const double within = double(word_counts()[size_t(atom + kLargestDeviate)]) * (atom + 0.5 - z);
    return (double(above) + within) * 0x1p-32;
}

TEST(NoiseDeviate, AddsOneEntryOfEachTablePerByte) {
    for (int byte = 0; byte < 4; ++byte) {
        for (uint32_t value = 0; value < 256; ++value) {
            const int alone = kNoiseLow[value & 15] + kNoiseHigh[value >> 4];
            const int others = 3 * (kNoiseLow[0] + kNoiseHigh[0]);
            ASSERT_EQ(noise_deviate(value << (8 * byte)), alone + others) << byte << ' ' << value;
        }
    }
    EXPECT_EQ(noise_deviate(0), -kLargestDeviate);
    EXPECT_EQ(noise_deviate(0xFFFFFFFF), kLargestDeviate);
    // low: 15, 13, 11, 9; high: 14, 12, 10, 8
    EXPECT_EQ(noise_deviate(0x89ABCDEF), 127 + 59 + 50 + 21 + 16 + 11 + 9 + 2);
}

TEST(NoiseDeviate, IsTheTableThatResultsDependOn) {
    uint32_t hash = 2166136261;  // FNV-1a
    for (uint64_t word = 0; word < uint64_t(1) << 32; word += 65521) {
        hash = (hash ^ uint32_t(noise_deviate(uint32_t(word)))) * 16777619;
    }
    EXPECT_EQ(hash, 4058093549u);
}

TEST(NoiseDeviate, HasMeanZeroAndTheStatedVarianceExactly) {
    const auto& counts = word_counts();
    uint64_t words = 0;
    int64_t sum = 0, squares = 0;  // below 2^32 * 960^2 < 2^52
    for (int z = -kLargestDeviate; z <= kLargestDeviate; ++z) {
        const uint64_t count = counts[size_t(z + kLargestDeviate)];
        EXPECT_EQ(count, counts[size_t(kLargestDeviate - z)]) << z;
        words += count;
        sum += int64_t(count) * z;
        squares += int64_t(count) * z * z;
    }
    EXPECT_EQ(words, uint64_t(1) << 32);
    EXPECT_EQ(sum, 0);
    EXPECT_EQ(double(squares), kNoiseVariance * 0x1p32);
}

TEST(NoiseDeviate, HasNearlyNormalMoments) {
    // The normal law has 3, 15 and 105. The tables give 3.0016, 15.034 and 105.51; more is not asked of noise whose own
    // size is known to a few percent at best.
    EXPECT_NEAR(exact_moment(4), 3, 0.005);
    EXPECT_NEAR(exact_moment(6), 15, 0.005 * 15);
    EXPECT_NEAR(exact_moment(8), 105, 0.01 * 105);
}

TEST(NoiseDeviate, FollowsTheNormalDistributionFunction) {
    // Midway through each atom, where a distribution on whole numbers can meet a smooth one. Found: 5.4e-5, less than a
    // sample of 10^8 draws would notice.
    for (int z = -kLargestDeviate; z <= kLargestDeviate; ++z) EXPECT_NEAR(exact_tail(z), tail(z / kSigma), 1e-4) << z;
}

TEST(NoiseDeviate, HasNormalTails) {
    // Found: within 1.3 %. Beyond 5 sigma, 1 in 3.5 million draws, eight bounded summands must fall short of normal.
    for (const double z : {1.0, 2.0, 3.0, 4.0, 4.5, 5.0}) {
        EXPECT_NEAR(exact_tail(z * kSigma) / tail(z), 1, 0.03) << z;
        EXPECT_NEAR((1 - exact_tail(-z * kSigma)) / tail(z), 1, 0.03) << -z;
    }
    EXPECT_GT(kLargestDeviate, 6 * kSigma);
}

// ---------------------------------------------------------------------------------------------- the root

TEST(NoiseRoot, IsTheRootWithinFiveMillionths) {
    // Over all normal floats; a step of 1.00007 meets every part of the octaves, where the error of the guess varies.
    const double largest = std::numeric_limits<float>::max();
    for (double q = std::numeric_limits<float>::min(); q < largest; q *= 1.00007) {
        const auto given = float(q);
        const double root = std::sqrt(double(given));
        ASSERT_NEAR(noise_root(given) / root, 1, 5e-6) << given;
    }
    ASSERT_NEAR(noise_root(float(largest)) / std::sqrt(largest), 1, 5e-6);
    for (const float q : {0x1p-126f, 0.25f, 1.0f, 4.0f, 0x1p126f}) {
        EXPECT_NEAR(noise_root(q) / std::sqrt(q), 1, 5e-6) << q;
    }
}

TEST(NoiseRoot, OfNothingIsNothing) { EXPECT_EQ(noise_root(0.0f), 0.0f); }

TEST(NoiseRoot, NeverFallsByMoreThanItsError) {
    float largest = 0;
    for (float q = 1e-30f; q < 1e30f; q *= 1.0003f) {
        const float root = noise_root(q);
        ASSERT_GE(root, largest * (1 - 1e-5f)) << q;
        largest = std::max(largest, root);
    }
    EXPECT_LT(noise_root(1.0f), noise_root(1.0001f));
}

TEST(NoiseRoot, IsFiniteForEveryFiniteNumber) {
    const float normal = std::numeric_limits<float>::min();
    for (float q = std::numeric_limits<float>::denorm_min(); q < normal; q *= 1.5f) {
        ASSERT_TRUE(std::isfinite(noise_root(q))) << q;
        ASSERT_GE(noise_root(q), 0) << q;
        ASSERT_LE(noise_root(q), 1.00001f * std::sqrt(normal)) << q;
    }
    EXPECT_TRUE(std::isfinite(noise_root(std::numeric_limits<float>::max())));
}

TEST(NoiseRoot, GivesTheSameBitsOnEveryMachine) {
    uint32_t hash = 2166136261;  // FNV-1a over the bit patterns
    for (float q = 1e-36f; q < 1e36f; q *= 1.001f) {
        const float root = noise_root(q);
        uint32_t pattern = 0;
        std::copy_n(reinterpret_cast<const char*>(&root), sizeof root, reinterpret_cast<char*>(&pattern));
        hash = (hash ^ pattern) * 16777619;
    }
    EXPECT_EQ(hash, 494842939u);
}

// ---------------------------------------------------------------------------------------------- the stream

/// Where a call draws.
struct Place {
    uint64_t seed = 2026;
    uint32_t trial = 0, block = 0, sample = 0, position = 0;  // of the first vector
    int cycle = 0;
};

constexpr int kCycles = 2;

/// Deviates of two neighbouring cycles (vectors x kCycles x cols), drawn by the active kernel: a converter of step 1
/// reads a block of zeros, whose only noise is its own, with a root mean square of that of a deviate. The second cycle
/// counts 2^11 times, so that one sum holds both.
class Drawn {
 public:
    /// Vector v is (sample + v / positions, position + v % positions).
    Drawn(const Place& place, int cols, int vectors, int positions) : cols_(cols) {
        constexpr int64_t kSecond = 1 << 11;
        static_assert(2 * kLargestDeviate < kSecond);
        Block block;
        block.rows = 1;
        block.cols = cols;
        block.g.assign(size_t(cols), 0);
        block.one_bit_digits = true;
        active().pack(block);
        Converter converter;
        converter.inv_step.assign(size_t(cols), 1);
        converter.offset.assign(size_t(cols), 0);
        converter.deviation.assign(size_t(cols), kSigma);
        converter.lo = -kLargestNarrowCode;
        converter.hi = kLargestNarrowCode;
        Readout readout;
        readout.outputs = cols;
        readout.column_weight.assign(size_t(cols), 1);
        for (int col = 0; col < cols; ++col) readout.column_output.push_back(col);
        std::vector<uint32_t> sample, position;
        for (int v = 0; v < vectors; ++v) {
            sample.push_back(place.sample + uint32_t(v / positions));
            position.push_back(place.position + uint32_t(v % positions));
        }
        std::vector<int64_t> cycle_weight(size_t(place.cycle), 0);
        cycle_weight.insert(cycle_weight.end(), {1, kSecond});
        const std::vector<uint64_t> bits(size_t(vectors) * cycle_weight.size());
        Drive drive;
        drive.bits = bits.data();
        drive.vectors = vectors;
        drive.cycles = int(cycle_weight.size());
        drive.cycle_weight = cycle_weight.data();
        drive.sample = sample.data();
        drive.position = position.data();
        const Noise noise{stream_key(place.seed, place.trial, Purpose::read_noise), place.block};
        std::vector<int64_t> acc(size_t(vectors) * size_t(cols));
        EXPECT_EQ(active().convert(block, converter, readout, drive, &noise, acc.data()), 0);
        z_.resize(acc.size() * kCycles);
        for (size_t i = 0; i < acc.size(); ++i) {
            const int64_t second = (acc[i] + kSecond / 2 + kSecond * kSecond) / kSecond - kSecond;
            const size_t at = i / size_t(cols) * kCycles * size_t(cols) + i % size_t(cols);
            z_[at] = int16_t(acc[i] - second * kSecond);
            z_[at + size_t(cols)] = int16_t(second);
        }
    }

    const std::vector<int16_t>& all() const { return z_; }
    int at(int vector, int cycle, int col) const { return z_[size_t((vector * kCycles + cycle) * cols_ + col)]; }

 private:
    int cols_;
    std::vector<int16_t> z_;
};

TEST(NoiseStream, IsArsAtTheStatedCounters) {
    for (const int cols : {1, 3, 4, 5, 17, 127, 128}) {
        for (const int cycle : {0, 1, 6}) {
            const Place place{uint64_t(7) << 40 | 3, 5, 1234567, 0xFFFFFFF0, 91, cycle};
            const int vectors = 67, positions = 5;
            const Drawn drawn(place, cols, vectors, positions);
            const StreamKey key = stream_key(place.seed, place.trial, Purpose::read_noise);
            const uint32_t groups = uint32_t(cols + 3) / 4;
            for (int v = 0; v < vectors; ++v) {
                for (int c = 0; c < kCycles * cols; ++c) {
                    const uint32_t now = uint32_t(cycle + c / cols), col = uint32_t(c % cols);
                    const Counter words = ars({now * groups + col / 4, place.position + uint32_t(v % positions),
                                               place.sample + uint32_t(v / positions), place.block},
                                              {key.k0, key.k1, 0, 0}, 7);
                    ASSERT_EQ(drawn.at(v, c / cols, int(col)), noise_deviate(words[col % 4])) << cols << ' ' << v;
                }
            }
        }
    }
}

TEST(NoiseStream, NeverDrawsAGroupOfColumnsTwice) {
    // A counter that served two groups of columns or two cycles would repeat deviates. Three of them, so that a last
    // group of three columns counts; chance repeats any among 2000 groups with a probability of 1 %: a deviate agrees
    // in one of 2 sigma sqrt(pi) = 550 pairs.
    for (const int cols : {4, 7, 28, 123, 127}) {
        const int vectors = 160 / (cols / 4 + 1);
        std::set<std::array<int, 3>> seen;
        size_t groups = 0;
        for (int cycle = 0; cycle < 12; cycle += kCycles) {
            const Drawn drawn({11, 0, 0, 0, 0, cycle}, cols, vectors, 3);
            for (int v = 0; v < vectors; ++v) {
                for (int c = 0; c < kCycles; ++c) {
                    for (int col = 0; col + 3 <= cols; col += 4, ++groups) {
                        seen.insert({drawn.at(v, c, col), drawn.at(v, c, col + 1), drawn.at(v, c, col + 2)});
                    }
                }
            }
        }
        EXPECT_EQ(seen.size(), groups) << cols;
    }
}

/// Many draws: how often each deviate came, -kLargestDeviate first.
struct Histogram {
    std::vector<int64_t> counts = std::vector<int64_t>(2 * size_t(kLargestDeviate) + 1);
    double draws = 0;

    explicit Histogram(int calls) {
        for (int call = 0; call < calls; ++call) {
            const Place place{99, uint32_t(call % 3), uint32_t(call % 5), uint32_t(call * 100), 0, 0};
            const Drawn drawn(place, 128, 6400, 64);
            for (const int16_t z : drawn.all()) ++counts[size_t(z + kLargestDeviate)];
            draws += double(drawn.all().size());
        }
    }
    double moment(int k) const {
        double sum = 0;
        for (int z = -kLargestDeviate; z <= kLargestDeviate; ++z) {
            sum += double(counts[size_t(z + kLargestDeviate)]) * std::pow(z / kSigma, k);
        }
        return sum / draws;
    }
};

const Histogram& histogram() {
    static const Histogram many(effort());  // 1.6 million draws each
    return many;
}

TEST(NoiseStream, HasTheMomentsOfItsLaw) {
    ASSERT_GE(histogram().draws, effort() == 1 ? 1.6e6 : 1e7);
    for (int k = 1; k <= 6; ++k) {
        const double expected = exact_moment(k);
        const double error = std::sqrt((exact_moment(2 * k) - expected * expected) / histogram().draws);
        EXPECT_NEAR(histogram().moment(k), expected, 5 * error) << k;
    }
}

TEST(NoiseStream, HasTheTailsOfItsLaw) {
    for (const double sigmas : {0.5, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0}) {
        const int edge = int(sigmas * kSigma);
        double above = 0, below = 0;
        for (int z = edge + 1; z <= kLargestDeviate; ++z) {
            above += double(histogram().counts[size_t(kLargestDeviate + z)]);
            below += double(histogram().counts[size_t(kLargestDeviate - z)]);
        }
        const double share = exact_tail(edge + 0.5), expected = share * histogram().draws;
        const double error = std::sqrt(expected * (1 - share));
        EXPECT_NEAR(above, expected, 5 * error) << sigmas;
        EXPECT_NEAR(below, expected, 5 * error) << -sigmas;
    }
}

TEST(NoiseStream, DrawsEveryDeviateAsOftenAsItsLawSays) {
    double chi_square = 0, cells = 0, expected = 0, found = 0;
    for (size_t i = 0; i < histogram().counts.size(); ++i) {  // neighbours together until 25 or more are expected
        expected += double(word_counts()[i]) * 0x1p-32 * histogram().draws;
        found += double(histogram().counts[i]);
        if (expected < 25) continue;
        chi_square += (found - expected) * (found - expected) / expected;
        ++cells;
        expected = found = 0;
    }
    EXPECT_GT(cells, 1000);
    EXPECT_NEAR(chi_square, cells, 5 * std::sqrt(2 * cells));
}

/// What pairs of draws have in common.
class Pairs {
 public:
    void add(int a, int b) {
        const double x = a / kSigma, y = b / kSigma;
        ++count_;
        products_ += x * y;
        squares_ += (x * x - 1) * (y * y - 1);
        mixed_ += x * (y * y - 1);
        equal_ += a == b;
    }
    /// Of independent draws, every correlation has an error of 1 / sqrt(n).
    void expect_independent(const char* what) const {
        const double limit = 5 / std::sqrt(count_), spread = exact_moment(4) - 1;
        ASSERT_GT(count_, 1e5) << what;
        EXPECT_NEAR(products_ / count_, 0, limit) << what;
        EXPECT_NEAR(squares_ / count_ / spread, 0, limit) << what << ", squares";
        EXPECT_NEAR(mixed_ / count_ / std::sqrt(spread), 0, limit) << what << ", one of them squared";
        double share = 0;
        for (const uint64_t words : word_counts()) share += double(words) * double(words) * 0x1p-64;
        EXPECT_NEAR(equal_, count_ * share, 5 * std::sqrt(count_ * share)) << what << ", equal ones";
    }

 private:
    double count_ = 0, products_ = 0, squares_ = 0, mixed_ = 0, equal_ = 0;
};

constexpr int kPositions = 16, kCols = 128;
int vectors_drawn() { return 128 * effort() * kPositions; }

Pairs pairs(const Drawn& a, const Drawn& b) {
    Pairs pairs;
    for (size_t i = 0; i < a.all().size(); ++i) pairs.add(a.all()[i], b.all()[i]);
    return pairs;
}

TEST(NoiseStream, IsIndependentWithinOneDrive) {
    const int all = vectors_drawn();
    const Drawn drawn({5, 2, 3, 0, 0, 0}, kCols, all, kPositions);
    for (int first = 0; first < 4; ++first) {
        for (int second = first + 1; second < 4; ++second) {
            Pairs lanes;
            for (int v = 0; v < all; ++v) {
                for (int c = 0; c < kCycles; ++c) {
                    for (int col = 0; col < kCols; col += 4)
                        lanes.add(drawn.at(v, c, col + first), drawn.at(v, c, col + second));
                }
            }
            lanes.expect_independent("lanes");
        }
    }
    const auto apart = [&](const char* what, int vectors, int cycles, int cols) {
        Pairs pairs;
        for (int v = 0; v + vectors < all; ++v) {
            if (v % kPositions + vectors % kPositions >= kPositions) continue;
            for (int c = 0; c + cycles < kCycles; ++c) {
                for (int col = 0; col + cols < kCols; ++col) {
                    pairs.add(drawn.at(v, c, col), drawn.at(v + vectors, c + cycles, col + cols));
                }
            }
        }
        pairs.expect_independent(what);
    };
    apart("neighbouring columns", 0, 0, 1);
    apart("neighbouring groups of columns", 0, 0, 4);
    apart("groups of columns two apart", 0, 0, 8);
    apart("cycles", 0, 1, 0);
    apart("cycles and groups of columns", 0, 1, 4);
    apart("positions", 1, 0, 0);
    apart("positions and groups of columns", 1, 0, 4);
    apart("samples", kPositions, 0, 0);
    apart("samples and positions", kPositions + 1, 0, 0);
}

TEST(NoiseStream, IsIndependentFromDriveToDrive) {
    const Place place{5, 2, 3, 0, 0, 0};
    const Drawn base(place, kCols, vectors_drawn(), kPositions);
    const auto expect_apart = [&](const char* what, const Place& other) {
        pairs(base, Drawn(other, kCols, vectors_drawn(), kPositions)).expect_independent(what);
    };
    expect_apart("blocks", {5, 2, 4, 0, 0, 0});
    expect_apart("distant blocks", {5, 2, 3 + (1 << 16), 0, 0, 0});
    expect_apart("trials", {5, 3, 3, 0, 0, 0});
    expect_apart("seeds", {6, 2, 3, 0, 0, 0});
    expect_apart("seeds, high words", {5 | uint64_t(1) << 32, 2, 3, 0, 0, 0});
    expect_apart("distant samples", {5, 2, 3, 1 << 20, 0, 0});
    expect_apart("distant positions", {5, 2, 3, 0, 1 << 12, 0});
    expect_apart("cycles", {5, 2, 3, 0, 0, 2});
}

TEST(NoiseStream, HasIndependentBytesInNeighbouringWords) {
    // Chi-square over 65536 pairs of bytes: words of one block, and the first words of neighbouring counters.
    const StreamKey key = stream_key(2026, 0, Purpose::read_noise);
    const uint32_t blocks = uint32_t(effort()) << 15;
    std::vector<double> high(65536), low(65536), next(65536);
    uint32_t last = 0;
    for (uint32_t i = 0; i < blocks; ++i) {
        const Counter words = ars({i, 3, 14, 15}, {key.k0, key.k1, 0, 0}, kNoiseRounds);
        for (size_t lane = 0; lane < 3; ++lane) {
            ++high[words[lane] >> 24 << 8 | words[lane + 1] >> 24];
            ++low[(words[lane] & 255) << 8 | (words[lane + 1] & 255)];
        }
        if (i > 0) ++next[(last & 255) << 8 | (words[0] & 255)];
        last = words[0];
    }
    const auto expect_even = [](const char* what, const std::vector<double>& counts) {
        double sum = 0, chi_square = 0;
        for (const double count : counts) sum += count;
        const double expected = sum / 65536;
        for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
        // The variance of chi-square is 2 (cells - 1) (1 - 1 / draws), however few are expected per cell.
        EXPECT_NEAR(chi_square, 65535, 5 * std::sqrt(2 * 65535.0)) << what;
    };
    expect_even("high bytes of neighbouring words", high);
    expect_even("low bytes of neighbouring words", low);
    expect_even("low bytes of neighbouring counters", next);
}

}  // namespace
}  // namespace bitline::kernels
