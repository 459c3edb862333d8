#include "bench/peaks.h"

#include <ctime>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/kernels/kernels.h"

namespace bench {

namespace {

#if defined(__x86_64__)

volatile float float_sink;
volatile double double_sink;
volatile int int_sink;

// Twelve independent sums hide the latency of a product; more would not fit the registers.
__attribute__((target("avx2,fma"))) void run_fp32_avx2(int64_t rounds) {
    __m256 sums[12];
    for (int i = 0; i < 12; ++i) sums[i] = _mm256_set1_ps(float(i));
    const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(1e-3f);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
    }
    for (int i = 1; i < 12; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
    float_sink = _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) void run_fp32_avx512(int64_t rounds) {
    __m512 sums[12];
    for (int i = 0; i < 12; ++i) sums[i] = _mm512_set1_ps(float(i));
    const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(1e-3f);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
    }
    for (int i = 1; i < 12; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    float_sink = _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx2,fma"))) void run_fp64_avx2(int64_t rounds) {
    __m256d sums[12];
    for (int i = 0; i < 12; ++i) sums[i] = _mm256_set1_pd(double(i));
    const __m256d factor = _mm256_set1_pd(0.999), term = _mm256_set1_pd(1e-3);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) sums[i] = _mm256_fmadd_pd(sums[i], factor, term);
    }
    for (int i = 1; i < 12; ++i) sums[0] = _mm256_add_pd(sums[0], sums[i]);
    double_sink = _mm256_cvtsd_f64(sums[0]);
}

/// Bytes as AVX2 multiplies them: pairs, fours, sum.
__attribute__((target("avx2"))) void run_int8_avx2(int64_t rounds) {
    __m256i sums[8];
    for (int i = 0; i < 8; ++i) sums[i] = _mm256_set1_epi32(i);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i bytes = _mm256_set1_epi8(3);
    for (int64_t round = 0; round < rounds; ++round) {
        __asm__ volatile("" : "+x"(bytes));  // products that never change would be computed once
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            const __m256i pairs = _mm256_maddubs_epi16(bytes, sums[i]);
            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    for (int i = 1; i < 8; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
    int_sink = _mm256_extract_epi32(sums[0], 0);
}

__attribute__((target("avx512f,avx512vnni"))) void run_int8_vnni(int64_t rounds) {
    __m512i sums[12];
    for (int i = 0; i < 12; ++i) sums[i] = _mm512_set1_epi32(i);
    const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
    }
    for (int i = 1; i < 12; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    int_sink = _mm_cvtsi128_si32(_mm512_castsi512_si128(sums[0]));
}

struct alignas(64) TileConfiguration {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t columns[16] = {};
    uint8_t rows[16] = {};
};

__attribute__((target("amx-tile,amx-int8"))) void run_int8_amx(int64_t rounds) {
    TileConfiguration configuration;
    for (int tile = 0; tile < 8; ++tile) {
        configuration.columns[tile] = 64;
        configuration.rows[tile] = 16;
    }
    _tile_loadconfig(&configuration);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t round = 0; round < rounds; ++round) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
}

#endif

/// The loop, where the machine has what it needs.
PeakLoop loop(const char* unit, double products, void (*run)(int64_t), bool present) {
    return {unit, products, present ? run : nullptr};
}

}  // namespace

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

#if defined(__x86_64__)
PeakLoop fp32_avx2() {
    return loop("float32 FMA, AVX2", 12 * 8, run_fp32_avx2,
                __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}
PeakLoop fp32_avx512() {
    return loop("float32 FMA, AVX-512", 12 * 16, run_fp32_avx512, __builtin_cpu_supports("avx512f"));
}
PeakLoop fp64_avx2() {
    return loop("float64 FMA, AVX2", 12 * 4, run_fp64_avx2,
                __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}
PeakLoop int8_avx2() { return loop("int8, AVX2", 8 * 32, run_int8_avx2, __builtin_cpu_supports("avx2")); }
PeakLoop int8_vnni() { return loop("int8, VNNI", 12 * 64, run_int8_vnni, __builtin_cpu_supports("avx512vnni")); }
PeakLoop int8_amx() {
    const bool present = bitline::kernels::find("amx") && bitline::kernels::find("amx")->available();
    return loop("int8, AMX", 4 * 16 * 16 * 64, run_int8_amx, present);
}
#else
PeakLoop fp32_avx2() { return {}; }
PeakLoop fp32_avx512() { return {}; }
PeakLoop fp64_avx2() { return {}; }
PeakLoop int8_avx2() { return {}; }
PeakLoop int8_vnni() { return {}; }
PeakLoop int8_amx() { return {}; }
#endif

double rate(const PeakLoop& loop, double seconds) {
    if (!loop.run) return 0;
    int64_t rounds = 1000;
    for (;;) {
        const double start = thread_seconds();
        loop.run(rounds);
        const double taken = thread_seconds() - start;
        if (taken >= seconds) return loop.products_per_round * double(rounds) / taken * 1e-9;
        rounds = taken < seconds / 100 ? rounds * 10 : int64_t(double(rounds) * 1.2 * seconds / taken) + 1;
    }
}

}  // namespace bench
