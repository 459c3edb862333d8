// Images per second of a whole network on a chip, with everything that a simulation does per image.
//
//   bench_network --model M --data D --arch A --samples N [--set KEY=VALUE].. [--trials T] [--threads K] [--json FILE]

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/files.h"
#include "core/kernels/kernels.h"
#include "core/model_io.h"
#include "core/parallel.h"
#include "mapping/simulate.h"

namespace {

struct Arguments {
    std::string model, data, architecture, preprocess, json;
    std::vector<std::string> settings;
    int64_t samples = 0;
    int trials = 1, threads = 0;
};

struct Measured {
    bitline::SimulationResult result;
    double peak_rss_mib = 0;
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
    app.add_option("--json", a.json, "file for the result");
}

double peak_rss_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts KiB
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
    return measured;
}

void report(const Arguments& a, const Measured& measured) {
    const bitline::SimulationResult& result = measured.result;
    fmt::print("{:<18}{:.4g} images/s\n{:<18}{}\n{:<18}{}\n{:<18}{}, {} trials\n{:<18}{:.3g} s\n{:<18}{:.0f} MiB\n",
               "rate", result.images_per_second, "kernel", bitline::kernels::active().name, "threads",
               bitline::threads(), "samples", result.samples, a.trials, "seconds", result.seconds, "peak memory",
               measured.peak_rss_mib);
    if (a.json.empty()) return;
    const nlohmann::ordered_json json{{"model", a.model},
                                      {"data", a.data},
                                      {"architecture", a.architecture},
                                      {"settings", a.settings},
                                      {"samples", result.samples},
                                      {"trials", a.trials},
                                      {"kernel", bitline::kernels::active().name},
                                      {"threads", bitline::threads()},
                                      {"images_per_second", result.images_per_second},
                                      {"seconds", result.seconds},
                                      {"peak_rss_mib", measured.peak_rss_mib}};
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
