#include "bindings/cli/train_hardware.h"

#include <fmt/format.h>

#include <algorithm>

#include "bindings/cli/ages.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline::cli {

using namespace training;

namespace {

using Strength = HardwareStrength;

constexpr char kDefaultChip[] = "default";

Strength parse_strength(const std::string& value) {
    OptionText text;
    text.path = "--hardware";
    text.value = value;
    return static_cast<Strength>(parse_choice(text, {"noise", "device", "full"}));
}

const char* name_of(Strength strength) {
    return strength == Strength::noise ? "noise" : strength == Strength::device ? "device" : "full";
}

void refuse_unless(bool has_effect, bool given, const std::string& option, const std::string& condition) {
    if (given && !has_effect) throw ConfigError(fmt::format("{} has no effect without {}", option, condition));
}

void refuse_idle_options(const HardwareArguments& a, bool quantized) {
    const bool in_loop = a.strength.has_value();
    const bool noise = in_loop && parse_strength(*a.strength) == Strength::noise;
    const bool full = in_loop && parse_strength(*a.strength) == Strength::full;
    const std::string method = "--method (bitline list methods)", chip = "--hardware device or full";
    refuse_unless(quantized, in_loop, "--hardware", method);
    refuse_unless(quantized, a.architecture.has_value(), "--arch", method);
    refuse_unless(quantized, a.device.has_value(), "--device", method);
    refuse_unless(quantized, !a.settings.empty(), "--set", method);
    refuse_unless(quantized, a.trials.has_value(), "--chip-trials", method);
    refuse_unless(quantized, a.limit.has_value(), "--chip-limit", method);
    refuse_unless(quantized, a.ages.has_value(), "--age", method);
    refuse_unless(quantized, a.temperature.has_value(), "--chip-temperature", method);
    refuse_unless(noise, a.weight_noise.has_value(), "--weight-noise", "--hardware noise");
    refuse_unless(noise, a.output_noise.has_value(), "--output-noise", "--hardware noise");
    refuse_unless(in_loop && !noise, a.fixed_chip, "--fixed-chip", chip);
    refuse_unless(in_loop && !noise, a.samples.has_value(), "--calibration", chip);
    refuse_unless(full, a.every.has_value(), "--calibrate-every", "--hardware full");
    refuse_unless(full, a.learn_ranges, "--learn-adc-ranges", "--hardware full");
    refuse_unless(in_loop, a.after.has_value(), "--hardware-after", "--hardware");
}

std::string percent(double share) { return percent_text(share); }

/// One link of the chain, measured before and after.
std::vector<std::string> row(const std::string& name, const std::optional<std::string>& before,
                             const std::string& after) {
    return {name, before.value_or(""), after};
}

std::string chip_share(const ChipResult& chip) {
    return chip.accuracy_std ? fmt::format("{} ± {:.2f}", percent(chip.accuracy_mean), 100 * *chip.accuracy_std)
                             : percent(chip.accuracy_mean);
}

std::string aged_share(const AgeResult& age) { return age.chip ? chip_share(*age.chip) : "n/a"; }

std::string gap_text(double gap, const std::optional<double>& deviation) {
    const double points = 100 * gap;
    return deviation ? fmt::format("{:.2f} ± {:.2f}", points, 100 * *deviation) : fmt::format("{:.2f}", points);
}

std::string aged_gap(const Chain& chain, const AgeResult& age) {
    return age.chip ? gap_text(chain.integer - age.chip->accuracy_mean, age.chip->accuracy_std) : "n/a";
}

Json to_json(const Chain& chain) {
    Json ages = Json::array();
    for (const AgeResult& age : chain.chip.ages) {
        Json entry{{"age", number(age.age)}};
        if (age.chip) {
            entry["accuracy"] = {{"mean", number(age.chip->accuracy_mean)}, {"std", number(age.chip->accuracy_std)}};
            Json trials = Json::array();
            for (const TrialResult& trial : age.chip->trials) trials.push_back(number(trial.accuracy));
            entry["accuracy"]["trials"] = trials;
            entry["gap"] = number(chain.integer - age.chip->accuracy_mean);
        } else {
            entry["outside"] = age.outside;
        }
        ages.push_back(entry);
    }
    return {{"float", number(chain.real)},
            {"quantized", number(chain.quantized)},
            {"integer", number(chain.integer)},
            {"ideal_chip", number(chain.chip.ideal_accuracy)},
            {"chips", ages}};
}

}  // namespace

void add_hardware(Command& command, HardwareArguments& a) {
    add_text(command, "--hardware", a.strength, "S",
             "what training meets: noise (relative to ranges), device\n(the cells of a fresh chip at every step) or "
             "full (the whole\nchip simulation) (nothing)");
    add_text(command, "--hardware-after", a.after, "E", "epochs without it before (0)");
    add_text(command, "--weight-noise", a.weight_noise, "S", "noise: deviation over the layer's largest weight (0.05)");
    add_text(command, "--output-noise", a.output_noise, "S", "noise: deviation over the layer's largest output (0)");
    add_text(command, "--arch", a.architecture, "A",
             "the chip, in the loop and at the end: name (bitline list\narchitectures) or YAML file (default)");
    add_text(command, "--device", a.device, "NAME", "its cells: a name (bitline list devices) or a YAML file");
    add_texts(command, "--set", a.settings, "KEY=VALUE", "change one key of the architecture; may be repeated");
    add_text(command, "--age", a.ages, "T[,T..]",
             "of the chips at the end; device and full meet ages up to\nthe last one (0)");
    add_text(command, "--chip-temperature", a.temperature, "K", "of every read (300)");
    command.app->add_flag("--fixed-chip", a.fixed_chip, "device, full: one chip for all steps, trial 1 at the end");
    add_text(command, "--calibration", a.samples, "N",
             "device, full: training samples for converter ranges\nand compensation (64)");
    add_text(command, "--calibrate-every", a.every, "N", "full: steps between calibrations of converter ranges (100)");
    command.app->add_flag("--learn-adc-ranges", a.learn_ranges,
                          "full: converter ranges are trained instead, from\ncalibrated ones on");
    add_text(command, "--chip-trials", a.trials, "N", "chips that the result is measured on (10)");
    add_text(command, "--chip-limit", a.limit, "N", "test samples that they are measured on (all)");
}

HardwarePlan parse_hardware(const HardwareArguments& a, bool quantized, uint64_t seed) {
    refuse_idle_options(a, quantized);
    HardwarePlan plan;
    plan.name = a.architecture.value_or(kDefaultChip);
    plan.architecture = read_chip(plan.name, with_device(a.device, a.settings));
    plan.chips.seed = seed;
    plan.chips.trials = a.trials ? static_cast<int>(parse_whole("--chip-trials", *a.trials, 1, 1000000)) : 10;
    if (a.ages) plan.chips.ages = parse_ages("--age", *a.ages);
    if (a.temperature) plan.chips.temperature = parse_number("--chip-temperature", *a.temperature, 1, 2000, false);
    if (a.samples) plan.chips.calibration_samples = parse_whole("--calibration", *a.samples, 1, 1000000);
    if (a.limit) plan.limit = parse_whole("--chip-limit", *a.limit, 1, int64_t(1) << 40);
    if (!a.strength) return plan;
    HardwareOptions options;
    options.strength = parse_strength(*a.strength);
    options.architecture = plan.architecture;
    if (a.weight_noise) options.weight_noise = parse_number("--weight-noise", *a.weight_noise, 0, 10, false);
    if (a.output_noise) options.output_noise = parse_number("--output-noise", *a.output_noise, 0, 10, false);
    options.age_high = plan.chips.ages.back();
    options.age_low = std::min(plan.chips.ages.front(), options.age_high);
    options.temperature = plan.chips.temperature;
    options.fixed_chip = a.fixed_chip;
    options.calibration_samples = plan.chips.calibration_samples;
    if (a.every) options.calibrate_every = parse_whole("--calibrate-every", *a.every, 1, 1000000);
    options.learn_ranges = a.learn_ranges;
    validate(options);
    plan.in_loop = options;
    if (a.after) plan.after = parse_whole("--hardware-after", *a.after, 0, 1000000);
    return plan;
}

OptionTexts describe(const HardwarePlan& plan) {
    OptionTexts texts;
    if (!plan.in_loop) return {{"hardware", "none"}};
    const HardwareOptions& o = *plan.in_loop;
    texts.emplace_back("hardware", name_of(o.strength));
    texts.emplace_back("hardware after", std::to_string(plan.after));
    if (o.strength == Strength::noise) {
        texts.emplace_back("weight noise", real_text(o.weight_noise));
        texts.emplace_back("output noise", real_text(o.output_noise));
        return texts;
    }
    texts.emplace_back("architecture", to_yaml(plan.architecture));
    texts.emplace_back("ages", real_text(o.age_low) + " to " + real_text(o.age_high) + " s");
    texts.emplace_back("chip temperature", real_text(o.temperature));
    texts.emplace_back("fixed chip", o.fixed_chip ? "on" : "off");
    texts.emplace_back("calibration", std::to_string(o.calibration_samples));
    texts.emplace_back("calibrate every", std::to_string(o.calibrate_every));
    texts.emplace_back("learn ADC ranges", o.learn_ranges ? "on" : "off");
    return texts;
}

std::string chain_text(const HardwarePlan& plan, const std::optional<Chain>& before, const Chain& after) {
    Table table;
    table.columns = {{"accuracy", Align::left}, {before ? "before" : ""}, {before ? "after" : "trained"}};
    const auto add = [&](const std::string& name, const auto& text) {
        table.rows.push_back(row(name, before ? std::optional(text(*before)) : std::nullopt, text(after)));
    };
    add("float", [](const Chain& c) { return percent(c.real); });
    add("quantized, float sums", [](const Chain& c) { return percent(c.quantized); });
    add("quantized, integer sums", [](const Chain& c) { return percent(c.integer); });
    add("ideal chip", [](const Chain& c) { return c.chip.ideal_accuracy ? percent(*c.chip.ideal_accuracy) : "n/a"; });
    for (size_t i = 0; i < after.chip.ages.size(); ++i)
        add("real chip, " + age_text(after.chip.ages[i].age),
            [i](const Chain& c) { return aged_share(c.chip.ages.at(i)); });
    for (size_t i = 0; i < after.chip.ages.size(); ++i)
        add("gap in points, " + age_text(after.chip.ages[i].age),
            [i](const Chain& c) { return aged_gap(c, c.chip.ages.at(i)); });
    std::string text =
        fmt::format("\n{} chips of architecture {}, {} samples each, seed {}; ± standard deviation\n\n",
                    plan.chips.trials, clean_line(plan.name), count_text(after.chip.samples), plan.chips.seed);
    return text + render(table);
}

Json to_json(const HardwarePlan& plan, const std::optional<Chain>& before, const Chain& after) {
    Json json{{"architecture", plan.name}, {"trials", plan.chips.trials}, {"samples", after.chip.samples}};
    if (before) json["before"] = to_json(*before);
    json["after"] = to_json(after);
    return {{"chain", json}};
}

}  // namespace bitline::cli
