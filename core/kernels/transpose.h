#pragma once

// Bytes of 16 lanes regrouped by place, for files compiled for AVX2 or more. In an unnamed namespace, so that no other
// file can end up with this code.

#include <immintrin.h>
#include <stdint.h>

namespace bitline::kernels {
namespace {

/// places[b]: byte b of each of 16 words.
inline void transpose_words(const uint64_t* words, __m128i* places) {
    __m128i pair[8], quad[8], eight[8];
    for (int i = 0; i < 8; ++i) {  // bytes of lanes 2 i and 2 i + 1, side by side
        const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words + 2 * i));
        pair[i] = _mm_unpacklo_epi8(both, _mm_srli_si128(both, 8));
    }
    for (int i = 0; i < 4; ++i) {
        quad[2 * i] = _mm_unpacklo_epi16(pair[2 * i], pair[2 * i + 1]);      // bytes 0 .. 3 of four lanes
        quad[2 * i + 1] = _mm_unpackhi_epi16(pair[2 * i], pair[2 * i + 1]);  // bytes 4 .. 7
    }
    for (int i = 0; i < 2; ++i) {
        for (int half = 0; half < 2; ++half) {
            eight[4 * i + 2 * half] = _mm_unpacklo_epi32(quad[4 * i + half], quad[4 * i + 2 + half]);
            eight[4 * i + 2 * half + 1] = _mm_unpackhi_epi32(quad[4 * i + half], quad[4 * i + 2 + half]);
        }
    }
    for (int k = 0; k < 4; ++k) {
        places[2 * k] = _mm_unpacklo_epi64(eight[k], eight[4 + k]);
        places[2 * k + 1] = _mm_unpackhi_epi64(eight[k], eight[4 + k]);
    }
}

}  // namespace
}  // namespace bitline::kernels
