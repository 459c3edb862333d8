#pragma once

// Sums of digits 0 and 1 by lookup, for files compiled with AVX2. In an unnamed namespace, so that no other file can
// end up with this code.

#include <immintrin.h>
#include <string.h>

#include "core/kernels/avx2.h"

namespace bitline::kernels::avx2 {
namespace {

inline __m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline void store(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }

/// 8 * (bits of four word lines), for eight groups.
__m128i index_eight(const int16_t* digits) {
    const __m128i place = _mm_set_epi16(64, 32, 16, 8, 64, 32, 16, 8), ones = _mm_set1_epi16(1);
    const auto pairs = [&](int i) {
        return _mm_madd_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(digits + 8 * i)), place);
    };
    const __m128i low = _mm_madd_epi16(_mm_packs_epi32(pairs(0), pairs(1)), ones);
    const __m128i high = _mm_madd_epi16(_mm_packs_epi32(pairs(2), pairs(3)), ones);
    const __m128i indices = _mm_packs_epi32(low, high);
    return _mm_packus_epi16(indices, indices);
}

/// The indices of one digit row, `groups` bytes; word lines that do not exist carry 0.
void index_row(const int16_t* digits, int rows, int groups, uint8_t* out) {
    constexpr int kBatch = 8 * kTableRows;
    for (int group = 0; group < groups; group += 8) {
        const int row = group * kTableRows;
        __m128i eight;
        if (row + kBatch <= rows) {
            eight = index_eight(digits + row);
        } else {
            int16_t padded[kBatch] = {};
            if (row < rows) memcpy(padded, digits + row, size_t(rows - row) * sizeof(int16_t));
            eight = index_eight(padded);
        }
        const int64_t bytes = _mm_cvtsi128_si64(eight);
        memcpy(out + group, &bytes, groups - group < 8 ? size_t(groups - group) : 8);
    }
}

struct RowPair {
    __m256i even, odd;
};

/// Numbers of two neighbouring rows in eight columns; `strip` is at the first of them.
RowPair unpack(const int16_t* strip) {
    const __m256i both = load(strip);
    return {_mm256_srai_epi32(_mm256_slli_epi32(both, 16), 16), _mm256_srai_epi32(both, 16)};
}

/// Limbs put together. Rows beyond the strip are zero.
RowPair row_pair(const int16_t* strip, size_t strip_size, int limbs, int row, int half) {
    const size_t at = size_t(row) * kTile + size_t(half) * 2 * kHalf;
    if (at >= strip_size) return {_mm256_setzero_si256(), _mm256_setzero_si256()};
    RowPair pair = unpack(strip + at);
    if (limbs == 2) {
        const RowPair high = unpack(strip + strip_size + at);
        pair.even = _mm256_add_epi32(pair.even, _mm256_slli_epi32(high.even, kLimbBits));
        pair.odd = _mm256_add_epi32(pair.odd, _mm256_slli_epi32(high.odd, kLimbBits));
    }
    return pair;
}

/// All sums of each group of four word lines, for half a tile of columns.
void build_table(const int16_t* strip, size_t strip_size, int limbs, int half, const Tables& tables) {
    for (int group = 0; group < tables.groups; ++group) {
        const RowPair low = row_pair(strip, strip_size, limbs, group * kTableRows, half);
        const RowPair high = row_pair(strip, strip_size, limbs, group * kTableRows + 2, half);
        const __m256i zero = _mm256_setzero_si256();
        const __m256i lows[4] = {zero, low.even, low.odd, _mm256_add_epi32(low.even, low.odd)};
        const __m256i highs[4] = {zero, high.even, high.odd, _mm256_add_epi32(high.even, high.odd)};
        int32_t* out = tables.table + size_t(group) * kEntries * kHalf;
        for (int entry = 0; entry < kEntries; ++entry) {
            store(out + entry * kHalf, _mm256_add_epi32(lows[entry % 4], highs[entry / 4]));
        }
    }
}

inline __m256i entry_of(const int32_t* table, uint32_t index) { return load(table + (index & 0xFF)); }

/// Sums of four digit rows in half a tile, out (4 x kTile).
void look_up(const Tables& tables, const uint8_t* index, int32_t* out) {
    constexpr int kTableSize = kEntries * kHalf;
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const int32_t* table = tables.table;
    const size_t groups = size_t(tables.groups);
    for (size_t group = 0; group < groups; group += 4, table += 4 * kTableSize) {
        uint32_t word0, word1, word2, word3;
        memcpy(&word0, index + group, 4);
        memcpy(&word1, index + groups + group, 4);
        memcpy(&word2, index + 2 * groups + group, 4);
        memcpy(&word3, index + 3 * groups + group, 4);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            sum0 = _mm256_add_epi32(sum0, entry_of(table + i * kTableSize, word0 >> (8 * i)));
            sum1 = _mm256_add_epi32(sum1, entry_of(table + i * kTableSize, word1 >> (8 * i)));
            sum2 = _mm256_add_epi32(sum2, entry_of(table + i * kTableSize, word2 >> (8 * i)));
            sum3 = _mm256_add_epi32(sum3, entry_of(table + i * kTableSize, word3 >> (8 * i)));
        }
    }
    store(out, sum0);
    store(out + kTile, sum1);
    store(out + 2 * kTile, sum2);
    store(out + 3 * kTile, sum3);
}

/// Sums of all digit rows of a pass in one tile. Rows are padded to a multiple of four in the scratch memory.
void table_sums(const int16_t* strip, size_t strip_size, int limbs, int64_t digit_rows, const Tables& tables,
                int32_t* out) {
    for (int half = 0; half < 2; ++half) {
        build_table(strip, strip_size, limbs, half, tables);
        for (int64_t row = 0; row < digit_rows; row += kGroup) {
            look_up(tables, tables.index + row * tables.groups, out + row * kTile + half * kHalf);
        }
    }
}

}  // namespace
}  // namespace bitline::kernels::avx2
