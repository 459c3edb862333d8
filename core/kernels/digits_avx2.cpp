// Compiled for AVX2, FMA and AES: intrinsics and raw pointers only (see README.md).

#include "core/kernels/digits.h"

#if defined(__AVX2__)

#include <string.h>

#include "core/kernels/avx2_vector.h"
#include "core/kernels/gaussian_avx2.h"
#include "core/kernels/noise_vector.h"

namespace bitline::kernels::digits {

namespace {

__m256i load_four(const int32_t* from) {
    return _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

/// What a group of digit rows gives in one tile of columns.
template <class Number>
struct Tile {
    alignas(32) Number at[kGroup][kTile];
};

/// The digit rows of a group; where fewer are left than a group holds, the last one stands in for the rest.
struct Group {
    const int16_t* rows[kGroup];
    Group(const int16_t* first, int64_t row_size, int count) {
        for (int i = 0; i < kGroup; ++i) rows[i] = first + row_size * (i < count ? i : count - 1);
    }
};

/// The digits of a row and of the next one, for every column.
__m256i digit_pair(const int16_t* digits) {
    int32_t pair;
    memcpy(&pair, digits, sizeof pair);
    return _mm256_set1_epi32(pair);
}
__m256i last_digit(const int16_t* digits) { return _mm256_set1_epi32(uint16_t(*digits)); }

inline void add_products(__m256i& low, __m256i& high, __m256i digits, __m256i strip_low, __m256i strip_high) {
    low = _mm256_add_epi32(low, _mm256_madd_epi16(digits, strip_low));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(digits, strip_high));
}

struct Sums {
    __m256i low[kGroup], high[kGroup];  // columns 0 .. 7 and 8 .. 15
};

/// Sums of digit * number over rows first .. last - 1 of a strip, modulo 2^32; `first` is even.
Sums multiply(const int16_t* strip, const Group& group, int first, int last) {
    // Named one by one, because GCC copies an array of sums to and fro in every round of the loop.
    __m256i low0 = _mm256_setzero_si256(), low1 = low0, low2 = low0, low3 = low0;
    __m256i high0 = low0, high1 = low0, high2 = low0, high3 = low0;
    const int16_t *const row0 = group.rows[0], *const row1 = group.rows[1];
    const int16_t *const row2 = group.rows[2], *const row3 = group.rows[3];
    if ((last - first) % 2 == 1) {  // the row without a partner
        const int64_t row = last - 1;
        const __m256i low = load(strip + row * kTile), high = load(strip + (row + 1) * kTile);
        add_products(low0, high0, last_digit(row0 + row), low, high);
        add_products(low1, high1, last_digit(row1 + row), low, high);
        add_products(low2, high2, last_digit(row2 + row), low, high);
        add_products(low3, high3, last_digit(row3 + row), low, high);
    }
    for (int64_t row = first; row + 1 < last; row += 2) {
        const __m256i low = load(strip + row * kTile), high = load(strip + (row + 1) * kTile);
        add_products(low0, high0, digit_pair(row0 + row), low, high);
        add_products(low1, high1, digit_pair(row1 + row), low, high);
        add_products(low2, high2, digit_pair(row2 + row), low, high);
        add_products(low3, high3, digit_pair(row3 + row), low, high);
    }
    return {{low0, low1, low2, low3}, {high0, high1, high2, high3}};
}

const int16_t* conductance_strip(const Strips& strips, int tile, int limb) {
    return strips.g + (size_t(tile) * strips.limbs + limb) * strips.strip_size;
}

void sums_32(const Strips& strips, int tile, const Group& group, Tile<int32_t>& out) {
    const Sums low = multiply(conductance_strip(strips, tile, 0), group, 0, strips.rows);
    for (int i = 0; i < kGroup; ++i) {
        store(&out.at[i][0], low.low[i]);
        store(&out.at[i][8], low.high[i]);
    }
    if (strips.limbs == 1) return;
    const Sums high = multiply(conductance_strip(strips, tile, 1), group, 0, strips.rows);
    for (int i = 0; i < kGroup; ++i) {
        store(&out.at[i][0], _mm256_add_epi32(load(&out.at[i][0]), _mm256_slli_epi32(high.low[i], kLimbBits)));
        store(&out.at[i][8], _mm256_add_epi32(load(&out.at[i][8]), _mm256_slli_epi32(high.high[i], kLimbBits)));
    }
}

void add_scaled(double* to, __m256i sums, __m256d factor) {
    const __m256d low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(sums));
    const __m256d high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(sums, 1));
    _mm256_store_pd(to, _mm256_add_pd(_mm256_load_pd(to), _mm256_mul_pd(low, factor)));
    _mm256_store_pd(to + 4, _mm256_add_pd(_mm256_load_pd(to + 4), _mm256_mul_pd(high, factor)));
}

/// out += factor * sums over all rows, taken in chunks whose sums fit in 32 bits. Exact below 2^53.
void add_in_chunks(const int16_t* strip, const Group& group, int rows, int chunk_rows, double factor,
                   Tile<double>& out) {
    const __m256d scale = _mm256_set1_pd(factor);
    for (int first = 0; first < rows; first += chunk_rows) {
        const Sums sums = multiply(strip, group, first, rows - first < chunk_rows ? rows : first + chunk_rows);
        for (int i = 0; i < kGroup; ++i) {
            add_scaled(&out.at[i][0], sums.low[i], scale);
            add_scaled(&out.at[i][8], sums.high[i], scale);
        }
    }
}

void sums_64(const Strips& strips, const Digits& digits, int tile, const Group& group, Tile<double>& out) {
    memset(&out, 0, sizeof out);
    double factor = 1;
    for (int limb = 0; limb < strips.limbs; ++limb, factor *= 1 << kLimbBits) {
        add_in_chunks(conductance_strip(strips, tile, limb), group, strips.rows, digits.chunk_rows, factor, out);
    }
}

// ------------------------------------------------------------------------------------------------ noise

void square_digits(const int16_t* digits, int64_t count, const NoiseSource& noise) {
    for (int64_t i = 0; i < count; ++i) {
        const int32_t square = int32_t(digits[i]) * digits[i];
        noise.squares[0][i] = int16_t(square & ((1 << kSquareLimbBits) - 1));
        if (noise.square_limbs == 2) noise.squares[1][i] = int16_t(square >> kSquareLimbBits);
    }
}

/// V of a group: `first` is its first digit row, counted from the first one of the pass.
void variances(const Strips& strips, const NoiseSource& noise, int tile, const Group& group, int64_t first, int count,
               Tile<double>& out) {
    const int16_t* strip = strips.variance + size_t(tile) * strips.strip_size;
    memset(&out, 0, sizeof out);
    if (noise.square_limbs == 0) {
        add_in_chunks(strip, group, strips.rows, noise.chunk_rows, 1, out);
        return;
    }
    double factor = 1;
    for (int limb = 0; limb < noise.square_limbs; ++limb, factor *= 1 << kSquareLimbBits) {
        const Group squares(noise.squares[limb] + first * strips.rows, strips.rows, count);
        add_in_chunks(strip, squares, strips.rows, noise.chunk_rows, factor, out);
    }
}

/// Where a digit row stands.
struct Place {
    int vector, cycle;
};

Place next(Place place, int cycles) {
    return place.cycle + 1 < cycles ? Place{place.vector, place.cycle + 1} : Place{place.vector + 1, 0};
}

/// Noise of a group: x = d * z + S.
struct Noises {
    Tile<float> d;
    Tile<int32_t> z;
};

/// The deviates of a group that begins at `place`.
void draw(const NoiseSource& noise, const RoundKeys& keys, uint32_t counters_per_cycle, int cycles, int tile,
          Place place, int count, Tile<int32_t>& z) {
    const Bytes next_counters = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
    for (int i = 0; i < count; ++i, place = next(place, cycles)) {
        const uint32_t first = uint32_t(place.cycle) * counters_per_cycle + uint32_t(tile) * (kTile / 4);
        const int position = int(noise.position[place.vector]), sample = int(noise.sample[place.vector]);
        const int block = int(noise.block);
        const Bytes counters =
            _mm256_set_epi32(block, sample, position, int(first + 1), block, sample, position, int(first));
        store(&z.at[i][0], deviates(counters, keys));
        store(&z.at[i][8], deviates(add32(counters, next_counters), keys));
    }
}

/// Roots of the variances of a group.
void find_deviations(const NoiseSource& noise, int tile, const Tile<double>& variance, Tile<float>& d) {
    for (int i = 0; i < kGroup; ++i) {
        for (int col = 0; col < kTile; col += 8) {
            const __m128 low = _mm256_cvtpd_ps(_mm256_load_pd(&variance.at[i][col]));
            const __m128 high = _mm256_cvtpd_ps(_mm256_load_pd(&variance.at[i][col + 4]));
            const Floats own = _mm256_loadu_ps(noise.own + tile * kTile + col);
            _mm256_store_ps(&d.at[i][col], noise_roots(fused(_mm256_set_m128(high, low), all(noise.unit), own)));
        }
    }
}

// ------------------------------------------------------------------------------------------------ conversion

struct Codes {
    alignas(32) int32_t at[kTile];
};

/// d and z of the columns from the first one of a row on; null: no noise.
struct RowNoise {
    const float* d = nullptr;
    const int32_t* z = nullptr;
};

/// Eight columns at thresholds, from t with the anchor; returns how many were clipped.
int decide_eight(const Converters& converters, int col, Floats anchored, int32_t* codes) {
    const Bins& bins = converters.bins;
    const Floats lowest = all(bins.lowest);
    const Bytes u = sub32(as_bits(bound(anchored, lowest, all(bins.highest))), as_bits(lowest));
    const Bytes rest = and_bits(u, all32((1 << bins.shift) - 1)), number = load(converters.converter + col);
    Bytes at = add32(shift_right32(u, bins.shift), multiply32(number, all32(bins.layers * bins.count)));
    Bytes crossed = zero();
    for (int layer = 0; layer < bins.layers; ++layer, at = add32(at, all32(bins.count))) {
        const Bytes entry = gather(bins.table, at);
        const auto carried = [&](Bytes from) { return shift_right32(add32(from, rest), bins.shift); };
        crossed = add32(crossed, carried(shift_right32(entry, bins.shift)));
        crossed = add32(crossed, carried(and_bits(entry, all32((1 << bins.shift) - 1))));
    }
    const Bytes last = sub32(gather(bins.distinct, number), all32(1));
    const Bytes bounded = _mm256_min_epi32(_mm256_max_epi32(crossed, all32(1)), last);
    const int32_t row = converters.hi - converters.lo + 3;
    store(codes, bins.value_of ? gather(bins.value_of, add32(crossed, multiply32(number, all32(row))))
                               : add32(bounded, all32(converters.lo - 1)));
    const Bytes same = _mm256_cmpeq_epi32(crossed, bounded);
    return __builtin_popcount(~unsigned(_mm256_movemask_ps(as_floats(same))) & 0xFF);
}

/// Eight columns in float32; returns how many were clipped.
int convert_eight(const Converters& converters, int col, const int32_t* sums, const float* d, const int32_t* z,
                  int32_t* codes) {
    Floats x = to_float(load(sums));
    if (d) x = fused(_mm256_load_ps(d), to_float(load(z)), x);
    const Floats anchored =
        fused(x, _mm256_loadu_ps(converters.step32 + col), _mm256_loadu_ps(converters.offset32 + col));
    if (converters.threshold) return decide_eight(converters, col, anchored, codes);
    const Floats t = subtract(anchored, all(float(converters.anchor)));
    if (converters.one_bit) {
        store(codes, sign_of(t));
        return 0;
    }
    const __m256 rounded = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 bounded = _mm256_min_ps(_mm256_max_ps(rounded, all(float(converters.lo))), all(float(converters.hi)));
    store(codes, _mm256_cvtps_epi32(bounded));
    return __builtin_popcount(unsigned(_mm256_movemask_ps(_mm256_cmp_ps(rounded, bounded, _CMP_NEQ_OQ))));
}

/// Four columns in double.
int convert_four(const Converters& converters, int col, __m256d sums, const float* d, const int32_t* z,
                 int32_t* codes) {
    __m256d x = sums;
    if (d) {
        const __m256d deviates = _mm256_cvtepi32_pd(_mm_load_si128(reinterpret_cast<const __m128i*>(z)));
        x = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_load_ps(d)), deviates, sums);
    }
    const __m256d anchored =
        _mm256_fmadd_pd(x, _mm256_loadu_pd(converters.step64 + col), _mm256_loadu_pd(converters.offset64 + col));
    const __m256d t = _mm256_sub_pd(anchored, _mm256_set1_pd(converters.anchor));
    __m256d code;
    int clipped = 0;
    if (converters.threshold) {
        alignas(32) double each[4];
        _mm256_store_pd(each, t);
        for (int i = 0; i < 4; ++i) codes[i] = convert_at_thresholds(converters, col + i, each[i], clipped);
        return clipped;
    }
    if (converters.one_bit) {
        const __m256d mask = _mm256_cmp_pd(t, _mm256_setzero_pd(), _CMP_GE_OQ);
        code = _mm256_blendv_pd(_mm256_set1_pd(-1), _mm256_set1_pd(1), mask);
    } else {
        const __m256d rounded = _mm256_round_pd(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        code = _mm256_min_pd(_mm256_max_pd(rounded, _mm256_set1_pd(converters.lo)), _mm256_set1_pd(converters.hi));
        clipped = __builtin_popcount(unsigned(_mm256_movemask_pd(_mm256_cmp_pd(rounded, code, _CMP_NEQ_OQ))));
    }
    _mm_store_si128(reinterpret_cast<__m128i*>(codes), _mm256_cvtpd_epi32(code));
    return clipped;
}

int convert_row(const Converters& converters, int col, const int32_t* sums, const RowNoise& noise, Codes& codes) {
    int clipped = 0;
    for (int i = 0; i < kTile; i += 8) {
        clipped +=
            convert_eight(converters, col + i, sums + i, noise.d ? noise.d + i : nullptr, noise.z + i, codes.at + i);
    }
    return clipped;
}

int convert_row(const Converters& converters, int col, const double* sums, const RowNoise& noise, Codes& codes) {
    int clipped = 0;
    for (int i = 0; i < kTile; i += 4) {
        clipped += convert_four(converters, col + i, _mm256_load_pd(sums + i), noise.d ? noise.d + i : nullptr,
                                noise.z + i, codes.at + i);
    }
    return clipped;
}

/// Codes of one vector in one tile, weighted and added up over its cycles.
struct Totals {
    __m256i at[kTile / 4];
    void clear() {
        for (__m256i& four : at) four = _mm256_setzero_si256();
    }
    void add(const Codes& codes, int64_t cycle_weight) {
        const __m256i weight = _mm256_set1_epi64x(cycle_weight);
        for (int i = 0; i < kTile / 4; ++i) {
            at[i] = _mm256_add_epi64(at[i], _mm256_mul_epi32(load_four(codes.at + 4 * i), weight));
        }
    }
};

/// Adds to the outputs; neighbouring columns of one output are added up first, which spares waiting for the stores.
void read_out(const Output& output, int first_col, int cols, const Totals& totals, int64_t* acc) {
    alignas(32) int64_t total[kTile];
    for (int i = 0; i < kTile / 4; ++i) store(total + 4 * i, totals.at[i]);
    const int32_t* to = output.column_output + first_col;
    const int64_t* weight = output.column_weight + first_col;
    int64_t sum = 0;
    for (int i = 0; i < cols; ++i) {
        sum += total[i] * weight[i];
        if (i + 1 < cols && to[i + 1] == to[i]) continue;
        acc[to[i]] += sum;
        sum = 0;
    }
}

// ------------------------------------------------------------------------------------------------ passes

/// Everything that one call shares.
struct Conversion {
    const Strips& strips;
    const Digits& digits;
    const Converters& converters;
    const Output& output;
    const NoiseSource& noise;
    RoundKeys keys;
    uint32_t counters_per_cycle;
};

void group_sums(const Strips& strips, const Digits&, int tile, const Group& group, Tile<int32_t>& out) {
    sums_32(strips, tile, group, out);
}

void group_sums(const Strips& strips, const Digits& digits, int tile, const Group& group, Tile<double>& out) {
    if (!digits.sums_fit_32) return sums_64(strips, digits, tile, group, out);
    Tile<int32_t> narrow;
    sums_32(strips, tile, group, narrow);
    for (int i = 0; i < kGroup; ++i) {
        for (int col = 0; col < kTile; ++col) out.at[i][col] = narrow.at[i][col];
    }
}

/// Noise of a group: `first` is its first digit row, counted from the first one of the pass.
void group_noise(const Conversion& all, int tile, const Group& group, int64_t first, int count, Place place,
                 Noises& out) {
    Tile<double> variance;
    if (all.strips.variance) {
        variances(all.strips, all.noise, tile, group, first, count, variance);
    } else {
        memset(&variance, 0, sizeof variance);
    }
    find_deviations(all.noise, tile, variance, out.d);
    draw(all.noise, all.keys, all.counters_per_cycle, all.digits.cycles, tile, place, count, out.z);
}

/// One tile of columns for vectors first .. last - 1. Number: the type that holds S.
template <class Number>
int64_t convert_tile(const Conversion& all, int tile, int first, int last) {
    const int cycles = all.digits.cycles, rows = all.strips.rows, col = tile * kTile;
    const int cols = all.strips.cols - col < kTile ? all.strips.cols - col : kTile;
    const int64_t digit_rows = int64_t(last - first) * cycles;
    const int16_t* digits = all.digits.digits + int64_t(first) * cycles * rows;
    Place place{first, 0};
    Totals totals;
    totals.clear();
    int64_t clipped = 0;
    for (int64_t done = 0; done < digit_rows; done += kGroup) {
        const int count = digit_rows - done < kGroup ? int(digit_rows - done) : kGroup;
        const Group group(digits + done * rows, rows, count);
        Tile<Number> sums;
        group_sums(all.strips, all.digits, tile, group, sums);
        Noises noises;
        if (all.noise.on) group_noise(all, tile, group, done, count, place, noises);
        for (int i = 0; i < count; ++i, place = next(place, cycles)) {
            Codes codes;
            RowNoise noise;
            if (all.noise.on) noise = {noises.d.at[i], noises.z.at[i]};
            clipped += convert_row(all.converters, col, sums.at[i], noise, codes);
            totals.add(codes, all.output.cycle_weight[place.cycle]);
            if (place.cycle + 1 < cycles) continue;
            read_out(all.output, col, cols, totals, all.output.acc + int64_t(place.vector) * all.output.outputs);
            totals.clear();
        }
    }
    return clipped;
}

/// S of one tile of columns for vectors first .. last - 1.
template <class Number>
void write_tile(const Strips& strips, const Digits& digits, int tile, int first, int last, int64_t* out) {
    const int col = tile * kTile, cols = strips.cols - col < kTile ? strips.cols - col : kTile;
    const int64_t end = int64_t(last) * digits.cycles;
    for (int64_t row = int64_t(first) * digits.cycles; row < end; row += kGroup) {
        const int count = end - row < kGroup ? int(end - row) : kGroup;
        Tile<Number> tile_sums;
        const Group group(digits.digits + row * strips.rows, strips.rows, count);
        group_sums(strips, digits, tile, group, tile_sums);
        for (int i = 0; i < count; ++i) {
            int64_t* to = out + (row + i) * strips.cols + col;
            for (int c = 0; c < cols; ++c) to[c] = int64_t(tile_sums.at[i][c]);
        }
    }
}

int last_of_pass(const Digits& digits, int first) {
    return digits.vectors - first < digits.vectors_per_pass ? digits.vectors : first + digits.vectors_per_pass;
}

}  // namespace

DigitRange digit_range(const int16_t* digits, size_t count) {
    DigitRange range = {0, 0};
    for (size_t i = 0; i < count; ++i) {
        range.smallest = digits[i] < range.smallest ? digits[i] : range.smallest;
        range.largest = digits[i] > range.largest ? digits[i] : range.largest;
    }
    return range;
}

int64_t convert(const Strips& strips, const Digits& digits, const Converters& converters, const Output& output,
                const NoiseSource& noise) {
    const Conversion all{
        strips, digits, converters, output, noise, round_keys(noise.k0, noise.k1), (uint32_t(strips.cols) + 3) / 4};
    int64_t clipped = 0;
    for (int first = 0, last = 0; first < digits.vectors; first = last) {
        last = last_of_pass(digits, first);
        if (noise.on && noise.square_limbs > 0) {
            const int64_t row_size = int64_t(digits.cycles) * strips.rows;
            square_digits(digits.digits + first * row_size, (last - first) * row_size, noise);
        }
        for (int tile = 0; tile < strips.tiles; ++tile) {
            clipped += converters.wide ? convert_tile<double>(all, tile, first, last)
                                       : convert_tile<int32_t>(all, tile, first, last);
        }
    }
    return clipped;
}

void sums(const Strips& strips, const Digits& digits, int64_t* out) {
    for (int first = 0, last = 0; first < digits.vectors; first = last) {
        last = last_of_pass(digits, first);
        for (int tile = 0; tile < strips.tiles; ++tile) {
            if (digits.sums_fit_32) {
                write_tile<int32_t>(strips, digits, tile, first, last, out);
            } else {
                write_tile<double>(strips, digits, tile, first, last, out);
            }
        }
    }
}

/// Low bytes of 32 codes, in order.
Bytes low_bytes(const int32_t* codes) {
    const Bytes mask = all32(255);
    const auto eight = [&](int i) { return and_bits(load(codes + 8 * i), mask); };
    const Bytes mixed =
        _mm256_packus_epi16(_mm256_packus_epi32(eight(0), eight(1)), _mm256_packus_epi32(eight(2), eight(3)));
    return _mm256_permutevar8x32_epi32(mixed, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
}

void bits(const int32_t* codes, int words, const int* shifts, int count, int words_per_row, uint64_t* out) {
    for (int word = 0; word < words; ++word, codes += 64) {
        const Bytes low = low_bytes(codes), high = low_bytes(codes + 32);
        for (int i = 0; i < count; ++i) {
            const __m128i left = _mm_cvtsi32_si128(7 - shifts[i]);  // the bit becomes the top one of its byte
            const uint32_t first = uint32_t(_mm256_movemask_epi8(_mm256_sll_epi16(low, left)));
            const uint32_t second = uint32_t(_mm256_movemask_epi8(_mm256_sll_epi16(high, left)));
            out[int64_t(i) * words_per_row + word] = first | uint64_t(second) << 32;
        }
    }
}

void gaussians(uint32_t k0, uint32_t k1, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
               const GaussianSegment* table, size_t n, float* out) {
    const PhiloxKeys keys = philox_keys(k0, k1);
    for (size_t i = 0; i < n; i += kTile, first += kTile / 4) {
        const Bits16 bits = philox16(keys, first, c1, c2, c3);
        alignas(32) float z[kTile];
        _mm256_store_ps(z, gaussian8(bits.low, table));
        _mm256_store_ps(z + 8, gaussian8(bits.high, table));
        memcpy(out + i, z, sizeof(float) * (n - i < size_t(kTile) ? n - i : size_t(kTile)));
    }
}

}  // namespace bitline::kernels::digits

#endif
