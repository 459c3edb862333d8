#include "mapping/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/math/distributions/students_t.hpp>
#include <chrono>
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "core/parallel.h"
#include "mapping/compensation.h"

namespace bitline {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Counts samples over all passes and tells the caller a few times a second.
class ProgressMeter {
 public:
    ProgressMeter(const ProgressFunction& function, int64_t total)
        : function_(function), total_(total), start_(Clock::now()) {}

    void stage(std::string name) {
        stage_ = std::move(name);
        tell(true);
    }
    void add(int64_t samples) {
        const std::lock_guard lock(mutex_);
        done_ += samples;
        tell(false);
    }

 private:
    void tell(bool always) {
        const double now = seconds_since(start_);
        if (!function_ || (!always && now - told_ < 0.1)) return;
        told_ = now;
        function_({stage_, done_, total_, now});
    }

    const ProgressFunction& function_;
    std::mutex mutex_;
    std::string stage_;
    int64_t done_ = 0, total_ = 0;
    Clock::time_point start_;
    double told_ = -1;
};

/// Samples are run in waves of blocks: a block is one thread's work, a wave is what is reduced in sample order at once,
/// so that neither memory nor the order of floating-point sums depends on the number of samples or threads.
struct Waves {
    const Network& network;
    const Dataset& data;
    const Preprocess& preprocess;
    int64_t block = 4;

    static constexpr int64_t kWave = 256;

    std::vector<float> read(int64_t first, int64_t count) const {
        return read_input(data, preprocess, network.values[static_cast<size_t>(network.input)].shape, first, count);
    }

    /// body(first sample, count) for every block of the wave that starts at `wave`.
    void run_wave(int64_t wave, const std::function<void(int64_t, int64_t)>& body) const {
        const int64_t end = std::min(data.size(), wave + kWave);
        parallel_for((end - wave + block - 1) / block, [&](int64_t i) {
            const int64_t first = wave + i * block;
            body(first, std::min(block, end - first));
        });
    }
};

size_t output_size(const Network& network) {
    return static_cast<size_t>(element_count(network.values[static_cast<size_t>(network.output)].shape));
}

double share(int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

/// Output of the integer reference, and how often a chip with perfect cells differs from it.
struct SoftwarePass {
    std::vector<int32_t> top1;  // (samples)
    int64_t correct = 0, ideal_correct = 0, ideal_unequal = 0;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](float x, float y) { return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y); });
}

SoftwarePass run_software(const Waves& waves, ProductEngine& exact, ProductEngine* ideal, ProgressMeter& meter) {
    const auto samples = static_cast<size_t>(waves.data.size());
    const size_t size = output_size(waves.network);
    SoftwarePass pass;
    pass.top1.resize(samples);
    std::vector<int32_t> ideal_top1(ideal ? samples : 0);
    std::vector<uint8_t> unequal(samples, 0);
    for (int64_t wave = 0; wave < waves.data.size(); wave += Waves::kWave)
        waves.run_wave(wave, [&](int64_t first, int64_t count) {
            const std::vector<float> input = waves.read(first, count);
            const std::vector<float> output = run(waves.network, exact, input, count, first);
            std::vector<float> chip;
            if (ideal) chip = run(waves.network, *ideal, input, count, first);
            for (size_t s = 0; s < static_cast<size_t>(count); ++s) {
                const size_t sample = static_cast<size_t>(first) + s;
                const auto row = std::span(output).subspan(s * size, size);
                pass.top1[sample] = static_cast<int32_t>(top1(row));
                if (!ideal) continue;
                const auto chip_row = std::span(chip).subspan(s * size, size);
                ideal_top1[sample] = static_cast<int32_t>(top1(chip_row));
                unequal[sample] = !same_bits(row, chip_row);
            }
            meter.add(count);
        });
    const std::vector<int32_t>& labels = waves.data.labels();
    for (size_t s = 0; s < samples; ++s) {
        pass.correct += pass.top1[s] == labels[s];
        if (ideal) pass.ideal_correct += ideal_top1[s] == labels[s];
        pass.ideal_unequal += unequal[s];
    }
    return pass;
}

void add_record(LayerRecord& total, const LayerRecord& record) {
    total.signal += record.signal;
    total.error += record.error;
    total.clipped += record.clipped;
    total.conversions += record.conversions;
}

TrialResult run_trial(const Waves& waves, const Mapping& mapping, const Chip& chip, ProductEngine& exact,
                      const std::vector<int32_t>& software, std::vector<LayerRecord>& totals, ProgressMeter& meter) {
    ChipEngine engine(waves.network, mapping, chip);
    const size_t size = output_size(waves.network), layers = mapping.layers.size();
    std::vector<LayerRecord> records(static_cast<size_t>(Waves::kWave) * layers);
    std::vector<int32_t> answers(static_cast<size_t>(Waves::kWave));
    const std::vector<int32_t>& labels = waves.data.labels();
    int64_t correct = 0, agreed = 0;
    for (int64_t wave = 0; wave < waves.data.size(); wave += Waves::kWave) {
        engine.compare_with(exact, records, wave);
        waves.run_wave(wave, [&](int64_t first, int64_t count) {
            const std::vector<float> output = run(waves.network, engine, waves.read(first, count), count, first);
            for (size_t s = 0; s < static_cast<size_t>(count); ++s)
                answers[static_cast<size_t>(first - wave) + s] =
                    static_cast<int32_t>(top1(std::span(output).subspan(s * size, size)));
            meter.add(count);
        });
        const auto count = static_cast<size_t>(std::min(Waves::kWave, waves.data.size() - wave));
        for (size_t s = 0; s < count; ++s) {
            correct += answers[s] == labels[static_cast<size_t>(wave) + s];
            agreed += answers[s] == software[static_cast<size_t>(wave) + s];
            for (size_t l = 0; l < layers; ++l) add_record(totals[l], records[s * layers + l]);
        }
    }
    return {share(correct, waves.data.size()), share(agreed, waves.data.size()), chip.report};
}

SampleReader reader_of(const Waves& waves) {
    return [&waves](int64_t first, int64_t count) { return waves.read(first, count); };
}

void summarize_trials(ChipResult& result) {
    const auto n = static_cast<double>(result.trials.size());
    for (const TrialResult& trial : result.trials) {
        result.accuracy_mean += trial.accuracy / n;
        result.agreement += trial.agreement / n;
    }
    if (result.trials.size() < 2) return;
    double squares = 0;
    for (const TrialResult& trial : result.trials)
        squares += (trial.accuracy - result.accuracy_mean) * (trial.accuracy - result.accuracy_mean);
    result.accuracy_std = std::sqrt(squares / (n - 1));
    const boost::math::students_t student(n - 1);
    result.accuracy_ci95 = boost::math::quantile(student, 0.975) * *result.accuracy_std / std::sqrt(n);
}

/// One age over all trials.
struct AgeRun {
    Conditions conditions;
    std::vector<AdcRange> ranges;  // of the first trial
    std::vector<LayerRecord> totals;
    std::vector<CompensationReport> compensation;  // (layers)
    ChipResult result;
};

void summarize_layers(const Mapping& mapping, const AgeRun& run, ChipResult& result) {
    const std::vector<LayerRecord>& totals = run.totals;
    for (size_t l = 0; l < mapping.layers.size(); ++l) {
        LayerResult layer;
        layer.name = mapping.layers[l].name;
        layer.arrays = mapping.layers[l].array_count;
        layer.adc = run.ranges[l];
        layer.compensation = run.compensation[l];
        layer.adc_clip_rate = share(totals[l].clipped, std::max<int64_t>(1, totals[l].conversions));
        if (totals[l].error > 0 && totals[l].signal > 0)
            layer.sqnr_db = 10 * std::log10(totals[l].signal / totals[l].error);
        result.layers.push_back(layer);
    }
}

/// The ages that the cell's model covers; `result` learns which it does not.
std::vector<AgeRun> plan_ages(const Mapping& mapping, const SimulateOptions& options, SimulationResult& result) {
    const CellOptions& cell = mapping.architecture.cell;
    const std::string cold = outside_of_model(cell, {0, options.temperature});
    if (!cold.empty()) throw ConfigError(fmt::format("temperature = {:.6g} K: {}", options.temperature, cold));
    std::vector<AgeRun> runs;
    for (const double age : options.ages) {
        const Conditions conditions{age, options.temperature};
        result.ages.push_back({age, outside_of_model(cell, conditions), std::nullopt});
        if (result.ages.back().outside.empty())
            runs.push_back({conditions,
                            {},
                            std::vector<LayerRecord>(mapping.layers.size()),
                            std::vector<CompensationReport>(mapping.layers.size()),
                            {}});
    }
    if (runs.empty())
        throw ConfigError(fmt::format("none of the ages can be simulated: {}", result.ages.front().outside));
    return runs;
}

void finish_ages(const Mapping& mapping, std::vector<AgeRun>& runs, SimulationResult& result) {
    auto run = runs.begin();
    for (AgeResult& age : result.ages) {
        if (!age.outside.empty()) continue;
        summarize_trials(run->result);
        summarize_layers(mapping, *run, run->result);
        age.chip = std::move(run->result);
        ++run;
    }
    const auto first = std::find_if(result.ages.begin(), result.ages.end(), [](auto& age) { return age.chip; });
    static_cast<ChipResult&>(result) = *first->chip;
}

std::string stage_name(int trial, int trials, size_t age, size_t ages) {
    const std::string name = fmt::format("trial {}/{}", trial + 1, trials);
    return ages == 1 ? name : name + fmt::format(", age {}/{}", age + 1, ages);
}

void require_labels(const Dataset& data) {
    if (data.labels().empty())
        throw ConfigError(fmt::format("{}: carries no labels, so there is no accuracy to tell", data.spec()));
}

int64_t chosen_block(const SimulateOptions& options, int64_t samples) {
    if (options.block > 0) return options.block;
    return std::clamp<int64_t>(std::min(samples, Waves::kWave) / (2 * threads()), 1, 8);
}

}  // namespace

void validate(const SimulateOptions& options) {
    if (options.trials < 1 || options.trials > 1000000)
        throw ConfigError(fmt::format("trials = {} violates 1 <= trials <= 1000000", options.trials));
    if (options.calibration_samples < 1)
        throw ConfigError(fmt::format("calibration samples = {} violates samples >= 1", options.calibration_samples));
    if (options.block < 0) throw ConfigError(fmt::format("block = {} violates block >= 0", options.block));
    if (options.ages.empty()) throw ConfigError("ages: none is given");
    for (size_t i = 0; i < options.ages.size(); ++i) {
        const double age = options.ages[i];
        if (!(age >= 0 && age <= 1e12)) throw ConfigError(fmt::format("age = {} s violates 0 <= age <= 1e12 s", age));
        if (i > 0 && !(age > options.ages[i - 1]))
            throw ConfigError(fmt::format("ages: {} s after {} s; they must rise", age, options.ages[i - 1]));
    }
    if (!(options.temperature >= 1 && options.temperature <= 2000))
        throw ConfigError(fmt::format("temperature = {} K violates 1 <= temperature <= 2000 K", options.temperature));
}

bool SimulateOptions::ages_given() const { return ages != std::vector<double>{0} || temperature != 300; }

bool needs_calibration(const Architecture& architecture) {
    return architecture.adc.range == AdcOptions::Range::calibrated || architecture.compensation.batch_norm;
}

double software_accuracy(const Network& network, const Dataset& data, const Preprocess& preprocess,
                         const ProgressFunction& progress) {
    require_fit(data, network);
    require_labels(data);
    ProgressMeter meter(progress, data.size());
    meter.stage("software");
    const auto exact = make_exact_engine(network);
    const Waves waves{network, data, preprocess, chosen_block({}, data.size())};
    return share(run_software(waves, *exact, nullptr, meter).correct, data.size());
}

SimulationResult simulate(const Network& network, const Mapping& mapping, const Dataset& data,
                          const Preprocess& preprocess, const Network* real_network, const Dataset* calibration,
                          const SimulateOptions& options, const ProgressFunction& progress) {
    validate(options);
    require_fit(data, network);
    require_labels(data);
    if (calibration) require_fit(*calibration, network);
    if (real_network) require_fit(data, *real_network);

    const Clock::time_point start = Clock::now();
    SimulationResult result;
    std::vector<AgeRun> ages = plan_ages(mapping, options, result);
    const int64_t chip_passes = options.trials * static_cast<int64_t>(ages.size());
    ProgressMeter meter(progress, data.size() * (chip_passes + 1 + (real_network ? 1 : 0)));
    result.samples = data.size();
    const auto exact = make_exact_engine(network);
    const Waves waves{network, data, preprocess, chosen_block(options, data.size())};

    if (real_network) {
        meter.stage("float");
        const auto none = make_exact_engine(*real_network);
        const Waves real{*real_network, data, preprocess, waves.block};
        result.float_accuracy = share(run_software(real, *none, nullptr, meter).correct, data.size());
    }
    meter.stage(options.ideal_chip ? "software and ideal chip" : "software");
    SoftwarePass software;
    if (options.ideal_chip) {
        const Chip chip = program_ideal(mapping);
        ChipEngine engine(network, mapping, chip);
        software = run_software(waves, *exact, &engine, meter);
        result.ideal_accuracy = share(software.ideal_correct, data.size());
        result.ideal_unequal = software.ideal_unequal;
    } else {
        software = run_software(waves, *exact, nullptr, meter);
    }
    result.software_accuracy = share(software.correct, data.size());

    meter.stage("calibrating");
    const Waves calibration_waves{network, calibration ? *calibration : data, preprocess};
    if (needs_calibration(mapping.architecture)) {
        result.calibration = calibration_waves.data.spec();
        result.calibration_samples = std::min(options.calibration_samples, calibration_waves.data.size());
    }
    ChipMaker chips(network, mapping, reader_of(calibration_waves), result.calibration_samples, options.seed);
    const Clock::time_point chip_start = Clock::now();
    Chip chip;
    for (int trial = 0; trial < options.trials; ++trial) {
        for (size_t a = 0; a < ages.size(); ++a) {
            meter.stage(stage_name(trial, options.trials, a, ages.size()));
            chip = chips.make(static_cast<uint32_t>(trial), ages[a].conditions, std::move(chip));
            if (trial == 0)
                for (const ChipLayer& layer : chip.layers) ages[a].ranges.push_back(layer.adc);
            for (size_t l = 0; l < chip.layers.size(); ++l) ages[a].compensation[l] += chip.layers[l].compensation;
            ages[a].result.trials.push_back(
                run_trial(waves, mapping, chip, *exact, software.top1, ages[a].totals, meter));
        }
    }
    result.images_per_second = static_cast<double>(data.size() * chip_passes) / seconds_since(chip_start);
    finish_ages(mapping, ages, result);
    result.seconds = seconds_since(start);
    return result;
}

}  // namespace bitline
