// How fast the kernels simulate one layer, on one core, beside the machine's own peaks measured in the same run.
//
// Workload W1: weights 512 x 512, batch 1024, 8-bit inputs sent 1 bit per cycle, 8-bit weights in 4 slices of 2-bit
// cells, differential with analog subtraction (conductances about +-2^14 grid steps), blocks of 128 rows, one 8-bit
// code per block, slice, cycle and column, shift and add. A logical product costs 32 analog ones.
//   W1-ideal        cells without errors: small whole levels
//   W1-noise        Gaussian noise, one sigma per column
//   W1-noise-state  read noise whose variance follows from inputs and cells
//   W1-thresholds   converters for eight columns each, their steps off by 0.3 codes rms
//   W1-two-adc      positive and negative cells read by converters of their own and subtracted digitally

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/json_file.h"
#include "bench/peaks.h"
#include "core/kernels/kernels.h"

namespace {

using bitline::Counter;
using bitline::Purpose;
using bitline::StreamKey;
namespace kernels = bitline::kernels;

constexpr int kInputs = 512, kOutputs = 512, kBatch = 1024, kCycles = 8, kSlices = 4, kBlockRows = 128;
constexpr int kBlocks = kInputs / kBlockRows;
constexpr double kLogicalMacs = double(kInputs) * kOutputs * kBatch;
constexpr int kLevelSteps = 4096;  // grid steps between neighbouring levels

// ---------------------------------------------------------------------------------------------- workload

struct Workload {
    std::string name;
    int limbs = 2;      // bytes of a conductance
    int per_slice = 1;  // converters for each slice of an output
    bool noisy = false;
    std::vector<kernels::Block> blocks;
    kernels::Converter converter;
    kernels::Readout readout;
    std::vector<std::vector<uint64_t>> bits;  // (blocks), (vectors x cycles x words)
    std::vector<int64_t> cycle_weight;
    std::vector<uint32_t> sample, position;
    double analog_per_logical() const { return kCycles * kSlices * per_slice; }
};

uint32_t word(uint32_t index, uint32_t what) {
    const StreamKey key = bitline::stream_key(1, 0, Purpose::test);
    return bitline::philox({index / 4, what, 0, 0}, key)[index % 4];
}

/// Grid steps of a level -3 .. 3 with a programming error of 2 % of the largest one.
int32_t conductance(const Workload& workload, uint32_t cell, uint32_t number) {
    const int32_t level = int32_t(word(cell, 4 * number) % 7) - 3;
    if (workload.limbs == 1) return level;
    return level * kLevelSteps + int32_t(250 * bitline::gaussian(word(cell, 4 * number + 1)));
}

kernels::Block make_block(const Workload& workload, uint32_t number) {
    kernels::Block block;
    block.rows = kBlockRows;
    block.cols = kOutputs * kSlices * workload.per_slice;
    block.one_bit_digits = true;
    for (int row = 0; row < block.rows; ++row) {
        for (int col = 0; col < block.cols; ++col) {
            const uint32_t cell = uint32_t(row * (kOutputs * kSlices) + col / workload.per_slice);
            const int32_t g = conductance(workload, cell, number);
            // Two converters: the positive part of the difference on one bit line, the negative one on the other.
            block.g.push_back(workload.per_slice == 1 ? g : std::max(0, col % 2 == 0 ? g : -g));
            if (workload.name == "W1-noise-state") {
                block.variance.push_back(int32_t(word(cell, 4 * number + 2) >> 17));
            }
        }
    }
    block.variance_unit = 1e-3;
    return block;
}

/// Bits of random 8-bit inputs. `number` tells the blocks apart.
std::vector<uint64_t> make_bits(uint32_t number) {
    constexpr size_t kWords = kernels::words_of(kBlockRows);
    std::vector<uint64_t> bits(size_t(kBatch) * kCycles * kWords, 0);
    for (uint32_t i = 0; i < uint32_t(kBatch * kBlockRows); ++i) {
        const uint32_t input = word(i, 4 * number + 3) >> 24, vector = i / kBlockRows, row = i % kBlockRows;
        for (uint32_t cycle = 0; cycle < kCycles; ++cycle) {
            bits[(size_t(vector) * kCycles + cycle) * kWords + row / 64] |= uint64_t(input >> cycle & 1) << (row % 64);
        }
    }
    return bits;
}

/// What eight columns' converter decides: thresholds off by 0.2 codes, so steps by 0.3.
void set_thresholds(kernels::Converter& converter) {
    constexpr uint32_t kColumnsPerConverter = 8;
    const auto codes = size_t(converter.hi - converter.lo) + 1;
    const auto cols = uint32_t(converter.inv_step.size());
    for (uint32_t col = 0; col < cols; ++col)
        converter.transfer.converter.push_back(int32_t(col / kColumnsPerConverter));
    for (uint32_t i = 0; i < (cols + kColumnsPerConverter - 1) / kColumnsPerConverter; ++i) {
        std::vector<double> row;
        for (uint32_t code = 0; code <= codes; ++code) {
            const double error = 0.2 * double(bitline::gaussian(word(i * 65536 + code, 777)));
            row.push_back(converter.lo + double(code) - 0.5 + error);
        }
        std::sort(row.begin(), row.end());
        converter.transfer.threshold.insert(converter.transfer.threshold.end(), row.begin(), row.end());
    }
}

Workload make_workload(const std::string& name) {
    Workload workload;
    workload.name = name;
    workload.limbs = name == "W1-ideal" ? 1 : 2;
    workload.per_slice = name == "W1-two-adc" ? 2 : 1;
    workload.noisy = name == "W1-noise" || name == "W1-noise-state";
    for (uint32_t number = 0; number < kBlocks; ++number) {
        workload.blocks.push_back(make_block(workload, number));
        workload.bits.push_back(make_bits(number));
    }
    const size_t cols = size_t(workload.blocks[0].cols);
    const double step = workload.limbs == 1 ? 1234.5 / kLevelSteps : 1234.5;  // a code in a hundred is clipped
    workload.converter.inv_step.assign(cols, 1.0 / step);
    workload.converter.offset.assign(cols, workload.per_slice == 1 ? 0.25 : -181.75);  // two converters: sums >= 0
    if (name == "W1-noise") workload.converter.deviation.assign(cols, 1000.0);
    workload.converter.lo = -128;
    workload.converter.hi = 127;
    if (name == "W1-thresholds") set_thresholds(workload.converter);
    workload.readout.outputs = kOutputs;
    kernels::lay_out(workload.converter);
    for (size_t col = 0; col < cols; ++col) {
        const size_t slice = col / size_t(workload.per_slice);
        const int64_t sign = workload.per_slice == 2 && col % 2 == 1 ? -1 : 1;
        workload.readout.column_output.push_back(int32_t(slice / kSlices));
        workload.readout.column_weight.push_back(sign * (int64_t(1) << (2 * (slice % kSlices))));
    }
    for (int cycle = 0; cycle < kCycles; ++cycle) workload.cycle_weight.push_back(int64_t(1) << cycle);
    for (uint32_t vector = 0; vector < kBatch; ++vector) {
        workload.sample.push_back(vector);
        workload.position.push_back(0);
    }
    return workload;
}

// ---------------------------------------------------------------------------------------------- timing

/// Runs vectors first .. first + count - 1 through all blocks; returns how many conversions were clipped.
int64_t run_chunk(const kernels::Kernel& kernel, const Workload& workload, int first, int count,
                  std::vector<int64_t>& acc) {
    constexpr size_t kWords = kernels::words_of(kBlockRows);
    acc.assign(size_t(count) * kOutputs, 0);
    int64_t clipped = 0;
    for (uint32_t number = 0; number < kBlocks; ++number) {
        const kernels::Noise noise{bitline::stream_key(1, 0, Purpose::read_noise), number};
        kernels::Drive drive;
        drive.bits = workload.bits[number].data() + size_t(first) * kCycles * kWords;
        drive.vectors = count;
        drive.cycles = kCycles;
        drive.cycle_weight = workload.cycle_weight.data();
        drive.sample = workload.sample.data() + first;
        drive.position = workload.position.data() + first;
        clipped += kernel.convert(workload.blocks[number], workload.converter, workload.readout, drive,
                                  workload.noisy ? &noise : nullptr, acc.data());
    }
    return clipped;
}

/// The first `count` vectors in chunks whose outputs stay in the second-level cache, as the mapping drives arrays.
int64_t run_vectors(const kernels::Kernel& kernel, const Workload& workload, int count, std::vector<int64_t>& acc) {
    constexpr int kChunk = 128;
    int64_t clipped = 0;
    for (int first = 0; first < count; first += kChunk) {
        clipped += run_chunk(kernel, workload, first, std::min(kChunk, count - first), acc);
    }
    return clipped;
}

/// The bare loop of the unit that a kernel computes with, and whether each byte of a conductance takes a product.
struct Unit {
    bench::PeakLoop loop;
    bool per_limb = false;
};

Unit unit_of(const kernels::Kernel& kernel) {
    const std::string name = kernel.name;
    if (name == "amx") return {bench::int8_amx(), true};
    if (name == "avx512") return {bench::fp32_avx512(), false};
    return {bench::fp32_avx2(), false};
}

/// Best of several rounds; kernel and bare loop take turns, so that a machine that slows down slows both.
struct Row {
    const kernels::Kernel* kernel = nullptr;
    const Workload* workload = nullptr;
    std::string unit;
    double rate = 0;      // logical GMAC/s
    double peak = 0;      // GMAC/s of the unit
    double fraction = 0;  // of it
    double seconds = 0;   // for the whole batch
    double clip_rate = 0;
    double bytes = 0;  // of memory for a number of the blocks
};

double bytes_per_number(const kernels::Block& block) {
    const size_t bytes = (block.g.size() + block.variance.size()) * sizeof(int32_t) + block.packed.size();
    return double(bytes) / double(block.g.size());
}

Row measure(const kernels::Kernel& kernel, const Workload& workload, int rounds) {
    const Unit unit = unit_of(kernel);
    std::vector<int64_t> acc;
    Row row{&kernel, &workload, unit.loop.unit};
    const double probe_start = bench::thread_seconds();
    run_vectors(kernel, workload, 16, acc);
    const double probe = (bench::thread_seconds() - probe_start) * kBatch / 16;
    const int vectors = probe > 2 ? 64 : kBatch;  // few where the kernel is slow: the whole program stays short
    for (int round = 0; round < rounds; ++round) {
        row.peak = std::max(row.peak, bench::rate(unit.loop, 0.02));
        const double start = bench::thread_seconds();
        const int64_t clipped = run_vectors(kernel, workload, vectors, acc);
        const double seconds = (bench::thread_seconds() - start) * kBatch / vectors;
        if (round == 0 || seconds < row.seconds) row.seconds = seconds;
        row.clip_rate =
            double(clipped) / (double(vectors) * kInputs / kBlockRows * kOutputs * workload.analog_per_logical());
    }
    row.bytes = bytes_per_number(workload.blocks[0]);
    row.rate = kLogicalMacs / row.seconds * 1e-9;
    const double products = row.rate * workload.analog_per_logical() * (unit.per_limb ? workload.limbs : 1);
    if (row.peak > 0) row.fraction = products / row.peak;
    return row;
}

void print_row(const Row& row, double quiet_seconds) {
    fmt::print("{:8} {:15} {:9.3f} logical GMAC/s per core", row.kernel->name, row.workload->name, row.rate);
    if (row.peak > 0) fmt::print("  {:5.2f} of {} ({:.0f} GMAC/s)", row.fraction, row.unit, row.peak);
    if (quiet_seconds > 0) fmt::print("  {:5.2f} x the time of W1", row.seconds / quiet_seconds);
    fmt::print("  clipped {:.2f} %  {:.1f} bytes per difference\n", 100 * row.clip_rate, row.bytes);
}

nlohmann::ordered_json json_of(const Row& row, double quiet_seconds) {
    return {{"kernel", row.kernel->name},
            {"workload", row.workload->name},
            {"limbs", row.workload->limbs},
            {"logical_gmacs_per_core", row.rate},
            {"fraction_of_peak", row.peak > 0 ? nlohmann::ordered_json(row.fraction) : nlohmann::ordered_json()},
            {"unit", row.unit},
            {"peak_gmacs", row.peak},
            {"times_w1",
             quiet_seconds > 0 ? nlohmann::ordered_json(row.seconds / quiet_seconds) : nlohmann::ordered_json()},
            {"clip_rate", row.clip_rate},
            {"bytes_per_difference", row.bytes}};
}

// ---------------------------------------------------------------------------------------------- two threads

/// Wall seconds that `threads` threads take for body() each.
template <class Body>
double together(int threads, const Body& body) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; ++i) pool.emplace_back(body);
    for (std::thread& thread : pool) thread.join();
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// How much more `threads` threads get done than one, best of several rounds.
struct Scaling {
    double kernel = 0, peak = 0;
};

Scaling measure_scaling(const kernels::Kernel& kernel, const Workload& workload, int threads, int rounds) {
    const Unit unit = unit_of(kernel);
    const auto run = [&] {
        std::vector<int64_t> acc;
        run_vectors(kernel, workload, kBatch, acc);
    };
    const auto loop_rounds = int64_t(bench::rate(unit.loop, 0.02) * 1e9 * 0.1 / unit.loop.products_per_round);
    const auto spin = [&] { unit.loop.run(loop_rounds); };
    double kernel_one = 1e30, kernel_all = 1e30, peak_one = 1e30, peak_all = 1e30;
    for (int round = 0; round < rounds; ++round) {
        kernel_one = std::min(kernel_one, together(1, run));
        kernel_all = std::min(kernel_all, together(threads, run));
        peak_one = std::min(peak_one, together(1, spin));
        peak_all = std::min(peak_all, together(threads, spin));
    }
    return {threads * kernel_one / kernel_all, threads * peak_one / peak_all};
}

struct Options {
    std::string json;
    std::vector<std::string> kernels, workloads;
    int rounds = 25, threads = 2;
    bool compact = false;
};

const std::vector<std::string> kWorkloads = {"W1",        "W1-ideal", "W1-noise", "W1-noise-state", "W1-thresholds",
                                             "W1-two-adc"};

std::vector<const kernels::Kernel*> chosen_kernels(const Options& options) {
    std::vector<const kernels::Kernel*> chosen;
    for (const kernels::Kernel* kernel : kernels::all()) {
        const bool named = std::count(options.kernels.begin(), options.kernels.end(), kernel->name) > 0;
        if (kernel->available() && (options.kernels.empty() || named)) chosen.push_back(kernel);
    }
    return chosen;
}

nlohmann::ordered_json run(const Options& options) {
    const double fp32 = std::max(bench::rate(bench::fp32_avx2(), 0.1), bench::rate(bench::fp32_avx512(), 0.1));
    double int8 = 0;
    for (const auto& loop : {bench::int8_avx2(), bench::int8_vnni(), bench::int8_amx()}) {
        int8 = std::max(int8, bench::rate(loop, 0.1));
    }
    fmt::print("peaks of one core: {:.1f} GMAC/s float32 FMA, {:.1f} GMAC/s int8\n", fp32, int8);
    nlohmann::ordered_json result{{"peak_fp32_fma_gmacs", fp32}, {"peak_int8_gmacs", int8}};
    result["rows"] = nlohmann::ordered_json::array();
    for (const kernels::Kernel* kernel : chosen_kernels(options)) {
        double quiet_seconds = 0;
        for (const std::string& name : options.workloads) {
            Workload workload = make_workload(name);
            for (kernels::Block& block : workload.blocks) {
                block.compact = options.compact;
                kernel->pack(block);
            }
            const bool slow = std::string(kernel->name) == "scalar";
            const Row row = measure(*kernel, workload, slow ? 1 : options.rounds);
            if (name == "W1") quiet_seconds = row.seconds;
            print_row(row, quiet_seconds);
            result["rows"].push_back(json_of(row, quiet_seconds));
            if (name != "W1" || slow || options.threads < 2) continue;
            const Scaling scaling = measure_scaling(*kernel, workload, options.threads, options.rounds);
            fmt::print("{:8} {} threads: {:.2f} times one, the bare loop {:.2f} times: {:.2f} as well\n", kernel->name,
                       options.threads, scaling.kernel, scaling.peak, scaling.kernel / scaling.peak);
            result["scaling"].push_back({{"kernel", kernel->name},
                                         {"threads", options.threads},
                                         {"kernel_times_one", scaling.kernel},
                                         {"peak_times_one", scaling.peak}});
        }
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Times the kernels on one core, beside the machine's own peaks"};
    Options options;
    app.add_option("--json", options.json, "write the figures to this file");
    app.add_option("--kernel", options.kernels, "only these, e.g. avx2 (default: all that the machine has)");
    app.add_option("--workload", options.workloads, "only these (default: all)")->check(CLI::IsMember(kWorkloads));
    app.add_option("--rounds", options.rounds, "of which the best counts")->check(CLI::Range(1, 1000));
    app.add_option("--threads", options.threads, "for the comparison with one thread; 1: none")
        ->check(CLI::Range(1, 1024));
    app.add_flag("--compact", options.compact, "blocks that keep no large tables, as those of large chips");
    CLI11_PARSE(app, argc, argv);
    for (const std::string& name : options.kernels) {
        const kernels::Kernel* kernel = kernels::find(name);
        if (kernel && kernel->available()) continue;
        std::cerr << "bench_mvm: --kernel " << name << ": "
                  << (kernel ? "this machine lacks " + kernel->missing() : "no such kernel") << '\n';
        return 2;
    }
    if (options.workloads.empty()) options.workloads = kWorkloads;
    return bench::write_json("bench_mvm", options.json, run(options));
}
