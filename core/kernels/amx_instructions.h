#pragma once

// Tiles of AMX and vectors of AVX-512, as amx_vector.h computes with them. In an unnamed namespace, so that no other
// file can end up with this code.

#include <immintrin.h>
#include <stdint.h>

namespace bitline::kernels {
namespace {

using Bytes = __m512i;  // also of 16-bit words, of 32-bit and of 64-bit integers
using Floats = __m512;

inline Bytes zero() { return _mm512_setzero_si512(); }
inline Bytes load(const void* from) { return _mm512_loadu_si512(from); }
inline void store(void* to, Bytes value) { _mm512_storeu_si512(to, value); }
inline Bytes all8(int value) { return _mm512_set1_epi8(char(value)); }
inline Bytes all16(int value) { return _mm512_set1_epi16(short(value)); }
inline Bytes all32(int32_t value) { return _mm512_set1_epi32(value); }
/// Bytes of -1 where a bit is set.
inline Bytes spread_bits(uint64_t bits) { return _mm512_movm_epi8(bits); }

inline Bytes repeat(__m128i a) { return _mm512_broadcast_i32x4(a); }
inline Bytes repeat16(const void* from) { return repeat(_mm_loadu_si128(static_cast<const __m128i*>(from))); }
/// Half-byte lookups: 16 entries in each 128-bit part of `table`.
inline Bytes look_up16(Bytes table, Bytes index) { return _mm512_shuffle_epi8(table, index); }

inline Bytes and_bits(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
inline Bytes xor_bits(Bytes a, Bytes b) { return _mm512_xor_si512(a, b); }
inline Bytes add32(Bytes a, Bytes b) { return _mm512_add_epi32(a, b); }
inline Bytes sub32(Bytes a, Bytes b) { return _mm512_sub_epi32(a, b); }
inline Bytes add64(Bytes a, Bytes b) { return _mm512_add_epi64(a, b); }
inline Bytes multiply16(Bytes a, Bytes b) { return _mm512_mullo_epi16(a, b); }
inline Bytes multiply64(Bytes a, Bytes b) { return _mm512_mullo_epi64(a, b); }
template <int kBits>
Bytes right16(Bytes a) {
    return _mm512_srli_epi16(a, kBits);
}
inline Bytes half32(Bytes a) { return _mm512_srli_epi32(a, 1); }
/// Sums of four signed bytes each, of two vectors.
inline Bytes add_fours(Bytes a, Bytes b) {
    const Bytes ones = all8(1);
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero(), ones, a), ones, b);
}
/// sum + a0 * b0 + a1 * b1 of neighbouring words.
inline Bytes add_products16(Bytes sum, Bytes a, Bytes b) { return _mm512_dpwssd_epi32(sum, a, b); }
inline Bytes saturate16(Bytes a, Bytes b) { return _mm512_packs_epi32(a, b); }
inline Bytes bound16(Bytes a, Bytes lo, Bytes hi) { return _mm512_min_epi16(_mm512_max_epi16(a, lo), hi); }
/// count + 1 in every word where a and b differ, of those whose bit is set in `valid`.
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b, uint32_t valid) {
    return _mm512_mask_sub_epi16(count, _mm512_mask_cmpneq_epi16_mask(valid, a, b), count, all16(-1));
}
inline Bytes low32(Bytes a, Bytes b) { return _mm512_unpacklo_epi32(a, b); }
inline Bytes high32(Bytes a, Bytes b) { return _mm512_unpackhi_epi32(a, b); }
/// Sums of neighbouring 32-bit integers, in 64 bits.
inline Bytes add_pairs32(Bytes a) { return _mm512_srai_epi64(add32(a, _mm512_slli_epi64(a, 32)), 32); }
/// Even 64-bit numbers before odd ones.
inline Bytes part64(Bytes a) { return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), a); }
inline Bytes low_half_to64(Bytes a) { return _mm512_cvtepi32_epi64(_mm512_castsi512_si256(a)); }
inline Bytes high_half_to64(Bytes a) { return _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(a, 1)); }
/// Adds four 64-bit integers to those in memory.
inline void add_to64(int64_t* to, __m256i more) {
    auto* const at = reinterpret_cast<__m256i*>(to);
    _mm256_storeu_si256(at, _mm256_add_epi64(_mm256_loadu_si256(at), more));
}
inline void add_low_half64(int64_t* to, Bytes more) { add_to64(to, _mm512_castsi512_si256(more)); }
inline void add_high_half64(int64_t* to, Bytes more) { add_to64(to, _mm512_extracti64x4_epi64(more, 1)); }

inline Floats all(float value) { return _mm512_set1_ps(value); }
inline Floats load_floats(const float* from) { return _mm512_loadu_ps(from); }
inline Floats as_floats(Bytes a) { return _mm512_castsi512_ps(a); }
inline Bytes as_bits(Floats a) { return _mm512_castps_si512(a); }
inline Floats to_float(Bytes a) { return _mm512_cvtepi32_ps(a); }
inline Bytes to_nearest(Floats a) { return _mm512_cvtps_epi32(a); }
inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats fused(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats negative_fused(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
/// +1 where a >= 0, else -1.
inline Bytes sign_of(Floats a) {
    return _mm512_mask_mov_epi32(all32(-1), _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GE_OQ), all32(1));
}

inline Bytes aes_round(Bytes a, __m128i key) { return _mm512_aesenc_epi128(a, repeat(key)); }
inline Bytes aes_last_round(Bytes a, __m128i key) { return _mm512_aesenclast_epi128(a, repeat(key)); }

// Tiles by assembly, because the compiler's own functions take their numbers from the text of the source only.

struct TileConfiguration {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

inline void configure(const TileConfiguration& configuration) { asm volatile("ldtilecfg %0" ::"m"(configuration)); }
inline void release_tiles() { asm volatile("tilerelease"); }
template <int kTile>
void clear_tile() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
/// Rows of 64 bytes.
template <int kTile>
void load_tile(const void* from) {
    asm volatile("tileloadd (%1, %2, 1), %%tmm%c0" ::"i"(kTile), "r"(from), "r"(int64_t{64}) : "memory");
}
template <int kTile>
void store_tile(void* to) {
    asm volatile("tilestored %%tmm%c0, (%1, %2, 1)" ::"i"(kTile), "r"(to), "r"(int64_t{64}) : "memory");
}
/// Sums of products: signed times signed bytes.
template <int kSum, int kA, int kB>
void add_signed() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}
/// Unsigned times signed bytes.
template <int kSum, int kA, int kB>
void add_mixed() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}
/// Unsigned times unsigned bytes.
template <int kSum, int kA, int kB>
void add_unsigned() {
    asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}

}  // namespace
}  // namespace bitline::kernels
