#pragma once

// Random problems for kernels, and the check that all of them give the bits of the scalar one.

#include <boost/random/uniform_int_distribution.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/kernels/noise.h"

namespace bitline::kernels {

inline const std::vector<int> kAwkward = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};

/// Those that this machine runs, and the steps of the tile kernel wherever its fallback runs.
std::vector<const Kernel*> available_kernels();

const Kernel& scalar();

/// What a random problem looks like.
struct Shape {
    int rows = 8, cols = 8, vectors = 3, cycles = 4;
    int32_t largest_g = 1 << 14;
    int smallest_digit = 0, largest_digit = 1;
    int adc_bits = 8;
    bool one_bit = false, wide = false, noisy = false, shared_outputs = true;
    double variance_unit = 0.01;
};

struct Problem {
    Block block;
    Converter converter;
    Readout readout;
    std::vector<int16_t> digits;
    std::vector<uint64_t> bits;
    std::vector<int64_t> cycle_weight;
    std::vector<uint32_t> sample, position;
    Drive drive;
    Noise noise{{0x12345678, 0x9abcdef0}, 77};
    bool noisy = false;
};

class Source {
 public:
    explicit Source(uint32_t number) : engine_(stream_key(number, 0, Purpose::test), 0, 0, 0) {}
    int64_t integer(int64_t lo, int64_t hi) {
        return boost::random::uniform_int_distribution<int64_t>(lo, hi)(engine_);
    }
    double real(double lo, double hi) { return boost::random::uniform_real_distribution<double>(lo, hi)(engine_); }

 private:
    PhiloxEngine engine_;
};

/// Thresholds that are crossed exactly where equal steps round to the next code: a tie goes to the even one.
void set_equal_steps(Problem& problem);
/// Thresholds of three converters, `spread` codes off; some heaped on one place, some results not the codes.
void set_thresholds(Problem& problem, Source& source, double spread);
/// The same digits as bits.
void drive_bits(Problem& problem);

std::unique_ptr<Problem> make_problem(const Shape& shape, uint32_t number);

struct Result {
    std::vector<int64_t> acc;
    int64_t clipped = 0;
    bool operator==(const Result&) const = default;
};

Result convert(const Kernel& kernel, Problem& problem);
std::vector<int64_t> sums(const Kernel& kernel, Problem& problem);

void expect_all_give(const Shape& shape, Problem& problem, const std::vector<int64_t>& expected_sums,
                     const Result& expected);
/// Of a random problem, driven by digits and, where they are bits, by bits.
void expect_all_agree(const Shape& shape, uint32_t number);

}  // namespace bitline::kernels
