// The vector part of the tile kernel over plain loops, so that machines without tiles test its steps. Compiled with the
// flags of AVX2, for the rounds of AES only: intrinsics and raw pointers, as in core/kernels.

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/kernels/amx.h"

namespace bitline::kernels {
namespace {

struct alignas(64) Bytes {
    uint8_t at[64];
};
struct alignas(64) Floats {
    float at[16];
};

/// A vector as an array of numbers.
template <class T>
struct Lanes {
    static constexpr int kCount = 64 / sizeof(T);
    T at[kCount];
    Lanes() = default;
    explicit Lanes(const Bytes& from) { memcpy(at, &from, 64); }
    Bytes bytes() const {
        Bytes out;
        memcpy(&out, at, 64);
        return out;
    }
};

template <class T, class Function>
Bytes each(const Bytes& a, const Bytes& b, const Function& function) {
    const Lanes<T> x(a), y(b);
    Lanes<T> out;
    for (int i = 0; i < out.kCount; ++i) out.at[i] = T(function(x.at[i], y.at[i]));
    return out.bytes();
}

template <class Function>
Floats each(const Floats& a, const Floats& b, const Floats& c, const Function& function) {
    Floats out;
    for (int i = 0; i < 16; ++i) out.at[i] = function(a.at[i], b.at[i], c.at[i]);
    return out;
}

template <class T>
Bytes fill(T value) {
    Lanes<T> out;
    for (T& lane : out.at) lane = value;
    return out.bytes();
}

Bytes load(const void* from) {
    Bytes out;
    memcpy(&out, from, 64);
    return out;
}
void store(void* to, const Bytes& value) { memcpy(to, &value, 64); }
Bytes zero() { return fill<uint8_t>(0); }
Bytes all8(int value) { return fill(uint8_t(value)); }
Bytes all16(int value) { return fill(uint16_t(value)); }
Bytes all32(int32_t value) { return fill(value); }
Bytes spread_bits(uint64_t bits) {
    Bytes out;
    for (int i = 0; i < 64; ++i) out.at[i] = bits >> i & 1 ? 0xFF : 0;
    return out;
}

Bytes repeat(__m128i a) {
    Bytes out;
    for (int i = 0; i < 4; ++i) memcpy(out.at + 16 * i, &a, 16);
    return out;
}
Bytes repeat16(const void* from) { return repeat(_mm_loadu_si128(static_cast<const __m128i*>(from))); }
Bytes look_up16(const Bytes& table, const Bytes& index) {
    Bytes out;
    for (int i = 0; i < 64; ++i) out.at[i] = table.at[i / 16 * 16 + index.at[i] % 16];
    return out;
}

Bytes and_bits(const Bytes& a, const Bytes& b) {
    return each<uint64_t>(a, b, [](uint64_t x, uint64_t y) { return x & y; });
}
Bytes xor_bits(const Bytes& a, const Bytes& b) {
    return each<uint64_t>(a, b, [](uint64_t x, uint64_t y) { return x ^ y; });
}
Bytes add32(const Bytes& a, const Bytes& b) {
    return each<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
Bytes sub32(const Bytes& a, const Bytes& b) {
    return each<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x - y; });
}
Bytes add64(const Bytes& a, const Bytes& b) {
    return each<uint64_t>(a, b, [](uint64_t x, uint64_t y) { return x + y; });
}
Bytes multiply16(const Bytes& a, const Bytes& b) {
    return each<uint16_t>(a, b, [](uint32_t x, uint32_t y) { return x * y; });
}
Bytes multiply64(const Bytes& a, const Bytes& b) {
    return each<uint64_t>(a, b, [](uint64_t x, uint64_t y) { return x * y; });
}
template <int kBits>
Bytes right16(const Bytes& a) {
    return each<uint16_t>(a, a, [](int x, int) { return x >> kBits; });
}
Bytes half32(const Bytes& a) {
    return each<uint32_t>(a, a, [](uint32_t x, uint32_t) { return x >> 1; });
}
Bytes add_fours(const Bytes& a, const Bytes& b) {
    const Lanes<int8_t> x(a), y(b);
    Lanes<int32_t> out;
    for (int i = 0; i < 16; ++i) {
        out.at[i] = 0;
        for (int k = 4 * i; k < 4 * i + 4; ++k) out.at[i] += x.at[k] + y.at[k];
    }
    return out.bytes();
}
Bytes add_products16(const Bytes& sum, const Bytes& a, const Bytes& b) {
    const Lanes<int16_t> x(a), y(b);
    Lanes<int32_t> out(sum);
    for (int i = 0; i < 32; ++i) out.at[i / 2] += x.at[i] * y.at[i];
    return out.bytes();
}
Bytes saturate16(const Bytes& a, const Bytes& b) {
    const Lanes<int32_t> x(a), y(b);
    Lanes<int16_t> out;
    for (int i = 0; i < 32; ++i) {
        const int32_t from = i % 8 < 4 ? x.at[i / 8 * 4 + i % 4] : y.at[i / 8 * 4 + i % 4];
        out.at[i] = int16_t(from > 32767 ? 32767 : from < -32768 ? -32768 : from);
    }
    return out.bytes();
}
Bytes bound16(const Bytes& a, const Bytes& lo, const Bytes& hi) {
    const Bytes above = each<int16_t>(a, lo, [](int x, int least) { return x < least ? least : x; });
    return each<int16_t>(above, hi, [](int x, int most) { return x > most ? most : x; });
}
Bytes count_unequal16(const Bytes& count, const Bytes& a, const Bytes& b, uint32_t valid) {
    const Lanes<int16_t> x(a), y(b);
    Lanes<int16_t> out(count);
    for (int i = 0; i < 32; ++i) out.at[i] = int16_t(out.at[i] + ((valid >> i & 1) && x.at[i] != y.at[i]));
    return out.bytes();
}
/// Neighbours from a and from b, of the first or the second half of each 128 bits.
Bytes interleave32(const Bytes& a, const Bytes& b, int half) {
    const Lanes<int32_t> x(a), y(b);
    Lanes<int32_t> out;
    for (int i = 0; i < 16; ++i) {
        const int from = i / 4 * 4 + 2 * half + i % 4 / 2;
        out.at[i] = i % 2 ? y.at[from] : x.at[from];
    }
    return out.bytes();
}
Bytes low32(const Bytes& a, const Bytes& b) { return interleave32(a, b, 0); }
Bytes high32(const Bytes& a, const Bytes& b) { return interleave32(a, b, 1); }
Bytes add_pairs32(const Bytes& a) {
    const Lanes<int32_t> x(a);
    Lanes<int64_t> out;
    for (int i = 0; i < 8; ++i) out.at[i] = x.at[2 * i] + x.at[2 * i + 1];
    return out.bytes();
}
Bytes part64(const Bytes& a) {
    const Lanes<int64_t> x(a);
    Lanes<int64_t> out;
    for (int i = 0; i < 8; ++i) out.at[i] = x.at[i % 4 * 2 + i / 4];
    return out.bytes();
}
Bytes half_to64(const Bytes& a, int half) {
    const Lanes<int32_t> x(a);
    Lanes<int64_t> out;
    for (int i = 0; i < 8; ++i) out.at[i] = x.at[8 * half + i];
    return out.bytes();
}
Bytes low_half_to64(const Bytes& a) { return half_to64(a, 0); }
Bytes high_half_to64(const Bytes& a) { return half_to64(a, 1); }
void add_half64(int64_t* to, const Bytes& more, int half) {
    const Lanes<int64_t> x(more);
    for (int i = 0; i < 4; ++i) to[i] += x.at[4 * half + i];
}
void add_low_half64(int64_t* to, const Bytes& more) { add_half64(to, more, 0); }
void add_high_half64(int64_t* to, const Bytes& more) { add_half64(to, more, 1); }

Floats all(float value) {
    Floats out;
    for (float& lane : out.at) lane = value;
    return out;
}
Floats load_floats(const float* from) {
    Floats out;
    memcpy(&out, from, 64);
    return out;
}
Floats as_floats(const Bytes& a) {
    Floats out;
    memcpy(&out, &a, 64);
    return out;
}
Bytes as_bits(const Floats& a) { return load(&a); }
Floats to_float(const Bytes& a) {
    const Lanes<int32_t> x(a);
    Floats out;
    for (int i = 0; i < 16; ++i) out.at[i] = float(x.at[i]);
    return out;
}
Bytes to_nearest(const Floats& a) {
    Lanes<int32_t> out;
    for (int i = 0; i < 16; ++i) {
        const bool fits = a.at[i] >= -0x1p31f && a.at[i] < 0x1p31f;
        out.at[i] = fits ? int32_t(__builtin_nearbyintf(a.at[i])) : INT32_MIN;
    }
    return out.bytes();
}
Floats multiply(const Floats& a, const Floats& b) {
    return each(a, b, b, [](float x, float y, float) { return x * y; });
}
Floats subtract(const Floats& a, const Floats& b) {
    return each(a, b, b, [](float x, float y, float) { return x - y; });
}
Floats fused(const Floats& a, const Floats& b, const Floats& c) {
    return each(a, b, c, [](float x, float y, float z) { return __builtin_fmaf(x, y, z); });
}
Floats negative_fused(const Floats& a, const Floats& b, const Floats& c) {
    return each(a, b, c, [](float x, float y, float z) { return __builtin_fmaf(-x, y, z); });
}
Bytes sign_of(const Floats& a) {
    Lanes<int32_t> out;
    for (int i = 0; i < 16; ++i) out.at[i] = a.at[i] >= 0 ? 1 : -1;
    return out.bytes();
}

Bytes aes_round(Bytes a, __m128i key) {
    for (int i = 0; i < 64; i += 16) {
        auto* const part = reinterpret_cast<__m128i*>(a.at + i);
        _mm_store_si128(part, _mm_aesenc_si128(_mm_load_si128(part), key));
    }
    return a;
}
Bytes aes_last_round(Bytes a, __m128i key) {
    for (int i = 0; i < 64; i += 16) {
        auto* const part = reinterpret_cast<__m128i*>(a.at + i);
        _mm_store_si128(part, _mm_aesenclast_si128(_mm_load_si128(part), key));
    }
    return a;
}

// ------------------------------------------------------------------------------------------------ tiles

struct TileConfiguration {
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

/// Shapes and contents. An instruction on tiles whose shapes do not match ends the program, as the processor's does.
struct Unit {
    TileConfiguration shape;
    uint8_t tile[8][16][64] = {};
};
thread_local Unit unit;

void require(bool matches) {
    if (!matches) __builtin_trap();
}

void configure(const TileConfiguration& configuration) { unit = {configuration, {}}; }
void release_tiles() { unit = {}; }
template <int kTile>
void clear_tile() {
    require(unit.shape.rows[kTile] > 0);
    memset(unit.tile[kTile], 0, sizeof unit.tile[kTile]);
}
template <int kTile>
void load_tile(const void* from) {
    clear_tile<kTile>();
    for (int row = 0; row < unit.shape.rows[kTile]; ++row) {
        memcpy(unit.tile[kTile][row], static_cast<const uint8_t*>(from) + row * 64, unit.shape.row_bytes[kTile]);
    }
}
template <int kTile>
void store_tile(void* to) {
    require(unit.shape.rows[kTile] > 0);
    for (int row = 0; row < unit.shape.rows[kTile]; ++row) {
        memcpy(static_cast<uint8_t*>(to) + row * 64, unit.tile[kTile][row], unit.shape.row_bytes[kTile]);
    }
}

template <int kSum, int kA, int kB, class FromA, class FromB>
void add_product() {
    const TileConfiguration& shape = unit.shape;
    require(shape.rows[kSum] > 0 && shape.rows[kSum] == shape.rows[kA]);
    require(shape.row_bytes[kA] == shape.rows[kB] * 4 && shape.row_bytes[kSum] == shape.row_bytes[kB]);
    for (int row = 0; row < shape.rows[kSum]; ++row) {
        int32_t sums[16];
        memcpy(sums, unit.tile[kSum][row], 64);
        for (int k = 0; k < shape.row_bytes[kA]; ++k) {
            const int a = FromA(unit.tile[kA][row][k]);
            const uint8_t* const b = unit.tile[kB][k / 4] + k % 4;
            for (int i = 0; i < 16; ++i) sums[i] = int32_t(uint32_t(sums[i]) + uint32_t(a * FromB(b[4 * i])));
        }
        memcpy(unit.tile[kSum][row], sums, shape.row_bytes[kSum]);
    }
}
template <int kSum, int kA, int kB>
void add_signed() {
    add_product<kSum, kA, kB, int8_t, int8_t>();
}
template <int kSum, int kA, int kB>
void add_mixed() {
    add_product<kSum, kA, kB, uint8_t, int8_t>();
}
template <int kSum, int kA, int kB>
void add_unsigned() {
    add_product<kSum, kA, kB, uint8_t, uint8_t>();
}

}  // namespace
}  // namespace bitline::kernels

#include "core/kernels/amx_vector.h"

namespace bitline::kernels::amx {

extern const Vector kEmulatedTiles;
const Vector kEmulatedTiles = {sums, convert};

}  // namespace bitline::kernels::amx

#endif
