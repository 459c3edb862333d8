// The kernels of x86 processors: which part serves which block.

#include "core/kernels/x86_kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>

#include <initializer_list>
#include <string>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "core/kernels/amx_kernel.h"
#include "core/kernels/digits_kernel.h"
#include "core/kernels/lookup_kernel.h"
#include "core/kernels/scalar.h"

namespace bitline::kernels {

namespace lookup {
extern const Vector kAvx512, kAvx2Vaes, kAvx2;
}

namespace amx {
extern const Vector kTiles;
}

namespace {

/// AES rounds on wide registers: bit 9 of ECX in leaf 7, which GCC 12 has no name for.
bool has_vaes() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 9 & 1);
}

struct Feature {
    const char* name;
    bool present;
};

/// Names of the features that are absent, behind those already found missing.
std::string add_missing(std::string missing, std::initializer_list<Feature> features) {
    for (const Feature& feature : features) {
        if (!feature.present) missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
    }
    return missing;
}

// libgcc and compiler-rt report AVX2 only where the operating system saves the wide registers, too.
std::string missing_avx2() {
    return add_missing("", {{"AVX2", __builtin_cpu_supports("avx2") != 0},
                            {"FMA", __builtin_cpu_supports("fma") != 0},
                            {"AES", __builtin_cpu_supports("aes") != 0},
                            {"POPCNT", __builtin_cpu_supports("popcnt") != 0}});
}

/// What Ice Lake and Zen 4 brought; the lookups need tables of 64 bytes in a register (VBMI).
std::string missing_avx512() {
    return add_missing(missing_avx2(), {{"AVX512F", __builtin_cpu_supports("avx512f") != 0},
                                        {"AVX512BW", __builtin_cpu_supports("avx512bw") != 0},
                                        {"AVX512DQ", __builtin_cpu_supports("avx512dq") != 0},
                                        {"AVX512VL", __builtin_cpu_supports("avx512vl") != 0},
                                        {"AVX512VBMI", __builtin_cpu_supports("avx512vbmi") != 0},
                                        {"AVX512VNNI", __builtin_cpu_supports("avx512vnni") != 0},
                                        {"BMI2", __builtin_cpu_supports("bmi2") != 0},
                                        {"VAES", has_vaes()}});
}

/// Tiles of signed bytes: bits 24 and 25 of EDX in leaf 7.
bool has_tiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1) && (d >> 25 & 1);
}

/// Asks the system for tiles: a process may use them only after that, and its threads inherit the permission.
bool grants_tiles() {
#if defined(__linux__)
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

std::string missing_amx() {
    static const bool tiles = has_tiles();
    const std::string missing = add_missing(missing_avx512(), {{"AMX-INT8", tiles}});
    if (!missing.empty()) return missing;
    static const bool granted = grants_tiles();
    return granted ? "" : "an operating system that grants tiles (Linux 5.16 or newer)";
}

bool has_avx2() { return missing_avx2().empty(); }
bool has_avx512() { return missing_avx512().empty(); }
bool has_amx() { return missing_amx().empty(); }

/// Bits as digits, for the blocks whose tables would be too large.
std::vector<int16_t> unpack_bits(const Block& block, const Drive& drive) {
    const int64_t digit_rows = int64_t{drive.vectors} * drive.cycles;
    std::vector<int16_t> digits(size_t(digit_rows * block.rows));
    for (int64_t i = 0; i < digit_rows; ++i) {
        const uint64_t* bits = drive.bits + i * words_of(block.rows);
        int16_t* out = digits.data() + i * block.rows;
        for (int row = 0; row < block.rows; ++row) out[row] = int16_t(bits[row / 64] >> (row % 64) & 1);
    }
    return digits;
}

Drive with_digits(const Drive& drive, const std::vector<int16_t>& digits) {
    Drive out = drive;
    out.bits = nullptr;
    out.digits = digits.data();
    return out;
}

const lookup::Vector& vector_avx512() { return lookup::kAvx512; }
const lookup::Vector& vector_avx2() {
    static const bool vaes = has_vaes();
    return vaes ? lookup::kAvx2Vaes : lookup::kAvx2;
}

/// One bit per digit is looked up where tables fit, everything else is multiplied.
template <const lookup::Vector& (*vector)()>
struct Lookup {
    static void pack(Block& block) {
        block.has_tables = block.one_bit_digits && lookup::pack(vector(), block);
        if (!block.has_tables) digits::pack(block);
    }

    static void sums(const Block& block, const Drive& drive, int64_t* out) {
        if (block.has_tables) return lookup::sums(vector(), block, drive, out);
        if (!block.one_bit_digits) return digits::sums(block, drive, out);
        const std::vector<int16_t> unpacked = unpack_bits(block, drive);
        digits::sums(block, with_digits(drive, unpacked), out);
    }

    static int64_t convert(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                           const Noise* noise, int64_t* acc) {
        if (block.has_tables) {
            const bool fits = lookup::fits(block, converter, drive);
            return fits ? lookup::convert(vector(), block, converter, readout, drive, noise, acc)
                        : scalar_convert(block, converter, readout, drive, noise, acc);
        }
        if (!block.one_bit_digits) return digits::convert(block, converter, readout, drive, noise, acc);
        const std::vector<int16_t> unpacked = unpack_bits(block, drive);
        return digits::convert(block, converter, readout, with_digits(drive, unpacked), noise, acc);
    }
};

}  // namespace

using LookupAvx512 = Lookup<vector_avx512>;
const Kernel kAvx512 = {"avx512",
                        "AVX-512 with VBMI, VNNI and VAES",
                        has_avx512,
                        missing_avx512,
                        LookupAvx512::pack,
                        LookupAvx512::sums,
                        LookupAvx512::convert,
                        digits::bits,
                        digits::gaussians};

using LookupAvx2 = Lookup<vector_avx2>;
const Kernel kAvx2 = {"avx2",           "AVX2 with FMA and AES", has_avx2,     missing_avx2,     LookupAvx2::pack,
                      LookupAvx2::sums, LookupAvx2::convert,     digits::bits, digits::gaussians};

using TilesAmx = amx::Tiles<amx::kTiles, kAvx512>;
const Kernel kAmx = {"amx",
                     "AMX-INT8, and what avx512 needs",
                     has_amx,
                     missing_amx,
                     TilesAmx::pack,
                     TilesAmx::sums,
                     TilesAmx::convert,
                     TilesAmx::bits,
                     TilesAmx::gaussians};

}  // namespace bitline::kernels

#endif
