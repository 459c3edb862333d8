// Images per second of a whole network on a chip, with everything that a simulation does per image.
//
//   bench_network --model M --data D --arch A --samples N [--set KEY=VALUE].. [--age S] [--trials T] [--threads K]
//   [--json FILE]

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/files.h"
#include "core/kernels/kernels.h"
#include "core/kernels/stages.h"
#include "core/model_io.h"
#include "core/parallel.h"
#include "core/reference.h"
#include "mapping/chip.h"
#include "mapping/simulate.h"

namespace {

struct Arguments {
    std::string model, data, architecture, preprocess, json;
    std::vector<std::string> settings;
    int64_t samples = 0;
    int trials = 1, threads = 0;
    double age = 0;  // s
};

struct Measured {
    bitline::SimulationResult result;
    double peak_rss_mib = 0;
    double seconds_per_100m_cells = 0;  // of one core, to program a chip
    double images_per_second_core = 0;  // one thread, a programmed chip, nothing compared with the exact products
    bitline::StageTicks stages;         // of that run
    uint64_t ticks = 0;                 // of that run in all
};

void add_options(CLI::App& app, Arguments& a) {
    app.add_option("--model", a.model)->required();
    app.add_option("--data", a.data)->required();
    app.add_option("--arch", a.architecture)->required();
    app.add_option("--samples", a.samples, "first samples of the data")->required()->check(CLI::Range(1, 1 << 30));
    app.add_option("--set", a.settings, "KEY=VALUE of the architecture")->allow_extra_args(false);
    app.add_option("--preprocess", a.preprocess, "default: the model's own, else raw");
    app.add_option("--trials", a.trials)->check(CLI::Range(1, 1000000));
    app.add_option("--threads", a.threads, "default: every processor")->check(CLI::Range(1, 1024));
    app.add_option("--age", a.age, "seconds since programming, of programming and the steady core");
    app.add_option("--json", a.json, "file for the result");
}

double peak_rss_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts KiB
}

std::vector<bitline::AdcRange> ranges_of(const bitline::SimulationResult& result) {
    std::vector<bitline::AdcRange> ranges;
    for (const bitline::LayerResult& layer : result.layers) ranges.push_back(layer.adc);
    return ranges;
}

/// One core in steady state, and where its time goes.
void measure_core(const bitline::Network& network, const bitline::Mapping& mapping, const bitline::Dataset& data,
                  const bitline::Preprocess& preprocess, const bitline::Conditions& conditions, Measured& measured) {
    constexpr int64_t kBlock = 8;
    const bitline::Chip chip = bitline::program(mapping, ranges_of(measured.result), 1, 0, conditions);
    bitline::ChipEngine engine(network, mapping, chip);
    const bitline::Shape& shape = network.values[static_cast<size_t>(network.input)].shape;
    const auto size = static_cast<size_t>(bitline::element_count(shape));
    std::vector<float> input(static_cast<size_t>(data.size()) * size);
    data.read(0, data.size(), input.data());
    bitline::apply(preprocess, shape, data.size(), input.data());
    bitline::run(network, engine, std::span(input).first(size), 1, 0);  // memory and caches are warm from now on
    bitline::stage_ticks = &measured.stages;
    const std::clock_t start = std::clock();
    const uint64_t first_tick = bitline::ticks_now();
    for (int64_t first = 0; first < data.size(); first += kBlock) {
        const int64_t count = std::min(kBlock, data.size() - first);
        const auto part =
            std::span(input).subspan(static_cast<size_t>(first) * size, static_cast<size_t>(count) * size);
        bitline::run(network, engine, part, count, first);
    }
    measured.ticks = bitline::ticks_now() - first_tick;
    bitline::stage_ticks = nullptr;
    measured.images_per_second_core =
        static_cast<double>(data.size()) * CLOCKS_PER_SEC / static_cast<double>(std::clock() - start);
}

/// Processor time of all threads that programming takes per 100 million cells, best of several chips.
double measure_programming(const bitline::Mapping& mapping, const bitline::SimulationResult& result,
                           const bitline::Conditions& conditions) {
    constexpr uint32_t kChips = 5;
    const std::vector<bitline::AdcRange> ranges = ranges_of(result);
    double best = 0;
    bitline::Chip chip;  // a trial's takes the memory of the one before
    for (uint32_t trial = 0; trial < kChips; ++trial) {
        const std::clock_t start = std::clock();
        chip = bitline::program(mapping, ranges, 1, trial, conditions, std::move(chip));
        const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
        const double scaled = 1e8 * seconds / static_cast<double>(chip.report.cells);
        best = trial == 0 ? scaled : std::min(best, scaled);
    }
    return best;
}

bitline::Preprocess choose_preprocess(const Arguments& a, const bitline::Network& network) {
    if (!a.preprocess.empty()) return bitline::parse_preprocess(a.preprocess);
    return network.preprocess.value_or(bitline::Preprocess{});
}

Measured measure(const Arguments& a) {
    bitline::set_threads(a.threads);
    std::vector<bitline::Setting> settings;
    for (const std::string& text : a.settings) settings.push_back(bitline::parse_setting(text));
    const bitline::Network network = bitline::read_network(a.model);
    const auto data = bitline::open_dataset(a.data, a.samples);
    bitline::require_fit(*data, network);
    const bitline::Mapping mapping =
        bitline::map_network(network, bitline::read_architecture(a.architecture, settings));
    bitline::SimulateOptions options;
    options.trials = a.trials;
    options.ideal_chip = false;
    Measured measured;
    measured.result =
        bitline::simulate(network, mapping, *data, choose_preprocess(a, network), nullptr, nullptr, options);
    measured.peak_rss_mib = peak_rss_mib();
    measured.seconds_per_100m_cells = measure_programming(mapping, measured.result, {a.age, 300});
    measure_core(network, mapping, *data, choose_preprocess(a, network), {a.age, 300}, measured);
    return measured;
}

double share(uint64_t part, const Measured& measured) {
    return static_cast<double>(part) / static_cast<double>(measured.ticks);
}

void print_core(const Measured& measured) {
    const bitline::StageTicks& t = measured.stages;
    fmt::print("{:<18}{:.4g} images/s; of the time {:.0f} % inputs, ", "one core, steady",
               measured.images_per_second_core, 100 * share(t.input, measured));
    if (t.product > 0) {
        fmt::print("{:.0f} % lookups, {:.0f} % conversions and the rest of the kernel",
                   100 * share(t.product, measured), 100 * share(t.kernel - t.product, measured));
    } else {
        fmt::print("{:.0f} % products and conversions", 100 * share(t.kernel, measured));
    }
    fmt::print(", {:.0f} % digital layers and the rest\n", 100 * share(measured.ticks - t.input - t.kernel, measured));
}

void report(const Arguments& a, const Measured& measured) {
    const bitline::SimulationResult& result = measured.result;
    fmt::print(
        "{:<18}{:.4g} images/s\n{:<18}{}\n{:<18}{}\n{:<18}{}, {} trials\n{:<18}{:.3g} s\n{:<18}{:.0f} "
        "MiB\n{:<18}{:.2f} s "
        "per 100 million cells and core\n",
        "rate", result.images_per_second, "kernel", bitline::kernels::active().name, "threads", bitline::threads(),
        "samples", result.samples, a.trials, "seconds", result.seconds, "peak memory", measured.peak_rss_mib,
        "programming", measured.seconds_per_100m_cells);
    print_core(measured);
    if (a.json.empty()) return;
    const nlohmann::ordered_json json{{"model", a.model},
                                      {"data", a.data},
                                      {"architecture", a.architecture},
                                      {"settings", a.settings},
                                      {"samples", result.samples},
                                      {"trials", a.trials},
                                      {"age", a.age},
                                      {"kernel", bitline::kernels::active().name},
                                      {"threads", bitline::threads()},
                                      {"images_per_second", result.images_per_second},
                                      {"seconds", result.seconds},
                                      {"peak_rss_mib", measured.peak_rss_mib},
                                      {"programming_seconds_per_100m_cells", measured.seconds_per_100m_cells},
                                      {"images_per_second_one_core", measured.images_per_second_core},
                                      {"share_inputs", share(measured.stages.input, measured)},
                                      {"share_products", share(measured.stages.product, measured)},
                                      {"share_products_and_conversions", share(measured.stages.kernel, measured)}};
    bitline::write_text_atomically(a.json, json.dump(2) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Images per second of a network on a chip");
    Arguments arguments;
    add_options(app, arguments);
    CLI11_PARSE(app, argc, argv);
    try {
        report(arguments, measure(arguments));
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_network: error: {}\n", error.what());
        return 2;
    }
}
