// The loops over a row against their definitions, and those for wider vectors against the plain ones, to the bit.

#include "devices/row_loops.h"

#include <gtest/gtest.h>

#include <bit>
#include <boost/random/uniform_real_distribution.hpp>
#include <cmath>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/random.h"

namespace bitline {
namespace {

/// A row around its physical limits, and what acts on it.
struct Row {
    std::vector<double> values, exponent;
    std::vector<uint16_t> levels;
    std::vector<float> xi;
    size_t size() const { return values.size(); }
};

constexpr double kTop = 1500;
const std::vector<double> kTable = {-3, 0, 10.5, 300, 1e-300};

Row random_row(size_t n, uint32_t number) {
    PhiloxEngine engine(stream_key(number, 0, Purpose::test), 0, 0, 0);
    const auto real = [&](double lo, double hi) {
        return boost::random::uniform_real_distribution<double>(lo, hi)(engine);
    };
    const std::vector<double> edges = {-0.5, std::nextafter(-0.5, -1), -0.0, 0, kTop, kTop + 0.5, 1e300, -1e300};
    Row row;
    for (size_t i = 0; i < n; ++i) {
        row.values.push_back(i % 5 == 4 ? edges[engine() % edges.size()] : real(-100, kTop + 100));
        row.exponent.push_back(i % 7 == 6 ? real(-1e6, 1e6) : real(-0.2, 0.2));
        row.levels.push_back(static_cast<uint16_t>(engine() % kTable.size()));
        row.xi.push_back(gaussian(engine()));
    }
    return row;
}

struct Outcome {
    std::vector<double> looked_up, deviated, clipped, fallen;
    std::vector<float> variance;
    std::vector<int32_t> rounded;
    int64_t count = 0;
};

Outcome run(const RowLoops& loops, const Row& row) {
    const size_t n = row.size();
    Outcome out;
    out.looked_up.resize(n);
    loops.look_up(kTable.data(), row.levels.data(), n, out.looked_up.data());
    out.deviated = row.values;
    loops.add_deviations(kTable.data(), row.levels.data(), row.xi.data(), n, out.deviated.data());
    out.clipped = row.values;
    out.count = loops.clip(kTop, n, out.clipped.data());
    out.fallen = out.clipped;
    loops.fall_by_power(row.exponent.data(), 8.37, n, out.fallen.data());
    out.variance.resize(n);
    loops.find_variances(out.clipped.data(), 2.5e-5, 0.3, n, out.variance.data());
    out.rounded.resize(n);
    loops.round(out.clipped.data(), n, out.rounded.data());
    return out;
}

/// As bits: -0 is not 0, and what is no number equals itself.
template <class To, class From>
std::vector<To> bits_of(const std::vector<From>& values) {
    std::vector<To> bits;
    for (const From value : values) bits.push_back(std::bit_cast<To>(value));
    return bits;
}

std::vector<const RowLoops*> available_loops() {
    std::vector<const RowLoops*> loops = {&kPlainRowLoops};
#if defined(__x86_64__)
    const kernels::Kernel* avx2 = kernels::find("avx2");
    if (avx2 && avx2->available()) loops.push_back(&kAvx2RowLoops);
#endif
    return loops;
}

TEST(RowLoops, DoWhatTheirDefinitionsSay) {
    const Row row = random_row(200, 1);
    for (const RowLoops* loops : available_loops()) {
        const Outcome out = run(*loops, row);
        int64_t count = 0;
        for (size_t i = 0; i < row.size(); ++i) {
            const double value = row.values[i], of_level = kTable[row.levels[i]];
            EXPECT_EQ(out.looked_up[i], of_level);
            EXPECT_EQ(out.deviated[i], value + of_level * static_cast<double>(row.xi[i]));
            const double clipped = std::min(std::max(value, 0.0), kTop);
            EXPECT_EQ(out.clipped[i], clipped);
            count += value < -0.5 || value >= kTop + 0.5;
            const double power = std::min(std::max(-row.exponent[i] * 8.37, -700.0), 700.0);
            EXPECT_EQ(out.fallen[i], clipped * fixed_exp(power));
            EXPECT_EQ(out.variance[i], static_cast<float>(2.5e-5 * clipped * clipped + 0.3 * clipped));
            EXPECT_EQ(out.rounded[i], static_cast<int32_t>(std::floor(clipped + 0.5)));
        }
        EXPECT_EQ(out.count, count);
        EXPECT_GT(count, 10);
    }
}

TEST(RowLoops, GiveTheSameBitsInEveryVectorAndItsRest) {
    for (size_t n = 0; n < 70; ++n) {
        const Row row = random_row(n, static_cast<uint32_t>(n));
        const Outcome plain = run(kPlainRowLoops, row);
        for (const RowLoops* loops : available_loops()) {
            const Outcome out = run(*loops, row);
            EXPECT_EQ(bits_of<uint64_t>(out.looked_up), bits_of<uint64_t>(plain.looked_up)) << n;
            EXPECT_EQ(bits_of<uint64_t>(out.deviated), bits_of<uint64_t>(plain.deviated)) << n;
            EXPECT_EQ(bits_of<uint64_t>(out.clipped), bits_of<uint64_t>(plain.clipped)) << n;
            EXPECT_EQ(bits_of<uint64_t>(out.fallen), bits_of<uint64_t>(plain.fallen)) << n;
            EXPECT_EQ(bits_of<uint32_t>(out.variance), bits_of<uint32_t>(plain.variance)) << n;
            EXPECT_EQ(out.rounded, plain.rounded) << n;
            EXPECT_EQ(out.count, plain.count) << n;
        }
    }
}

TEST(RowLoops, AreThoseOfTheKernelInUse) {
    const bool scalar = std::string(kernels::active().name) == "scalar";
    EXPECT_EQ(&row_loops() == &kPlainRowLoops, scalar);
}

}  // namespace
}  // namespace bitline
