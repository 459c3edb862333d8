#pragma once

// The vectors that lookup.h computes with, as AVX-512 has them: 64 bytes, 32 words or 16 numbers. A table of 64 entries
// fits a register (VBMI), so a group is of six word lines. In an unnamed namespace, so that no other file can end up
// with this code.

#include <immintrin.h>
#include <stdint.h>

#include "core/kernels/transpose.h"

namespace bitline::kernels {
namespace {

using Bytes = __m512i;  // also of 16-bit words and of 32-bit integers
using Floats = __m512;

constexpr int kLanes = 64;       // digit rows computed together
constexpr int kGroupRows = 6;    // word lines whose bits are an index into a table
constexpr int kTableBytes = 64;  // 2^kGroupRows
constexpr int kParts = kLanes / 16;

inline Bytes zero() { return _mm512_setzero_si512(); }
inline Bytes load(const void* from) { return _mm512_loadu_si512(from); }
inline void store(void* to, Bytes value) { _mm512_storeu_si512(to, value); }
inline Bytes all8(int value) { return _mm512_set1_epi8(char(value)); }
inline Bytes all16(int value) { return _mm512_set1_epi16(short(value)); }
inline Bytes all32(int32_t value) { return _mm512_set1_epi32(value); }

/// A table, ready for `look_up`.
inline Bytes load_table(const uint8_t* from) { return load(from); }
inline Bytes look_up(Bytes table, const uint8_t* index) { return _mm512_permutexvar_epi8(load(index), table); }
/// Half-byte lookups: 16 entries in each 128-bit part of `table`.
inline Bytes look_up16(Bytes table, Bytes index) { return _mm512_shuffle_epi8(table, index); }
inline Bytes repeat(__m128i a) { return _mm512_broadcast_i32x4(a); }
inline Bytes repeat16(const void* from) { return repeat(_mm_loadu_si128(static_cast<const __m128i*>(from))); }

inline Bytes and_bits(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
inline Bytes xor_bits(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
inline Bytes add8(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
inline Bytes add16(Bytes a, Bytes b) { return _mm512_add_epi16(a, b); }
/// sum += more. By assembly, because GCC copies such sums to and fro in every round of a loop.
inline void accumulate16(Bytes& sum, Bytes more) { asm("vpaddw %1, %0, %0" : "+v"(sum) : "v"(more)); }
/// The odd bytes as words.
inline Bytes odd_bytes(Bytes a) { return _mm512_srli_epi16(a, 8); }
inline Bytes sub16(Bytes a, Bytes b) { return _mm512_sub_epi16(a, b); }
inline Bytes add32(Bytes a, Bytes b) { return _mm512_add_epi32(a, b); }
inline Bytes sub32(Bytes a, Bytes b) { return _mm512_sub_epi32(a, b); }
inline Bytes multiply32(Bytes a, Bytes b) { return _mm512_mullo_epi32(a, b); }
template <int kBits>
Bytes right16(Bytes a) {
    return _mm512_srli_epi16(a, kBits);
}
template <int kBits>
Bytes left16(Bytes a) {
    return _mm512_slli_epi16(a, kBits);
}
template <int kBits>
Bytes left32(Bytes a) {
    return _mm512_slli_epi32(a, kBits);
}
template <int kBits>
Bytes signed_right32(Bytes a) {
    return _mm512_srai_epi32(a, kBits);
}
inline Bytes half32(Bytes a) { return _mm512_srli_epi32(a, 1); }
inline Bytes low16(Bytes a, Bytes b) { return _mm512_unpacklo_epi16(a, b); }
inline Bytes high16(Bytes a, Bytes b) { return _mm512_unpackhi_epi16(a, b); }
inline Bytes low32(Bytes a, Bytes b) { return _mm512_unpacklo_epi32(a, b); }
inline Bytes high32(Bytes a, Bytes b) { return _mm512_unpackhi_epi32(a, b); }
inline Bytes low64(Bytes a, Bytes b) { return _mm512_unpacklo_epi64(a, b); }
inline Bytes high64(Bytes a, Bytes b) { return _mm512_unpackhi_epi64(a, b); }
/// a0 * b0 + a1 * b1 of neighbouring words.
inline Bytes add_products16(Bytes a, Bytes b) { return _mm512_madd_epi16(a, b); }
/// Sums of four signed bytes each, of two vectors.
inline Bytes add_fours(Bytes a, Bytes b) {
    const Bytes ones = all8(1);
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero(), ones, a), ones, b);
}
inline Bytes saturate16(Bytes a, Bytes b) { return _mm512_packs_epi32(a, b); }
inline Bytes bound16(Bytes a, Bytes lo, Bytes hi) { return _mm512_min_epi16(_mm512_max_epi16(a, lo), hi); }
/// count + 1 in every word where a and b differ and `valid` is -1.
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b, Bytes valid) {
    return _mm512_mask_sub_epi16(count, _mm512_cmpneq_epi16_mask(a, b), count, valid);
}
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b) { return count_unequal16(count, a, b, all16(-1)); }

/// from[index], 32 bits each.
inline Bytes gather(const int32_t* from, Bytes index) { return _mm512_i32gather_epi32(index, from, 4); }

inline Floats all(float value) { return _mm512_set1_ps(value); }
inline Floats as_floats(Bytes a) { return _mm512_castsi512_ps(a); }
inline Bytes as_bits(Floats a) { return _mm512_castps_si512(a); }
inline Floats to_float(Bytes a) { return _mm512_cvtepi32_ps(a); }
inline Bytes to_nearest(Floats a) { return _mm512_cvtps_epi32(a); }
inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats fused(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats negative_fused(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
inline Floats bound(Floats a, Floats lo, Floats hi) { return _mm512_min_ps(_mm512_max_ps(a, lo), hi); }
/// +1 where a >= 0, else -1.
inline Bytes sign_of(Floats a) {
    return _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GE_OQ), all32(-1), all32(1));
}

inline Bytes aes_round(Bytes a, __m128i key) { return _mm512_aesenc_epi128(a, repeat(key)); }
inline Bytes aes_last_round(Bytes a, __m128i key) { return _mm512_aesenclast_epi128(a, repeat(key)); }

/// All bits where bit `row` of a number is set, else none.
inline Bytes where_bit(Bytes numbers, int row) {
    return _mm512_movm_epi32(_mm512_test_epi32_mask(numbers, all32(1 << row)));
}
inline Bytes shift_right32(Bytes a, int bits) { return _mm512_srl_epi32(a, _mm_cvtsi32_si128(bits)); }
/// The 64 numbers below 256 of four vectors as bytes.
inline void store_low_bytes(uint8_t* out, const Bytes* parts) {
    for (int part = 0; part < 4; ++part) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out) + part, _mm512_cvtepi32_epi8(parts[part]));
    }
}

/// Indices of some groups for 16 lanes, out (groups, kLanes bytes apart, x 16), from the lanes' bits of these groups.
constexpr int kGroupsPerStep = 8;  // the bits of 48 word lines
inline uint64_t step_bits(const uint64_t* row, int words, int group) {
    const int first = group * kGroupRows, word = first / 64, shift = first % 64;
    if (word >= words) return 0;
    uint64_t bits = row[word] >> shift;
    if (shift > 64 - kGroupsPerStep * kGroupRows && word + 1 < words) bits |= row[word + 1] << (64 - shift);
    return bits;
}
inline void index_step(const uint64_t* bits, uint8_t* out) {
    uint64_t spread[16];
    for (int lane = 0; lane < 16; ++lane) spread[lane] = _pdep_u64(bits[lane], 0x3F3F3F3F3F3F3F3F);
    __m128i groups[kGroupsPerStep];
    transpose_words(spread, groups);
    for (int i = 0; i < kGroupsPerStep; ++i) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * kLanes), groups[i]);
    }
}

}  // namespace
}  // namespace bitline::kernels
