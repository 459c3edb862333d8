#pragma once

// Tiles of AMX, and what amx_vector.h needs of AVX-512 beyond avx512_vector.h. In an unnamed namespace, so that no
// other file can end up with this code.

#include <immintrin.h>
#include <stdint.h>

#include "core/kernels/avx512_vector.h"

namespace bitline::kernels {
namespace {

/// Bytes of -1 where a bit is set.
inline Bytes spread_bits(uint64_t bits) { return _mm512_movm_epi8(bits); }

inline Bytes add64(Bytes a, Bytes b) { return _mm512_add_epi64(a, b); }
inline Bytes multiply16(Bytes a, Bytes b) { return _mm512_mullo_epi16(a, b); }
inline Bytes multiply64(Bytes a, Bytes b) { return _mm512_mullo_epi64(a, b); }
/// sum + a0 * b0 + a1 * b1 of neighbouring words.
inline Bytes add_products16(Bytes sum, Bytes a, Bytes b) { return _mm512_dpwssd_epi32(sum, a, b); }
/// count + 1 in every word where a and b differ, of those whose bit is set in `valid`.
inline Bytes count_unequal16(Bytes count, Bytes a, Bytes b, uint32_t valid) {
    return _mm512_mask_sub_epi16(count, _mm512_mask_cmpneq_epi16_mask(valid, a, b), count, all16(-1));
}
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

inline Floats load_floats(const float* from) { return _mm512_loadu_ps(from); }

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
