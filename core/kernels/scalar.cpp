// The specification, written to be read. Nothing here is tuned beyond skipping zero digits.

#include <algorithm>
#include <cmath>

#include "core/kernels/noise.h"
#include "core/kernels/scalar.h"

namespace bitline::kernels {

namespace {

/// The digits of one cycle of one vector.
struct DigitRow {
    const uint64_t* bits = nullptr;
    const int16_t* digits = nullptr;
    int64_t at(int row) const { return bits ? int64_t(bits[row / 64] >> (row % 64) & 1) : int64_t(digits[row]); }
};

DigitRow digits_of(const Block& block, const Drive& drive, int vector, int cycle) {
    const int64_t at = int64_t(vector) * drive.cycles + cycle;
    if (drive.bits) return {drive.bits + at * words_of(block.rows), nullptr};
    return {nullptr, drive.digits + at * block.rows};
}

/// S of one cycle, out (cols).
void column_sums(const Block& block, const DigitRow& digits, int64_t* out) {
    std::fill_n(out, block.cols, 0);
    for (int row = 0; row < block.rows; ++row) {
        const int64_t digit = digits.at(row);
        if (digit == 0) continue;
        const int32_t* g = block.g.data() + int64_t(row) * block.cols;
        for (int col = 0; col < block.cols; ++col) out[col] += digit * g[col];
    }
}

/// V of one cycle, out (cols).
void column_variances(const Block& block, const DigitRow& digits, int64_t* out) {
    std::fill_n(out, block.cols, 0);
    if (block.variance.empty()) return;
    for (int row = 0; row < block.rows; ++row) {
        const int64_t square = digits.at(row) * digits.at(row);
        if (square == 0) continue;
        const int32_t* variance = block.variance.data() + int64_t(row) * block.cols;
        for (int col = 0; col < block.cols; ++col) out[col] += square * variance[col];
    }
}

/// The noise of one column: its root mean square in grid steps times its deviate is d * z.
struct Draw {
    float d = 0;
    int32_t z = 0;
};

Draw draw_noise(const Block& block, const Converter& converter, const Drive& drive, const Noise& noise, int vector,
                int cycle, int col, int64_t variance) {
    const uint32_t groups = (uint32_t(block.cols) + 3) / 4;
    const Counter random =
        ars({uint32_t(cycle) * groups + uint32_t(col) / 4, drive.position[vector], drive.sample[vector], noise.block},
            {noise.key.k0, noise.key.k1, 0, 0}, kNoiseRounds);
    const NoiseScale scale = noise_scale(block, converter, col);
    return {noise_root(std::fma(float(variance), scale.unit, scale.own)), noise_deviate(random[col % 4])};
}

struct Code {
    int32_t value;
    bool clipped;
};

/// The code of t among the thresholds of a column's converter.
template <class Real>
Code convert_at_thresholds(Real t, const Converter& converter, int col) {
    const Transfer& transfer = converter.transfer;
    const int codes = converter.hi - converter.lo + 1;
    const double* const first = transfer.threshold.data() + int64_t(transfer.converter[col]) * (codes + 1);
    const auto crossed = int(std::count_if(first, first + codes + 1, [&](double at) { return Real(at) <= t; }));
    const int code = std::clamp(crossed - 1, 0, codes - 1);
    return {transfer.value.empty() ? converter.lo + code : transfer.value[code], code != crossed - 1};
}

/// Rounds half to even and clips t, which is float or double.
template <class Real>
Code convert_one(Real t, const Converter& converter, int col) {
    if (converter.one_bit) return {t >= 0 ? 1 : -1, false};
    if (converter.has_transfer()) return convert_at_thresholds(t, converter, col);
    const Real rounded = std::nearbyint(t);
    if (rounded < Real(converter.lo)) return {converter.lo, true};
    if (rounded > Real(converter.hi)) return {converter.hi, true};
    return {int32_t(rounded), false};
}

template <class Real>
Code convert_column(const Converter& converter, double anchor, int col, int64_t sum, Draw noise) {
    const Real x = std::fma(Real(noise.d), Real(noise.z), Real(sum));
    const Real anchored = std::fma(x, Real(converter.inv_step[col]), Real(converter.offset[col] + anchor));
    return convert_one(anchored - Real(anchor), converter, col);
}

}  // namespace

void scalar_sums(const Block& block, const Drive& drive, int64_t* out) {
    for (int vector = 0; vector < drive.vectors; ++vector) {
        for (int cycle = 0; cycle < drive.cycles; ++cycle) {
            column_sums(block, digits_of(block, drive, vector, cycle), out);
            out += block.cols;
        }
    }
}

int64_t scalar_convert(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                       const Noise* noise, int64_t* acc) {
    const bool noisy = has_noise(block, converter, noise);
    std::vector<int64_t> sums(block.cols), variances(block.cols);
    const double anchored = anchor(converter);
    int64_t clipped = 0;
    for (int vector = 0; vector < drive.vectors; ++vector) {
        int64_t* outputs = acc + int64_t(vector) * readout.outputs;
        for (int cycle = 0; cycle < drive.cycles; ++cycle) {
            const DigitRow digits = digits_of(block, drive, vector, cycle);
            column_sums(block, digits, sums.data());
            if (noisy) column_variances(block, digits, variances.data());
            for (int col = 0; col < block.cols; ++col) {
                Draw draw;
                if (noisy) draw = draw_noise(block, converter, drive, *noise, vector, cycle, col, variances[col]);
                const Code code = converter.wide ? convert_column<double>(converter, anchored, col, sums[col], draw)
                                                 : convert_column<float>(converter, anchored, col, sums[col], draw);
                clipped += code.clipped;
                outputs[readout.column_output[col]] +=
                    code.value * readout.column_weight[col] * drive.cycle_weight[cycle];
            }
        }
    }
    return clipped;
}

void scalar_bits(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out) {
    const int words = words_of(rows);
    std::fill_n(out, size_t(count) * words, 0);
    for (int i = 0; i < count; ++i, out += words) {
        for (int row = 0; row < rows; ++row) out[row / 64] |= uint64_t(codes[row] >> shifts[i] & 1) << (row % 64);
    }
}

void scalar_gaussians(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out) {
    for (size_t i = 0; i < n; i += 4) {
        const Counter random = philox({first + uint32_t(i / 4), c1, c2, c3}, key);
        for (size_t lane = 0; lane < 4 && i + lane < n; ++lane) out[i + lane] = gaussian(random[lane]);
    }
}

const Kernel kScalar = {"scalar",
                        "nothing",
                        [] { return true; },
                        [] { return std::string(); },
                        [](Block& block) { block.packed.clear(); },
                        scalar_sums,
                        scalar_convert,
                        scalar_bits,
                        scalar_gaussians};

}  // namespace bitline::kernels
