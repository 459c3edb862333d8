#pragma once

// noise.h on vectors. Included behind the vectors of an instruction set, in a file compiled for it.

#include "core/kernels/noise.h"

namespace bitline::kernels {
namespace {

/// Keys of every round.
struct RoundKeys {
    __m128i at[kNoiseRounds + 1];
};

inline RoundKeys round_keys(uint32_t k0, uint32_t k1) {
    RoundKeys keys;
    const __m128i weyl = _mm_set_epi64x(int64_t(0xBB67AE8584CAA73B), int64_t(0x9E3779B97F4A7C15));
    keys.at[0] = _mm_set_epi32(0, 0, int(k1), int(k0));
    for (int round = 1; round <= kNoiseRounds; ++round) keys.at[round] = _mm_add_epi64(keys.at[round - 1], weyl);
    return keys;
}

/// Deviates of the words of ARS at `counters`.
inline Bytes deviates(Bytes counters, const RoundKeys& keys) {
    Bytes words = xor_bits(counters, repeat(keys.at[0]));
    for (int round = 1; round < kNoiseRounds; ++round) words = aes_round(words, keys.at[round]);
    words = aes_last_round(words, keys.at[kNoiseRounds]);
    const Bytes low = and_bits(words, all8(15)), high = and_bits(right16<4>(words), all8(15));
    return add_fours(look_up16(repeat16(kNoiseLow), low), look_up16(repeat16(kNoiseHigh), high));
}

/// As noise.h's, of eight or more at once.
inline Floats noise_roots(Floats q) {
    const Floats half = multiply(all(0.5f), q);
    Floats y = as_floats(sub32(all32(0x5F3759DF), half32(as_bits(q))));
    for (int step = 0; step < 2; ++step) y = multiply(y, negative_fused(multiply(half, y), y, all(1.5f)));
    return multiply(q, y);
}

}  // namespace
}  // namespace bitline::kernels
