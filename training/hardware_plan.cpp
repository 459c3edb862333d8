#include "training/hardware_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ages.h"
#include "core/error.h"
#include "core/named_options.h"
#include "core/options.h"

namespace bitline::training {

namespace {

using Strength = HardwareStrength;

constexpr char kDefaultChip[] = "default";

Strength parse_strength(const std::string& value) {
    OptionText text;
    text.path = option_name("hardware");
    text.value = value;
    return static_cast<Strength>(parse_choice(text, {"noise", "device", "full"}));
}

const char* name_of(Strength strength) {
    return strength == Strength::noise ? "noise" : strength == Strength::device ? "device" : "full";
}

void refuse_unless(bool has_effect, bool given, const std::string& name, const std::string& condition) {
    if (given && !has_effect)
        throw ConfigError(fmt::format("{} has no effect without {}", option_name(name), condition));
}

int64_t whole(const std::string& name, const std::string& text, int64_t low, int64_t high) {
    return parse_whole(option_name(name), text, low, high);
}

double real(const std::string& name, const std::string& text, double low, double high) {
    return parse_number(option_name(name), text, low, high, false);
}

void refuse_idle_options(const HardwareTexts& a, bool quantized) {
    const bool in_loop = a.strength.has_value();
    const bool noise = in_loop && parse_strength(*a.strength) == Strength::noise;
    const bool full = in_loop && parse_strength(*a.strength) == Strength::full;
    const std::string method = option_name("method") + " (bitline list methods)";
    const std::string chip = option_with("hardware", "device") + " or full";
    refuse_unless(quantized, in_loop, "hardware", method);
    refuse_unless(quantized, a.architecture.has_value() || a.chip.has_value(), "arch", method);
    refuse_unless(quantized, a.device.has_value(), "device", method);
    refuse_unless(quantized, !a.settings.empty(), "set", method);
    refuse_unless(quantized, a.trials.has_value(), "chip-trials", method);
    refuse_unless(quantized, a.limit.has_value(), "chip-limit", method);
    refuse_unless(quantized, a.ages.has_value(), "age", method);
    refuse_unless(quantized, a.temperature.has_value(), "chip-temperature", method);
    refuse_unless(noise, a.weight_noise.has_value(), "weight-noise", option_with("hardware", "noise"));
    refuse_unless(noise, a.output_noise.has_value(), "output-noise", option_with("hardware", "noise"));
    refuse_unless(in_loop && !noise, a.fixed_chip, "fixed-chip", chip);
    refuse_unless(in_loop && !noise, a.samples.has_value(), "calibration", chip);
    refuse_unless(full, a.every.has_value(), "calibrate-every", option_with("hardware", "full"));
    refuse_unless(full, a.learn_ranges, "learn-adc-ranges", option_with("hardware", "full"));
    refuse_unless(in_loop, a.after.has_value(), "hardware-after", option_name("hardware"));
}

Architecture read_chip(const HardwareTexts& a) {
    if (a.chip) return *a.chip;
    std::vector<Setting> settings;
    if (a.device) settings.emplace_back("cell.device", *a.device);
    for (const std::string& text : a.settings) settings.push_back(parse_setting(text));
    return read_architecture(a.architecture.value_or(kDefaultChip), settings);
}

}  // namespace

HardwarePlan parse_hardware(const HardwareTexts& a, bool quantized, uint64_t seed) {
    refuse_idle_options(a, quantized);
    HardwarePlan plan;
    plan.architecture = read_chip(a);
    plan.name = a.chip ? a.chip->name : a.architecture.value_or(kDefaultChip);
    plan.chips.seed = seed;
    plan.chips.trials = a.trials ? static_cast<int>(whole("chip-trials", *a.trials, 1, 1000000)) : 10;
    if (a.ages) plan.chips.ages = parse_ages(option_name("age"), *a.ages);
    if (a.temperature) plan.chips.temperature = real("chip-temperature", *a.temperature, 1, 2000);
    if (a.samples) plan.chips.calibration_samples = whole("calibration", *a.samples, 1, 1000000);
    if (a.limit) plan.limit = whole("chip-limit", *a.limit, 1, int64_t(1) << 40);
    if (!a.strength) return plan;
    HardwareOptions options;
    options.strength = parse_strength(*a.strength);
    options.architecture = plan.architecture;
    if (a.weight_noise) options.weight_noise = real("weight-noise", *a.weight_noise, 0, 10);
    if (a.output_noise) options.output_noise = real("output-noise", *a.output_noise, 0, 10);
    options.age_high = plan.chips.ages.back();
    options.age_low = std::min(plan.chips.ages.front(), options.age_high);
    options.temperature = plan.chips.temperature;
    options.fixed_chip = a.fixed_chip;
    options.calibration_samples = plan.chips.calibration_samples;
    if (a.every) options.calibrate_every = whole("calibrate-every", *a.every, 1, 1000000);
    options.learn_ranges = a.learn_ranges;
    validate(options);
    plan.in_loop = options;
    if (a.after) plan.after = whole("hardware-after", *a.after, 0, 1000000);
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

}  // namespace bitline::training
