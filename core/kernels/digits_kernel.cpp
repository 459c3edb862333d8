#include "core/kernels/digits_kernel.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <limits>

#include "core/kernels/bounds.h"
#include "core/kernels/digits.h"
#include "core/kernels/scalar.h"

namespace bitline::kernels::digits {

namespace {

// ------------------------------------------------------------------------------------------------ layout

/// In front of the strips in Block::packed. Positions are in bytes from the start of `packed`.
struct Header {
    int32_t limbs = 0;    // 0: the numbers are too large for vector code, the scalar kernel serves this block
    int64_t largest = 0;  // max |g|
    size_t g = 0, variance = 0;
};

constexpr size_t kAlignment = 64;
constexpr int64_t kLargestDigit = 255;

int tiles(const Block& block) { return (block.cols + kTile - 1) / kTile; }
size_t strip_size(const Block& block) { return size_t(block.rows + 1) / 2 * 2 * kTile; }

int limb_count(const Block& block, int64_t largest) {
    if (largest < 1 << kLimbBits) return 1;
    // The high limb must fit in 16 bits, and sums must be exact in double.
    const bool fits = largest < int64_t(1) << 30 && largest * kLargestDigit * block.rows < int64_t(1) << 52;
    return fits ? 2 : 0;
}

/// Limb `limb` of `limbs`: the low one is a remainder, so that only the top one has a sign.
int16_t limb_of(int32_t value, int limb, int limbs) {
    if (limbs == 1) return int16_t(value);
    return int16_t(limb == 0 ? value & ((1 << kLimbBits) - 1) : value >> kLimbBits);
}

/// Writes the strips of all tiles; padding stays zero.
void write_strips(const Block& block, const std::vector<int32_t>& values, int limbs, int16_t* out) {
    for (int row = 0; row < block.rows; ++row) {
        for (int col = 0; col < block.cols; ++col) {
            const int32_t value = values[size_t(row) * block.cols + col];
            const size_t within = (size_t(row / 2) * kTile + col % kTile) * 2 + row % 2;
            for (int limb = 0; limb < limbs; ++limb) {
                out[(size_t(col / kTile) * limbs + limb) * strip_size(block) + within] = limb_of(value, limb, limbs);
            }
        }
    }
}

Strips strips_of(const Block& block, const Header& header) {
    Strips strips;
    strips.rows = block.rows;
    strips.cols = block.cols;
    strips.tiles = tiles(block);
    strips.limbs = header.limbs;
    strips.strip_size = strip_size(block);
    strips.g = reinterpret_cast<const int16_t*>(block.packed.data() + header.g);
    if (!block.variance.empty()) {
        strips.variance = reinterpret_cast<const int16_t*>(block.packed.data() + header.variance);
    }
    return strips;
}

// ------------------------------------------------------------------------------------------------ bounds

/// So many rows (even, at least 2) of products that are at most `largest` fit in 32 bits.
int rows_that_fit(int64_t largest) {
    const int64_t rows = kMax32 / std::max<int64_t>(largest, 1);
    return int(std::clamp<int64_t>(rows / 2 * 2, 2, 1 << 30));
}

DigitRange range_of(const Block& block, const Drive& drive) {
    return digit_range(drive.digits, size_t(drive.vectors) * drive.cycles * block.rows);
}

int64_t largest_of(DigitRange range) { return std::max(-int64_t(range.smallest), int64_t(range.largest)); }

Digits digits_of(const Block& block, const Drive& drive) {
    constexpr int64_t kPassBytes = 32 << 10;  // a share of the second-level cache
    Digits digits;
    digits.digits = drive.digits;
    digits.vectors = drive.vectors;
    digits.cycles = drive.cycles;
    const int64_t vector_bytes = std::max<int64_t>(1, int64_t(block.rows) * drive.cycles * int64_t(sizeof(int16_t)));
    digits.vectors_per_pass = int(std::max<int64_t>(kGroup, kPassBytes / vector_bytes));
    return digits;
}

void bound_sums(const Block& block, const Header& header, DigitRange range, Digits& digits) {
    const int64_t digit = largest_of(range);
    digits.sums_fit_32 = digit * header.largest * block.rows <= kMax32;
    digits.chunk_rows = rows_that_fit(digit << kLimbBits);
}

// ------------------------------------------------------------------------------------------------ calls

/// The converters of columns that exist, and behind them columns that always read `lo`, or what lies in the middle of
/// the first converter's thresholds.
struct PaddedConverters {
    std::vector<float> step32, offset32, own;
    std::vector<double> step64, offset64;
    std::vector<int32_t> number;  // of a transfer's converter

    PaddedConverters(const Block& block, const Converter& converter) {
        const size_t padded = size_t(tiles(block)) * kTile;
        step64.assign(padded, 0);
        const Transfer& transfer = converter.transfer;
        const size_t last = size_t(converter.hi - converter.lo) + 1;
        const bool rounds = !converter.has_transfer();
        offset64.assign(padded, rounds ? converter.lo : 0.5 * (transfer.threshold[0] + transfer.threshold[last]));
        if (!rounds) number = transfer.converter;
        number.resize(padded, 0);
        std::copy_n(converter.inv_step.begin(), block.cols, step64.begin());
        std::copy_n(converter.offset.begin(), block.cols, offset64.begin());
        const double anchored = anchor(converter);
        for (double& offset : offset64) offset += anchored;
        own.assign(padded, 0);
        for (int col = 0; col < block.cols; ++col) own[size_t(col)] = noise_scale(block, converter, col).own;
        step32.assign(step64.begin(), step64.end());
        offset32.assign(offset64.begin(), offset64.end());
    }

    Converters view(const kernels::Converter& converter) const {
        Converters view = view_of(converter);
        view.step32 = step32.data();
        view.offset32 = offset32.data();
        view.step64 = step64.data();
        view.offset64 = offset64.data();
        view.converter = number.data();
        return view;
    }
};

/// `scratch` receives the squares of a pass where digits are not their own squares.
NoiseSource noise_source(const Block& block, const Drive& drive, const Noise& noise, DigitRange range,
                         const Digits& digits, std::vector<int16_t>& scratch) {
    NoiseSource source;
    source.on = true;
    source.k0 = noise.key.k0;
    source.k1 = noise.key.k1;
    source.block = noise.block;
    source.sample = drive.sample;
    source.position = drive.position;
    constexpr int64_t kLargestLimb = (1 << kSquareLimbBits) - 1;
    const int64_t square = largest_of(range) * largest_of(range);
    source.chunk_rows = rows_that_fit(std::min(square, kLargestLimb) * kLargestVariance);
    if (range.smallest >= 0 && range.largest <= 1) return source;
    source.square_limbs = square <= kLargestLimb ? 1 : 2;
    const size_t pass = size_t(std::min(digits.vectors, digits.vectors_per_pass)) * drive.cycles * block.rows;
    scratch.resize(pass * source.square_limbs);
    source.squares[0] = scratch.data();
    if (source.square_limbs == 2) source.squares[1] = scratch.data() + pass;
    return source;
}

bool fits_32(int64_t value) { return value == int32_t(value); }

}  // namespace

void pack(Block& block) {
    Header header;
    for (const int32_t g : block.g) header.largest = std::max(header.largest, std::abs(int64_t(g)));
    header.limbs = limb_count(block, header.largest);
    const size_t strips = tiles(block) * strip_size(block) * sizeof(int16_t);
    const size_t size = strips * (header.limbs + (block.variance.empty() ? 0 : 1));
    block.packed.assign(sizeof(Header) + kAlignment + size, std::byte{});
    std::byte* const start = block.packed.data();
    const size_t misaligned = (reinterpret_cast<uintptr_t>(start) + sizeof(Header)) % kAlignment;
    header.g = sizeof(Header) + (kAlignment - misaligned) % kAlignment;
    header.variance = header.g + strips * header.limbs;
    std::copy_n(reinterpret_cast<const std::byte*>(&header), sizeof(Header), start);
    if (header.limbs == 0) return;
    write_strips(block, block.g, header.limbs, reinterpret_cast<int16_t*>(start + header.g));
    if (block.variance.empty()) return;
    write_strips(block, block.variance, 1, reinterpret_cast<int16_t*>(start + header.variance));
}

void sums(const Block& block, const Drive& drive, int64_t* out) {
    const Header header = packed_header<Header>(block);
    if (header.limbs == 0) return scalar_sums(block, drive, out);
    Digits digits = digits_of(block, drive);
    bound_sums(block, header, range_of(block, drive), digits);
    sums(strips_of(block, header), digits, out);
}

int64_t convert(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                const Noise* noise, int64_t* acc) {
    const Header header = packed_header<Header>(block);
    const bool vectorised =
        header.limbs > 0 && std::all_of(drive.cycle_weight, drive.cycle_weight + drive.cycles, fits_32);
    if (!vectorised) return scalar_convert(block, converter, readout, drive, noise, acc);
    Digits digits = digits_of(block, drive);
    const DigitRange range = range_of(block, drive);
    if (converter.wide) bound_sums(block, header, range, digits);
    const PaddedConverters converters(block, converter);
    std::vector<int16_t> scratch;
    NoiseSource source;
    if (has_noise(block, converter, noise)) {
        source = noise_source(block, drive, *noise, range, digits, scratch);
        source.unit = noise_scale(block, converter, 0).unit;
        source.own = converters.own.data();
    }
    const Output output{readout.column_output.data(), readout.column_weight.data(), drive.cycle_weight, readout.outputs,
                        acc};
    return convert(strips_of(block, header), digits, converters.view(converter), output, source);
}

void bits(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out) {
    if (std::any_of(shifts, shifts + count, [](int shift) { return shift > 7; })) {
        return scalar_bits(codes, rows, shifts, count, out);
    }
    const int whole = rows / 64, words = words_of(rows);
    bits(codes, whole, shifts, count, words, out);
    if (whole == words) return;
    int32_t rest[64] = {};
    std::copy_n(codes + whole * 64, rows % 64, rest);
    bits(rest, 1, shifts, count, words, out + whole);
}

void gaussians(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out) {
    gaussians(key.k0, key.k1, first, c1, c2, c3, gaussian_table(), n, out);
}

}  // namespace bitline::kernels::digits

#endif
