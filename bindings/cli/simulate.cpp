#include "mapping/simulate.h"

#include <fmt/format.h>

#include <memory>

#include "bindings/cli/age_plot.h"
#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/progress.h"
#include "bindings/cli/simulate_report.h"
#include "bindings/cli/terminal.h"
#include "core/ages.h"
#include "core/error.h"
#include "core/files.h"
#include "core/kernels/kernels.h"
#include "core/options.h"
#include "core/parallel.h"
#include "mapping/cell_files.h"

namespace bitline::cli {

namespace {

constexpr int64_t kLargestSeed = (int64_t(1) << 53) - 1;  // every reader of JSON keeps it exactly

struct Arguments {
    std::optional<std::string> model, architecture, data, preprocess, calibration, real;
    std::optional<std::string> limit, trials, seed, threads, json, ages, temperature, plot;
    std::vector<std::string> settings;
    std::optional<std::string> device;

    std::vector<std::string> all_settings() const { return with_device(device, settings); }
    bool skip_ideal = false, quiet = false;
};

/// Everything that can be said about the numbers before a file is read.
SimulateOptions parse_options(const Arguments& arguments) {
    SimulateOptions options;
    if (arguments.trials) options.trials = static_cast<int>(parse_whole("--trials", *arguments.trials, 1, 1000000));
    if (arguments.seed) options.seed = static_cast<uint64_t>(parse_whole("--seed", *arguments.seed, 0, kLargestSeed));
    if (arguments.threads) set_threads(static_cast<int>(parse_whole("--threads", *arguments.threads, 1, 1024)));
    options.ideal_chip = !arguments.skip_ideal;
    if (arguments.ages) options.ages = parse_ages("--age", *arguments.ages);
    if (arguments.temperature)
        options.temperature = parse_number("--temperature", *arguments.temperature, 1, 2000, false);
    validate(options);
    if (arguments.plot) require_ages_to_plot(options.ages);
    kernels::active();  // BITLINE_KERNEL may name one that does not exist
    return options;
}

std::optional<int64_t> parse_limit(const Arguments& arguments) {
    if (!arguments.limit) return std::nullopt;
    return parse_whole("--limit", *arguments.limit, 1, int64_t(1) << 40);
}

void check_outputs(const Arguments& arguments, const Architecture& architecture) {
    std::vector<std::string> inputs = files_of(*arguments.data);
    for (const std::string& file : files_of(architecture.cell)) inputs.push_back(file);
    inputs.push_back(*arguments.model);
    inputs.push_back(*arguments.architecture);
    if (arguments.real) inputs.push_back(*arguments.real);
    if (arguments.calibration) {
        for (const auto& file : files_of(parse_counted_data("--calibration", *arguments.calibration).spec)) {
            inputs.push_back(file);
        }
    }
    std::vector<std::string> outputs;
    const auto require = [&](const char* option, const std::string& path) {
        require_output(option, path, inputs);
        outputs.push_back(path);
    };
    if (arguments.json && *arguments.json != kStandardOutput) require("--json", *arguments.json);
    if (arguments.plot) require("--plot", *arguments.plot);
    require_distinct(outputs);
}

void require_labels(const Dataset& data) {
    if (!data.labels().empty()) return;
    throw ConfigError(fmt::format("{}: carries no labels, so there is no accuracy; bitline simulate needs y beside x",
                                  printable(data.spec())));
}

/// Without --calibration the data's first samples serve, however few of them --limit leaves to be simulated.
void open_calibration(const Arguments& arguments, const Architecture& architecture, SimulationRun& run) {
    if (!arguments.calibration) {
        if (!needs_calibration(architecture) || !run.limit || *run.limit >= run.options.calibration_samples) return;
        run.calibration = open_dataset(*arguments.data);
        return;
    }
    const CountedData counted = parse_counted_data("--calibration", *arguments.calibration);
    if (counted.samples) run.options.calibration_samples = *counted.samples;
    run.calibration = open_dataset(counted.spec, counted.samples);
    require_fit(*run.calibration, run.model.network);
}

/// Reads and checks everything, cheapest first, before the long work starts.
SimulationRun prepare(const Arguments& arguments) {
    SimulationRun run;
    run.options = parse_options(arguments);
    run.limit = parse_limit(arguments);
    if (arguments.preprocess) parse_preprocess(*arguments.preprocess);
    run.architecture_source = *arguments.architecture;
    run.settings = arguments.all_settings();
    const Architecture architecture = read_chip(*arguments.architecture, arguments.all_settings());
    check_outputs(arguments, architecture);
    run.model = read_model(*arguments.model);
    require_quantized(run.model);
    run.preprocess = choose_preprocess(arguments.preprocess, run.model.network);
    run.data = open_dataset(*arguments.data, run.limit);
    require_fit(*run.data, run.model.network);
    require_labels(*run.data);
    open_calibration(arguments, architecture, run);
    if (arguments.real) {
        run.real = read_model(*arguments.real);
        require_fit(*run.data, run.real->network);
    }
    run.mapping = map_network(run.model.network, architecture);
    return run;
}

SimulationResult execute(const SimulationRun& run, bool quiet) {
    ProgressLine line(quiet);
    return simulate(run.model.network, run.mapping, *run.data, run.preprocess.preprocess,
                    run.real ? &run.real->network : nullptr, run.calibration.get(), run.options,
                    [&](const Progress& progress) { line.show(progress); });
}

void simulate_command(const Arguments& arguments) {
    const SimulationRun run = prepare(arguments);
    const SimulationResult result = execute(run, arguments.quiet);
    check_interrupt();
    if (arguments.json) write_json(simulation_json(run, result), *arguments.json);
    if (arguments.plot) write_text_atomically(*arguments.plot, age_svg(result, simulation_title(run)));
    if (arguments.json != kStandardOutput) print(simulation_text(run, result));
}

void add_inputs(Command& command, Arguments& a) {
    command.required = {
        add_text(command, "MODEL", a.model, "", "quantized network: .onnx or Bitline's .h5"),
        add_text(command, "--arch", a.architecture, "A", "name (bitline list architectures) or YAML file"),
        add_text(command, "--data", a.data, "DATA",
                 "FILE.h5, idx:IMAGES,LABELS, cifar10:FILE[,FILE..],\nnpz:FILE or raw:FILE,LABELS,DTYPE,AxBxC"),
    };
    add_text(command, "--device", a.device, "D",
             "cells: name (bitline list devices) or YAML file\n(default: those of --arch)");
    add_texts(command, "--set", a.settings, "KEY=VALUE", "override a key (bitline list keys); may be repeated");
    add_text(command, "--preprocess", a.preprocess, "P",
             "raw, unit, imagenet or scale=..,mean=..,std=..\n(default: the model's own, else raw)");
    add_text(command, "--calibration", a.calibration, "DATA[:N]",
             "data whose first N samples (64) set calibrated ADC ranges and\nbatch-norm statistics (default: the first "
             "64 of --data)");
    add_text(command, "--float", a.real, "MODEL", "float network, the first link of the chain");
}

void add_run_options(Command& command, Arguments& a) {
    add_text(command, "--limit", a.limit, "N", "use the first N samples only");
    add_text(command, "--trials", a.trials, "T", "chips to fabricate (1)");
    add_text(command, "--seed", a.seed, "S", "of all random numbers (0)");
    add_text(command, "--age", a.ages, "T[,T..]",
             "times since programming, rising: 0,1s,1h,1d,30d,1y (0);\nunits s, min, h, d, w, y (365 d)");
    add_text(command, "--plot", a.plot, "FILE", "accuracy over the ages as SVG");
    add_text(command, "--temperature", a.temperature, "K", "kelvin, while reading (300)");
    add_text(command, "--threads", a.threads, "K", "1 to 1024; never changes a result (all processors)");
    add_text(command, "--json", a.json, "FILE", "write the result as JSON; - for standard output");
    command.app->add_flag("--skip-ideal", a.skip_ideal, "leave out the chip with perfect cells and converters");
    command.app->add_flag("--quiet", a.quiet, "no progress on the terminal");
}

}  // namespace

Command make_simulate(const CommandEntry& entry) {
    Command command = new_command(
        entry,
        "Examples:\n"
        "  bitline simulate model.onnx --arch default --data test.h5 --trials 10 --json result.json\n"
        "  bitline simulate model.onnx --arch isaac --data idx:images.gz,labels.gz --preprocess unit --limit 1000\n"
        "  bitline simulate model.onnx --arch default --data test.h5 --set cell.read_noise.sigma=0.02 \\\n"
        "      --set adc.bits=6 --calibration train.h5:256\n"
        "  bitline simulate model.onnx --arch default --device pcm-nandakumar2019 --data test.h5 --trials 10 \\\n"
        "      --age 0,1s,1h,1d,30d,1y --set compensation.drift_gain=layer --plot age.svg\n"
        "The same seed gives the same bits for any number of threads and any kernel.\n");
    auto arguments = std::make_shared<Arguments>();
    add_inputs(command, *arguments);
    add_run_options(command, *arguments);
    command.run = [arguments] { simulate_command(*arguments); };
    return command;
}

}  // namespace bitline::cli
