#include "bindings/cli/simulate_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bindings/cli/terminal.h"
#include "core/ages.h"
#include "core/files.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/version.h"

namespace bitline::cli {

namespace {

std::string points_text(double share) { return fmt::format("{:+.2f}", 100 * share); }

/// One link of the chain; `before` is the accuracy of the link above.
std::vector<std::string> chain_row(const std::string& name, double accuracy, std::optional<double> before,
                                   const std::string& note) {
    return {name, percent_text(accuracy), before ? points_text(accuracy - *before) : "", note};
}

std::string ideal_note(const SimulationResult& result, bool clips) {
    if (result.ideal_unequal == 0) return fmt::format("equal in all {} samples", count_text(result.samples));
    return fmt::format("differs in {} of {} samples{}", count_text(result.ideal_unequal), count_text(result.samples),
                       clips ? ": weights.clip changed the weights" : "");
}

std::string chip_note(const ChipResult& result) {
    std::string text;
    if (result.accuracy_std && result.accuracy_ci95) {
        text = fmt::format("std {:.2f}, 95 % interval \u00b1{:.2f}, {} trials; ", 100 * *result.accuracy_std,
                           100 * *result.accuracy_ci95, count_text(static_cast<int64_t>(result.trials.size())));
    }
    return text + fmt::format("agreement {}", percent_text(result.agreement));
}

/// The age that the figures of the whole result stand for.
double age_of_chip(const SimulationResult& result) {
    const auto first = std::find_if(result.ages.begin(), result.ages.end(), [](auto& age) { return age.chip; });
    return first->age;
}

Table chain_table(const SimulationResult& result, bool clips, bool ages_given) {
    Table table;
    table.columns = {{"network", Align::left}, {"accuracy"}, {"points"}, {"", Align::left}};
    if (result.float_accuracy) table.rows.push_back(chain_row("float", *result.float_accuracy, std::nullopt, ""));
    table.rows.push_back(chain_row("quantized", result.software_accuracy, result.float_accuracy, ""));
    const double software = result.software_accuracy;
    if (result.ideal_accuracy) {
        table.rows.push_back(chain_row("ideal chip", *result.ideal_accuracy, software, ideal_note(result, clips)));
    }
    const std::string chip = "real chip" + (ages_given ? ", " + age_text(age_of_chip(result)) : "");
    table.rows.push_back(chain_row(chip, result.accuracy_mean, software, chip_note(result)));
    return table;
}

/// `share` of a bar of 20 columns, to an eighth of a column.
std::string bar_text(double share) {
    constexpr int kWidth = 20, kEighths = 8;
    const auto filled = static_cast<int>(std::lround(share * kWidth * kEighths));
    std::string bar;
    for (int i = 0; i < filled / kEighths; ++i) bar += "\u2588";
    if (filled % kEighths > 0) bar += std::string("\xE2\x96") + static_cast<char>(0x90 - filled % kEighths);
    return bar;
}

std::vector<std::string> age_row(const AgeResult& age, double software) {
    if (!age.chip) return {age_text(age.age), "n/a", "", "", "", "", ""};
    const ChipResult& chip = *age.chip;
    const auto points = [](std::optional<double> share) {
        return share ? fmt::format("{:.2f}", 100 * *share) : std::string();
    };
    return {age_text(age.age),
            percent_text(chip.accuracy_mean),
            points_text(chip.accuracy_mean - software),
            points(chip.accuracy_std),
            chip.accuracy_ci95 ? "\u00b1" + points(chip.accuracy_ci95) : "",
            percent_text(chip.agreement),
            bar_text(chip.accuracy_mean)};
}

Table age_table(const SimulationResult& result) {
    Table table;
    table.columns = {{"age"}, {"accuracy"}, {"points"}, {"std"}, {"95 %"}, {"agreement"}, {"", Align::left}};
    for (const AgeResult& age : result.ages) table.rows.push_back(age_row(age, result.software_accuracy));
    return table;
}

std::string range_text(const AdcRange& adc) {
    if (adc.votes) return "a threshold per column";
    if (adc.one_bit) return adc.threshold == 0 ? "sign" : fmt::format("sign of sum - {:.4g}", adc.threshold);
    if (!adc.values.empty())
        return fmt::format("{:.8g} .. {:.8g}", adc.values.front() * adc.unit(), adc.values.back() * adc.unit());
    return fmt::format("{:.8g} .. {:.8g}", adc.lo * adc.step, adc.hi * adc.step);
}

Table layer_table(const ChipResult& result) {
    Table table;
    table.columns = {
        {"layer", Align::left, true}, {"arrays"}, {"SQNR dB"}, {"ADC bits"}, {"range, levels"}, {"step"}, {"clipped"},
        {"policy", Align::left, true}};
    for (const LayerResult& layer : result.layers) {
        const bool known = layer.sqnr_db && std::isfinite(*layer.sqnr_db);
        table.rows.push_back(
            {layer.name, count_text(layer.arrays), known ? fmt::format("{:.1f}", *layer.sqnr_db) : "exact",
             fmt::format("{}", layer.adc.bits), range_text(layer.adc), fmt::format("{:.4g}", layer.adc.step),
             fmt::format("{:.3f} %", 100 * layer.adc_clip_rate), layer.adc.policy});
    }
    return table;
}

/// What programming in a closed loop took; empty where there was none.
std::string write_verify_text(const WriteReport& w) {
    if (w.cells == 0) return {};
    const auto cells = static_cast<double>(w.cells);
    const bool attempts = w.attempts > 0;
    const double writes = static_cast<double>(attempts ? w.attempts : w.pulses()) / cells;
    std::string text =
        fmt::format("write-verify  {:.2f} {} per cell, at most {}; missed {:.3f} %, outside {:.3f} %", writes,
                    attempts ? "attempts" : "pulses", count_text(w.most), 100 * static_cast<double>(w.misses) / cells,
                    100 * static_cast<double>(w.outside) / cells);
    if (w.energy > 0) text += fmt::format("; {:.3g} J per cell", w.energy / cells);
    return text + "\n";
}

/// Averages over the trials' chips.
std::string faults_text(const ProgrammingReport& sum, int64_t trials) {
    const auto mean = [&](int64_t count) {
        return fmt::format("{:.4g}", static_cast<double>(count) / static_cast<double>(trials));
    };
    if (sum.unrepaired_digits + sum.faulty_digits + sum.open + sum.stuck_other == 0) return {};
    return fmt::format(
        "faults        per chip {} cells stuck elsewhere, {} open; lines open {} word, {} bit; digits of weights moved "
        "by half a level or more {}, without repair {}\n",
        mean(sum.stuck_other), mean(sum.open), mean(sum.open_word_lines), mean(sum.open_bit_lines),
        mean(sum.faulty_digits), mean(sum.unrepaired_digits));
}

std::string cells_text(const SimulationResult& result) {
    if (result.trials.empty()) return {};
    ProgrammingReport sum;
    for (const TrialResult& trial : result.trials) sum += trial.programming;
    const double cells = std::max<double>(1, static_cast<double>(sum.cells));
    std::string text = fmt::format(
        "cells         {} per chip; stuck {:.2f} % low, {:.2f} % high; clipped at 0 or the ceiling {:.2f} %\n",
        count_text(result.trials[0].programming.cells), 100 * static_cast<double>(sum.stuck_low) / cells,
        100 * static_cast<double>(sum.stuck_high) / cells, 100 * static_cast<double>(sum.clipped) / cells);
    if (sum.measured > 0)
        text += fmt::format("measured      {:.2f} % of the cells as cell.conductance_map says\n",
                            100 * static_cast<double>(sum.measured) / cells);
    text += write_verify_text(sum.write_verify);
    return text + faults_text(sum, static_cast<int64_t>(result.trials.size()));
}

std::string conditions_text(const SimulationRun& run, const SimulationResult& result) {
    std::string text =
        fmt::format("data          {} samples of {}\n", count_text(result.samples), clean_line(run.data->spec()));
    const bool chosen = run.preprocess.origin != "default";
    text += fmt::format(
        "preprocess    {} ({})\n", to_string(run.preprocess.preprocess),
        chosen ? "from " + run.preprocess.origin : "the default: neither --preprocess nor the model says otherwise");
    if (!result.calibration.empty()) {
        text += fmt::format("calibration   first {} samples of {}\n", count_text(result.calibration_samples),
                            clean_line(result.calibration));
    } else if (run.calibration) {
        text += "calibration   not used: adc.range is not `calibrated`, compensation.batch_norm is off\n";
    }
    if (run.options.ages_given())
        text += fmt::format(
            "temperature   {:.6g} K{}\n", run.options.temperature,
            result.ages.size() > 1 ? "; layers and cells above at age " + age_text(age_of_chip(result)) : "");
    return text;
}

Json programming_json(const ProgrammingReport& report) {
    Json json{{"cells", report.cells},
              {"stuck_low", report.stuck_low},
              {"stuck_high", report.stuck_high},
              {"stuck_other", report.stuck_other},
              {"open", report.open},
              {"open_word_lines", report.open_word_lines},
              {"open_bit_lines", report.open_bit_lines},
              {"faulty_digits", report.faulty_digits},
              {"unrepaired_digits", report.unrepaired_digits},
              {"repaired_digits", report.unrepaired_digits - report.faulty_digits},
              {"measured", report.measured},
              {"clipped", report.clipped}};
    const WriteReport& w = report.write_verify;
    if (w.cells > 0) {
        json["write_verify"] = {{"pulses_up", w.pulses_up}, {"pulses_down", w.pulses_down}, {"attempts", w.attempts},
                                {"reads", w.reads},         {"misses", w.misses},           {"outside", w.outside},
                                {"most", w.most},           {"energy_joule", w.energy}};
    }
    return json;
}

/// Level sums where codes begin; null for equal steps.
Json thresholds_json(const AdcRange& adc) {
    if (adc.thresholds.empty()) return nullptr;
    Json levels = Json::array();
    for (const double at : adc.thresholds) levels.push_back(number((at - adc.offset) * adc.step));
    return levels;
}

/// Levels that codes count as; null where code * step.
Json values_json(const AdcRange& adc) {
    if (adc.values.empty()) return nullptr;
    Json levels = Json::array();
    for (const int32_t value : adc.values) levels.push_back(number(value * adc.unit()));
    return levels;
}

Json adc_json(const AdcRange& adc) {
    return {{"bits", adc.bits},
            {"policy", adc.policy},
            {"lossless", adc.lossless},
            {"step", number(adc.step)},
            {"lo", adc.lo},
            {"hi", adc.hi},
            {"threshold", adc.one_bit && !adc.votes ? number(adc.threshold) : Json(nullptr)},
            {"thresholds", thresholds_json(adc)},
            {"values", values_json(adc)}};
}

/// Mean and extremes over the columns or channels of all trials' chips; null where nothing was measured.
Json summary_json(const Summary& summary) {
    if (summary.count == 0) return nullptr;
    return {{"mean", number(summary.mean())}, {"min", number(summary.least)}, {"max", number(summary.most)}};
}

Json compensation_json(const CompensationReport& report) {
    return {
        {"wire_gain", summary_json(report.wire_gain)},         {"drift_gain", summary_json(report.drift_gain)},
        {"column_gain", summary_json(report.column_gain)},     {"offset_levels", summary_json(report.offset)},
        {"channel_scale", summary_json(report.channel_scale)}, {"channel_shift", summary_json(report.channel_shift)}};
}

Json layers_json(const ChipResult& result) {
    Json layers = Json::array();
    for (const LayerResult& layer : result.layers) {
        layers.push_back({{"name", layer.name},
                          {"arrays", layer.arrays},
                          {"sqnr_db", number(layer.sqnr_db)},
                          {"adc_clip_rate", number(layer.adc_clip_rate)},
                          {"adc", adc_json(layer.adc)},
                          {"compensation", compensation_json(layer.compensation)}});
    }
    return layers;
}

Json trials_json(const ChipResult& result) {
    Json trials = Json::array();
    for (const TrialResult& trial : result.trials) {
        trials.push_back({{"accuracy", number(trial.accuracy)},
                          {"agreement", number(trial.agreement)},
                          {"programming", programming_json(trial.programming)}});
    }
    return trials;
}

Json data_json(const Dataset& data, int64_t samples) {
    Json files = Json::array();
    for (const std::string& path : data.files()) files.push_back({{"path", path}, {"sha256", sha256_file(path)}});
    return {{"spec", data.spec()}, {"files", files}, {"samples", samples}};
}

Json calibration_json(const SimulationRun& run, const SimulationResult& result) {
    if (result.calibration.empty()) return nullptr;
    const Dataset& source = run.calibration ? *run.calibration : *run.data;
    return data_json(source, result.calibration_samples);
}

Json float_json(const SimulationRun& run, const SimulationResult& result) {
    return {{"accuracy", number(result.float_accuracy)},
            {"path", run.real ? Json(run.real->path) : Json(nullptr)},
            {"sha256", run.real ? Json(run.real->sha256) : Json(nullptr)}};
}

Json ideal_json(const SimulationResult& result) {
    return {{"accuracy", number(result.ideal_accuracy)},
            {"unequal_samples", result.ideal_accuracy ? Json(result.ideal_unequal) : Json(nullptr)}};
}

Json accuracy_json(const ChipResult& result) {
    return {{"mean", number(result.accuracy_mean)},
            {"std", number(result.accuracy_std)},
            {"ci95", number(result.accuracy_ci95)}};
}

Json chip_json(const SimulationRun& run, const SimulationResult& result) {
    return {
        {"accuracy", accuracy_json(result)}, {"agreement", number(result.agreement)}, {"arrays", run.mapping.arrays}};
}

Json ages_json(const SimulationResult& result) {
    Json ages = Json::array();
    for (const AgeResult& age : result.ages) {
        Json one{
            {"age", number(age.age)}, {"outside_of_model", nullptr}, {"accuracy", nullptr}, {"agreement", nullptr}};
        if (age.chip) {
            one["accuracy"] = accuracy_json(*age.chip);
            one["agreement"] = number(age.chip->agreement);
        } else {
            one["outside_of_model"] = age.outside;
        }
        one["trials"] = age.chip ? trials_json(*age.chip) : Json::array();
        one["layers"] = age.chip ? layers_json(*age.chip) : Json::array();
        ages.push_back(one);
    }
    return ages;
}

Json options_json(const SimulationRun& run) {
    Json options{{"trials", run.options.trials},
                 {"limit", run.limit ? Json(*run.limit) : Json(nullptr)},
                 {"calibration_samples", run.options.calibration_samples},
                 {"skip_ideal", !run.options.ideal_chip}};
    if (run.options.ages_given()) {
        options["ages"] = run.options.ages;
        options["temperature"] = number(run.options.temperature);
    }
    return options;
}

/// Layers whose output is mostly error deserve a hint: the figures are real, and a first user takes them for a fault.
std::string overwhelmed_text(const SimulationResult& result) {
    std::string names;
    for (const LayerResult& layer : result.layers)
        if (!layer.adc.votes && layer.sqnr_db && *layer.sqnr_db < 0)
            names += (names.empty() ? "" : ", ") + clean_line(layer.name);
    if (names.empty()) return {};
    const std::string title = "note          ";
    std::string text =
        wrap(fmt::format("below 0 dB, more error than signal: {}. An input zero point multiplies the error of "
                         "every cell; better or fewer cells per column help.",
                         names),
             100, static_cast<int>(title.size()));
    return text.replace(0, title.size(), title);
}

std::string rate_text(double rate) {
    return rate < 1000 ? fmt::format("{:.4g}", rate) : count_text(std::llround(rate));
}

}  // namespace

std::string outside_text(const SimulationResult& result, int width) {
    std::string text;
    for (auto age = result.ages.begin(); age != result.ages.end();) {
        const std::string& reason = age->outside;
        std::string ages;
        for (; age != result.ages.end() && age->outside == reason; ++age)
            ages += (ages.empty() ? "" : ", ") + age_text(age->age);
        if (!reason.empty()) text += wrap(fmt::format("n/a at {}: {}", ages, clean_line(reason)), width, 0);
    }
    return text;
}

std::string simulation_title(const SimulationRun& run) {
    return fmt::format("{} on {}", clean_line(run.model.network.name), clean_line(run.mapping.architecture.name));
}

std::string simulation_text(const SimulationRun& run, const SimulationResult& result) {
    const bool clips = run.mapping.architecture.weights.clip < 1, ages = run.options.ages_given();
    std::string text =
        styled(simulation_title(run), Style::bold) + "\n\n" + render(chain_table(result, clips, ages)) + "\n";
    if (ages) text += render(age_table(result)) + outside_text(result, kTableWidth) + "\n";
    return text + render(layer_table(result)) + "\n" + conditions_text(run, result) + cells_text(result) +
           overwhelmed_text(result) +
           fmt::format("speed         {} images/s on the {} kernel with {} threads; {} in all\n",
                       rate_text(result.images_per_second), kernels::active().name, threads(),
                       duration_text(result.seconds));
}

Json simulation_json(const SimulationRun& run, const SimulationResult& result) {
    Json json{{"version", kVersion},
              {"kernel", kernels::active().name},
              {"seed", run.options.seed},
              {"threads", threads()},
              {"model", to_json(run.model)},
              {"architecture", to_json(run.mapping.architecture, run.architecture_source, run.settings)},
              {"data", data_json(*run.data, result.samples)},
              {"calibration", calibration_json(run, result)},
              {"preprocess", to_string(run.preprocess.preprocess)},
              {"options", options_json(run)},
              {"software", {{"accuracy", number(result.software_accuracy)}}},
              {"float", float_json(run, result)},
              {"ideal", ideal_json(result)},
              {"chip", chip_json(run, result)},
              {"trials", trials_json(result)},
              {"layers", layers_json(result)}};
    if (run.options.ages_given()) json["ages"] = ages_json(result);
    json["images_per_second"] = number(result.images_per_second);
    json["seconds"] = number(result.seconds);
    return json;
}

}  // namespace bitline::cli
