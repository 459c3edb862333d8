#pragma once

// The vectors that lookup.h computes with, as AVX2 has them: 32 bytes, 16 words or 8 numbers. In an unnamed namespace,
// so that no other file can end up with this code.

#include <immintrin.h>
#include <stdint.h>

#include "core/kernels/transpose.h"

namespace bitline::kernels {
namespace {

using Bytes = __m256i;  // also of 16-bit words and of 32-bit integers
using Floats = __m256;

constexpr int kLanes = 32;       // digit rows computed together
constexpr int kGroupRows = 4;    // word lines whose bits are an index into a table
constexpr int kTableBytes = 16;  // 2^kGroupRows
constexpr int kParts = kLanes / 16;

inline Bytes zero() { return _mm256_setzero_si256(); }
inline Bytes load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline void store(void* to, Bytes value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }
inline Bytes all8(int value) { return _mm256_set1_epi8(char(value)); }
inline Bytes all16(int value) { return _mm256_set1_epi16(short(value)); }
inline Bytes all32(int32_t value) { return _mm256_set1_epi32(value); }

/// A table, ready for `look_up`: each half of the vector holds a copy.
inline Bytes load_table(const uint8_t* from) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline Bytes look_up(Bytes table, const uint8_t* index) { return _mm256_shuffle_epi8(table, load(index)); }
/// Half-byte lookups: 16 entries in each 128-bit part of `table`.
inline Bytes look_up16(Bytes table, Bytes index) { return _mm256_shuffle_epi8(table, index); }
inline Bytes repeat16(const void* from) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}

inline Bytes and_bits(Bytes a, Bytes b) { return _mm256_and_si256(a, b); }
inline Bytes xor_bits(Bytes a, Bytes b) { return _mm256_xor_si256(a, b); }
inline Bytes add8(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
inline Bytes add16(Bytes a, Bytes b) { return _mm256_add_epi16(a, b); }
/// sum += more. By assembly, because GCC copies such sums to and fro in every round of a loop.
inline void accumulate16(Bytes& sum, Bytes more) { asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(more)); }
/// The odd bytes as words. A product, for shifts compete with lookups where this is needed.
inline Bytes odd_bytes(Bytes a) { return _mm256_maddubs_epi16(a, all16(0x0100)); }
inline Bytes sub16(Bytes a, Bytes b) { return _mm256_sub_epi16(a, b); }
inline Bytes add32(Bytes a, Bytes b) { return _mm256_add_epi32(a, b); }
inline Bytes sub32(Bytes a, Bytes b) { return _mm256_sub_epi32(a, b); }
inline Bytes multiply32(Bytes a, Bytes b) { return _mm256_mullo_epi32(a, b); }
template <int kBits>
Bytes right16(Bytes a) {
    return _mm256_srli_epi16(a, kBits);
}
template <int kBits>
Bytes left16(Bytes a) {
    return _mm256_slli_epi16(a, kBits);
}
template <int kBits>
Bytes left32(Bytes a) {
    return _mm256_slli_epi32(a, kBits);
}
template <int kBits>
Bytes signed_right32(Bytes a) {
    return _mm256_srai_epi32(a, kBits);
}
inline Bytes half32(Bytes a) { return _mm256_srli_epi32(a, 1); }
inline Bytes low16(Bytes a, Bytes b) { return _mm256_unpacklo_epi16(a, b); }
inline Bytes high16(Bytes a, Bytes b) { return _mm256_unpackhi_epi16(a, b); }
inline Bytes low32(Bytes a, Bytes b) { return _mm256_unpacklo_epi32(a, b); }
inline Bytes high32(Bytes a, Bytes b) { return _mm256_unpackhi_epi32(a, b); }
inline Bytes low64(Bytes a, Bytes b) { return _mm256_unpacklo_epi64(a, b); }
inline Bytes high64(Bytes a, Bytes b) { return _mm256_unpackhi_epi64(a, b); }
/// a0 * b0 + a1 * b1 of neighbouring words.
inline Bytes add_products16(Bytes a, Bytes b) { return _mm256_madd_epi16(a, b); }
/// Sums of four signed bytes each, of two vectors.
inline Bytes add_fours(Bytes a, Bytes b) {
    const Bytes ones = all8(1);
    const Bytes pairs = add16(_mm256_maddubs_epi16(ones, a), _mm256_maddubs_epi16(ones, b));
    return _mm256_madd_epi16(pairs, all16(1));
}
inline Bytes saturate16(Bytes a, Bytes b) { return _mm256_packs_epi32(a, b); }
inline Bytes bound16(Bytes a, Bytes lo, Bytes hi) { return _mm256_min_epi16(_mm256_max_epi16(a, lo), hi); }
/// count + 1 in every word where a and b differ.
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b) {
    return sub16(count, _mm256_xor_si256(_mm256_cmpeq_epi16(a, b), all16(-1)));
}
/// Likewise, where `valid` is -1.
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b, Bytes valid) {
    return sub16(count, _mm256_andnot_si256(_mm256_cmpeq_epi16(a, b), valid));
}

/// from[index], 32 bits each.
inline Bytes gather(const int32_t* from, Bytes index) { return _mm256_i32gather_epi32(from, index, 4); }

inline Floats all(float value) { return _mm256_set1_ps(value); }
inline Floats as_floats(Bytes a) { return _mm256_castsi256_ps(a); }
inline Bytes as_bits(Floats a) { return _mm256_castps_si256(a); }
inline Floats to_float(Bytes a) { return _mm256_cvtepi32_ps(a); }
inline Bytes to_nearest(Floats a) { return _mm256_cvtps_epi32(a); }
inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
inline Floats fused(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats negative_fused(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
inline Floats bound(Floats a, Floats lo, Floats hi) { return _mm256_min_ps(_mm256_max_ps(a, lo), hi); }
/// +1 where a >= 0, else -1.
inline Bytes sign_of(Floats a) {
    const Bytes mask = as_bits(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GE_OQ));
    return sub32(and_bits(mask, all32(2)), all32(1));
}

#if defined(__VAES__)
inline Bytes aes_round(Bytes a, __m128i key) { return _mm256_aesenc_epi128(a, _mm256_broadcastsi128_si256(key)); }
inline Bytes aes_last_round(Bytes a, __m128i key) {
    return _mm256_aesenclast_epi128(a, _mm256_broadcastsi128_si256(key));
}
#else
inline Bytes aes_round(Bytes a, __m128i key) {
    const __m128i low = _mm_aesenc_si128(_mm256_castsi256_si128(a), key);
    return _mm256_set_m128i(_mm_aesenc_si128(_mm256_extracti128_si256(a, 1), key), low);
}
inline Bytes aes_last_round(Bytes a, __m128i key) {
    const __m128i low = _mm_aesenclast_si128(_mm256_castsi256_si128(a), key);
    return _mm256_set_m128i(_mm_aesenclast_si128(_mm256_extracti128_si256(a, 1), key), low);
}
#endif
inline Bytes repeat(__m128i a) { return _mm256_broadcastsi128_si256(a); }

/// All bits where bit `row` of a number is set, else none.
inline Bytes where_bit(Bytes numbers, int row) {
    const Bytes bit = all32(1 << row);
    return _mm256_cmpeq_epi32(and_bits(numbers, bit), bit);
}
inline Bytes shift_right32(Bytes a, int bits) { return _mm256_srl_epi32(a, _mm_cvtsi32_si128(bits)); }
/// The 16 numbers below 256 of two vectors as bytes.
inline void store_low_bytes(uint8_t* out, const Bytes* parts) {
    const Bytes words = _mm256_permute4x64_epi64(_mm256_packus_epi32(parts[0], parts[1]), 0xD8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
}

/// Indices of some groups for 16 lanes, out (groups, kLanes bytes apart, x 16), from the lanes' bits of these groups.
constexpr int kGroupsPerStep = 16;  // the bits of 64 word lines
inline uint64_t step_bits(const uint64_t* row, int, int group) { return row[group / kGroupsPerStep]; }
inline void index_step(const uint64_t* bits, uint8_t* out) {
    __m128i pairs[8];  // of groups
    transpose_words(bits, pairs);
    const __m128i nibble = _mm_set1_epi8(15);
    for (int i = 0; i < 8; ++i) {
        auto* const to = reinterpret_cast<__m128i*>(out + 2 * i * kLanes);
        _mm_storeu_si128(to, _mm_and_si128(pairs[i], nibble));
        _mm_storeu_si128(to + kParts, _mm_and_si128(_mm_srli_epi16(pairs[i], 4), nibble));
    }
}

}  // namespace
}  // namespace bitline::kernels
