// How fast the kernels simulate one layer, on one core, beside the float32 peak of the same machine.
//
// Workload W1: weights 512 x 512, batch 1024, 8-bit inputs sent 1 bit per cycle, 8-bit weights in 4 slices of 2-bit
// cells, differential with analog subtraction (conductances about +-2^14 grid steps), blocks of 128 rows, one 8-bit
// code per block, slice, cycle and column, shift and add. A logical product costs 32 analog ones. W1-noise-state adds
// read noise whose variance follows from inputs and cells.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using bitline::Counter;
using bitline::Purpose;
using bitline::StreamKey;
namespace kernels = bitline::kernels;

constexpr int kInputs = 512, kOutputs = 512, kBatch = 1024, kCycles = 8, kSlices = 4, kBlockRows = 128;
constexpr int kBlocks = kInputs / kBlockRows;
constexpr double kLogicalMacs = double(kInputs) * kOutputs * kBatch;

/// Processor time, not wall time: other programs on the machine do not count. Everything here runs on one thread.
double processor_seconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

// ---------------------------------------------------------------------------------------------- float32 peak

#if defined(__x86_64__)
/// `rounds` times twelve independent fused multiply-adds of eight lanes: enough to hide their latency.
__attribute__((target("avx2,fma"))) float fused_products(int64_t rounds) {
    constexpr int kChains = 12;
    __m256 sums[kChains];
    for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(float(i));
    const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(1e-3f);
    for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
    }
    for (int i = 1; i < kChains; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
    return _mm256_cvtss_f32(sums[0]);
}

/// Float32 GMAC/s of one core with AVX2 and FMA; none where the machine lacks them.
std::optional<double> peak_fp32_fma() {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return std::nullopt;
    constexpr int64_t kRounds = 10'000'000;
    double best = 0;
    volatile float sink = 0;
    for (int trial = 0; trial < 5; ++trial) {
        const double start = processor_seconds();
        sink = sink + fused_products(kRounds);
        best = std::max(best, double(kRounds) * 12 * 8 / (processor_seconds() - start) * 1e-9);
    }
    return best;
}
#else
std::optional<double> peak_fp32_fma() { return std::nullopt; }
#endif

// ---------------------------------------------------------------------------------------------- workload

struct Workload {
    std::vector<kernels::Block> blocks;
    kernels::Converter converter;
    kernels::Readout readout;
    std::vector<std::vector<int16_t>> digits;  // (blocks), (vectors x cycles x rows)
    std::vector<int64_t> cycle_weight;
    std::vector<uint32_t> sample, position;
};

uint32_t word(uint32_t index, uint32_t what) {
    const StreamKey key = bitline::stream_key(1, 0, Purpose::test);
    return bitline::philox({index / 4, what, 0, 0}, key)[index % 4];
}

/// Levels -3 .. 3 of 2^12 grid steps each, with a programming error of 2 % of the largest one.
kernels::Block make_block(uint32_t number) {
    kernels::Block block;
    block.rows = kBlockRows;
    block.cols = kOutputs * kSlices;
    block.variance_unit = 1e-3;
    for (uint32_t i = 0; i < uint32_t(block.rows * block.cols); ++i) {
        const int32_t level = int32_t(word(i, 4 * number) % 7) - 3;
        block.g.push_back(level * 4096 + int32_t(250 * bitline::gaussian(word(i, 4 * number + 1))));
        block.variance.push_back(int32_t(word(i, 4 * number + 2) >> 17));
    }
    return block;
}

/// Bits of random 8-bit inputs. `number` tells the blocks apart.
std::vector<int16_t> make_digits(uint32_t number) {
    std::vector<int16_t> digits(size_t(kBatch) * kCycles * kBlockRows);
    for (uint32_t i = 0; i < uint32_t(kBatch * kBlockRows); ++i) {
        const uint32_t input = word(i, 4 * number + 3) >> 24, vector = i / kBlockRows, row = i % kBlockRows;
        for (uint32_t cycle = 0; cycle < kCycles; ++cycle) {
            digits[(size_t(vector) * kCycles + cycle) * kBlockRows + row] = int16_t(input >> cycle & 1);
        }
    }
    return digits;
}

Workload make_workload() {
    Workload workload;
    for (uint32_t number = 0; number < kBlocks; ++number) {
        workload.blocks.push_back(make_block(number));
        workload.digits.push_back(make_digits(number));
    }
    const size_t cols = size_t(kOutputs) * kSlices;
    workload.converter.inv_step.assign(cols, 1.0 / 1234.5);  // about one code in a hundred is clipped
    workload.converter.offset.assign(cols, 0.25);
    workload.converter.lo = -128;
    workload.converter.hi = 127;
    workload.readout.outputs = kOutputs;
    for (size_t col = 0; col < cols; ++col) {
        workload.readout.column_output.push_back(int32_t(col / kSlices));
        workload.readout.column_weight.push_back(int64_t(1) << (2 * (col % kSlices)));
    }
    for (int cycle = 0; cycle < kCycles; ++cycle) workload.cycle_weight.push_back(int64_t(1) << cycle);
    for (uint32_t vector = 0; vector < kBatch; ++vector) {
        workload.sample.push_back(vector);
        workload.position.push_back(0);
    }
    return workload;
}

// ---------------------------------------------------------------------------------------------- timing

struct Timing {
    double seconds = 0;    // for the whole batch
    double clip_rate = 0;  // share of the conversions
};

/// Runs the first `vectors` vectors of the batch through all blocks.
Timing run_once(const kernels::Kernel& kernel, const Workload& workload, bool noisy, int vectors) {
    std::vector<int64_t> acc(size_t(vectors) * kOutputs, 0);
    Timing timing;
    int64_t clipped = 0;
    const double start = processor_seconds();
    for (uint32_t number = 0; number < kBlocks; ++number) {
        const kernels::Noise noise{bitline::stream_key(1, 0, Purpose::read_noise), number};
        const kernels::Drive drive{
            workload.digits[number].data(), vectors, kCycles, workload.cycle_weight.data(), workload.sample.data(),
            workload.position.data()};
        clipped += kernel.convert(workload.blocks[number], workload.converter, workload.readout, drive,
                                  noisy ? &noise : nullptr, acc.data());
    }
    timing.seconds = (processor_seconds() - start) * kBatch / vectors;
    timing.clip_rate = double(clipped) / (double(vectors) * kCycles * kBlocks * kOutputs * kSlices);
    return timing;
}

/// The best of several runs. Few vectors where the kernel is slow, so that the whole program stays short.
Timing run_best(const kernels::Kernel& kernel, const Workload& workload, bool noisy) {
    const Timing probe = run_once(kernel, workload, noisy, 16);
    const int vectors = probe.seconds > 2 ? 64 : kBatch;
    Timing best = run_once(kernel, workload, noisy, vectors);
    for (int trial = 0; trial < 3; ++trial) {
        const Timing timing = run_once(kernel, workload, noisy, vectors);
        if (timing.seconds < best.seconds) best = timing;
    }
    return best;
}

nlohmann::json measure(const kernels::Kernel& kernel, Workload& workload, std::optional<double> peak) {
    for (kernels::Block& block : workload.blocks) kernel.pack(block);
    nlohmann::json rows = nlohmann::json::array();
    double quiet_seconds = 0;
    for (const bool noisy : {false, true}) {
        const Timing timing = run_best(kernel, workload, noisy);
        const double rate = kLogicalMacs / timing.seconds * 1e-9;
        if (!noisy) quiet_seconds = timing.seconds;
        nlohmann::json row = {{"kernel", kernel.name},
                              {"workload", noisy ? "W1-noise-state" : "W1"},
                              {"logical_gmacs_per_core", rate},
                              {"of_fp32_peak_over_32", nullptr},
                              {"times_w1", timing.seconds / quiet_seconds},
                              {"clip_rate", timing.clip_rate}};
        if (peak) row["of_fp32_peak_over_32"] = rate / (*peak / 32);
        rows.push_back(row);
        fmt::print("{:8} {:15} {:8.3f} logical GMAC/s per core{}   {:5.2f} x the time of W1   clipped {:.2f} %\n",
                   kernel.name, std::string(row["workload"]), rate,
                   peak ? fmt::format("   {:5.2f} of fp32 peak / 32", rate / (*peak / 32)) : "",
                   timing.seconds / quiet_seconds, 100 * timing.clip_rate);
    }
    return rows;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Times the kernels on one core"};
    std::string json_path;
    app.add_option("--json", json_path, "write the figures to this file");
    CLI11_PARSE(app, argc, argv);

    nlohmann::json result;
    const std::optional<double> peak = peak_fp32_fma();
    result["peak_fp32_fma_gmacs"] = peak ? nlohmann::json(*peak) : nlohmann::json();
    if (peak) fmt::print("float32 peak (AVX2, FMA): {:.1f} GMAC/s per core\n", *peak);
    Workload workload = make_workload();
    result["rows"] = nlohmann::json::array();
    for (const kernels::Kernel* kernel : kernels::all()) {
        if (!kernel->available()) continue;
        for (const auto& row : measure(*kernel, workload, peak)) result["rows"].push_back(row);
    }
    if (json_path.empty()) return 0;
    std::ofstream out(json_path);
    out << result.dump(2) << '\n';
    if (out.flush()) return 0;
    std::cerr << "bench_mvm: cannot write " << json_path << '\n';
    return 1;
}
