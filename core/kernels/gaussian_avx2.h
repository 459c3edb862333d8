#pragma once

// Philox 4x32-10 on four counters at a time and the normal quantile on eight numbers at a time, for files compiled with
// AVX2. In an unnamed namespace, so that no other file can end up with this code.

#include <immintrin.h>

#include "core/gaussian_table.h"

namespace bitline::kernels {
namespace {

/// The keys of the ten rounds, in the low half of each 64-bit lane.
struct PhiloxKeys {
    __m256i k0[10], k1[10];
};

inline PhiloxKeys philox_keys(uint32_t k0, uint32_t k1) {
    PhiloxKeys keys;
    for (int round = 0; round < 10; ++round) {
        keys.k0[round] = _mm256_set1_epi64x(k0);
        keys.k1[round] = _mm256_set1_epi64x(k1);
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return keys;
}

struct Bits16 {
    __m256i low, high;
};

/// The 16 words of counters (first .. first + 3, c1, c2, c3), in the order counter, word.
inline Bits16 philox16(const PhiloxKeys& keys, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3) {
    // One counter per 64-bit lane, one word per register. Only low halves count: the products read nothing else.
    const __m256i multiplier0 = _mm256_set1_epi64x(0xD2511F53), multiplier1 = _mm256_set1_epi64x(0xCD9E8D57);
    __m256i w0 = _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_set_epi64x(3, 2, 1, 0));
    __m256i w1 = _mm256_set1_epi64x(c1), w2 = _mm256_set1_epi64x(c2), w3 = _mm256_set1_epi64x(c3);
    for (int round = 0; round < 10; ++round) {
        const __m256i product0 = _mm256_mul_epu32(w0, multiplier0);
        const __m256i product1 = _mm256_mul_epu32(w2, multiplier1);
        w0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product1, 32), w1), keys.k0[round]);
        w1 = product1;
        w2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product0, 32), w3), keys.k1[round]);
        w3 = product0;
    }
    const __m256i w01 = _mm256_blend_epi32(w0, _mm256_slli_epi64(w1, 32), 0xAA);
    const __m256i w23 = _mm256_blend_epi32(w2, _mm256_slli_epi64(w3, 32), 0xAA);
    const __m256i even = _mm256_unpacklo_epi64(w01, w23);  // counters 0 and 2
    const __m256i odd = _mm256_unpackhi_epi64(w01, w23);   // counters 1 and 3
    return {_mm256_permute2x128_si256(even, odd, 0x20), _mm256_permute2x128_si256(even, odd, 0x31)};
}

/// `gaussian` of eight words. The rows of the table are fetched whole and transposed: gathers would cost more.
inline __m256 gaussian8(__m256i bits, const GaussianSegment* table) {
    const __m256i distance = _mm256_xor_si256(bits, _mm256_srai_epi32(bits, 31));
    const __m256i pattern = _mm256_castps_si256(_mm256_add_ps(_mm256_cvtepi32_ps(distance), _mm256_set1_ps(0.5f)));
    alignas(32) uint32_t index[8];
    _mm256_store_si256(
        reinterpret_cast<__m256i*>(index),
        _mm256_sub_epi32(_mm256_srli_epi32(pattern, kGaussianSegmentShift), _mm256_set1_epi32(kGaussianFirst)));
    const __m256i mantissa = _mm256_and_si256(pattern, _mm256_set1_epi32(kGaussianArgumentMask));
    const __m256 t = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_or_si256(mantissa, _mm256_set1_epi32(0x3F800000))),
                                   _mm256_set1_ps(1.0f));
    const auto rows = [&](int i) {  // rows i and i + 4
        const __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(&table[index[i]].c0));
        return _mm256_insertf128_ps(low, _mm_loadu_ps(&table[index[i + 4]].c0), 1);
    };
    const __m256 r0 = rows(0), r1 = rows(1), r2 = rows(2), r3 = rows(3);
    const __m256 r01_low = _mm256_unpacklo_ps(r0, r1), r01_high = _mm256_unpackhi_ps(r0, r1);
    const __m256 r23_low = _mm256_unpacklo_ps(r2, r3), r23_high = _mm256_unpackhi_ps(r2, r3);
    const __m256 c0 = _mm256_shuffle_ps(r01_low, r23_low, 0x44), c1 = _mm256_shuffle_ps(r01_low, r23_low, 0xEE);
    const __m256 c2 = _mm256_shuffle_ps(r01_high, r23_high, 0x44), c3 = _mm256_shuffle_ps(r01_high, r23_high, 0xEE);
    __m256 magnitude = _mm256_add_ps(_mm256_mul_ps(c3, t), c2);
    magnitude = _mm256_add_ps(_mm256_mul_ps(magnitude, t), c1);
    magnitude = _mm256_add_ps(_mm256_mul_ps(magnitude, t), c0);
    const __m256i lower_half = _mm256_andnot_si256(bits, _mm256_set1_epi32(int(0x80000000)));
    return _mm256_xor_ps(magnitude, _mm256_castsi256_ps(lower_half));
}

}  // namespace
}  // namespace bitline::kernels
