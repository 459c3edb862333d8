#include "mapping/converter_keys.h"

#include <fmt/format.h>

#include "peripherals/threshold_errors.h"

namespace bitline {

namespace {

using A = Architecture;
using O = AdcOptions;

template <class Member>
auto adc(Member member) {
    return member_of(&A::adc, member);
}

OptionCondition<A> when(const std::string& text, const std::vector<std::string>& keys, bool (*holds)(const O&)) {
    return {text, keys, [holds](const A& a) { return holds(a.adc); }};
}

const OptionCondition<A> kFixedRange =
    when("adc.range = fixed", {"adc.range"}, [](const O& o) { return o.range == O::Range::fixed; });
const OptionCondition<A> kCalibrated =
    when("adc.range = calibrated with thresholds that are not fitted",
         {"adc.range", "adc.thresholds", "adc.sense_amplifier", "adc.bits"},
         [](const O& o) { return o.range == O::Range::calibrated && !fits_thresholds(o); });
const OptionCondition<A> kPercentile = when(
    "adc.range = calibrated and adc.calibration = percentile",
    {"adc.range", "adc.calibration", "adc.thresholds", "adc.sense_amplifier", "adc.bits"}, [](const O& o) {
        return o.range == O::Range::calibrated && o.calibration == O::Calibration::percentile && !fits_thresholds(o);
    });
const OptionCondition<A> kTable =
    when("adc.thresholds = table", {"adc.thresholds"}, [](const O& o) { return o.thresholds == O::Thresholds::table; });
const OptionCondition<A> kSar = when("adc.type = sar", {"adc.type"}, [](const O& o) { return o.type == O::Type::sar; });
const OptionCondition<A> kRamp =
    when("adc.type = ramp", {"adc.type"}, [](const O& o) { return o.type == O::Type::ramp; });
const OptionCondition<A> kFlash =
    when("adc.type = flash", {"adc.type"}, [](const O& o) { return o.type == O::Type::flash; });
const OptionCondition<A> kComparators =
    when("adc.type = flash, adc.sense_amplifier = true or adc.readout = sign",
         {"adc.type", "adc.sense_amplifier", "adc.readout"},
         [](const O& o) { return o.type == O::Type::flash || o.sense_amplifier || o.readout == O::Readout::sign; });
const OptionCondition<A> kConverter =
    when("adc.sense_amplifier = false", {"adc.sense_amplifier"}, [](const O& o) { return !o.sense_amplifier; });

const std::vector<std::pair<O::Range, std::string>> kRanges{
    {O::Range::lossless, "lossless"}, {O::Range::fixed, "fixed"}, {O::Range::calibrated, "calibrated"}};
const std::vector<std::pair<O::Readout, std::string>> kReadouts{{O::Readout::converter, "converter"},
                                                                {O::Readout::sign, "sign"}};
const std::vector<std::pair<O::Calibration, std::string>> kCalibrations{{O::Calibration::mse, "mse"},
                                                                        {O::Calibration::percentile, "percentile"}};
const std::vector<std::pair<O::Thresholds, std::string>> kThresholds{
    {O::Thresholds::uniform, "uniform"}, {O::Thresholds::lloyd_max, "lloyd_max"}, {O::Thresholds::table, "table"}};
const std::vector<std::pair<O::Type, std::string>> kTypes{
    {O::Type::ideal, "ideal"}, {O::Type::sar, "sar"}, {O::Type::ramp, "ramp"}, {O::Type::flash, "flash"}};

constexpr int kMostTableBits = 12;
constexpr OptionRange kLsbs{0, 1000};
constexpr OptionRange kPlace{-8192, 8192};  // LSB, of a threshold in a table
constexpr OptionRange kMismatch{0, 0.2};    // five of its sigmas keep a unit positive
constexpr OptionRange kShareRange{0, 1};

OptionFields<A> range_keys() {
    return {
        integer_field<A>("adc.bits", adc(&O::bits), {1, 16}, "resolution; lossless: as many as the worst case needs",
                         "lossless", 0),
        choice_field<A>("adc.range", adc(&O::range), kRanges,
                        "input range: the worst-case sum, a fixed share of the largest sum, or per layer from samples"),
        real_field<A>("adc.full_scale", adc(&O::full_scale), {0, 1, true}, kShare, "share of the largest possible sum")
            .only_with(kFixedRange),
        choice_field<A>("adc.calibration", adc(&O::calibration), kCalibrations,
                        "what the range minimises on the samples: least squared error, or covers a percentile")
            .only_with(kCalibrated),
        real_field<A>("adc.percentile", adc(&O::percentile), {50, 100, true}, kPercent,
                      "share of the column sums that the range covers")
            .only_with(kPercentile),
    };
}

OptionFields<A> threshold_keys() {
    return {
        choice_field<A>("adc.thresholds", adc(&O::thresholds), kThresholds,
                        "equal steps; thresholds and values of least squared error, per layer from samples; or "
                        "adc.table")
            .only_with(kConverter),
        list_field<A>("adc.table", adc(&O::table), kPlace, kLsb, (size_t{1} << kMostTableBits) - 1,
                      "where code 1, 2, .. above the lowest begins (equal steps: 0.5, 1.5, ..), 2^bits - 1 numbers, "
                      "ascending; equal ones leave a code out")
            .only_with(kTable),
        choice_field<A>("adc.type", adc(&O::type), kTypes,
                        "what makes the thresholds' errors: nothing, capacitors, steps of a ramp, or a ladder and "
                        "comparators")
            .only_with(kConverter),
        real_field<A>("adc.capacitor_sigma", adc(&O::capacitor_sigma), kMismatch, kShare,
                      "relative spread of a unit capacitor; n units: over sqrt(n)")
            .only_with(kSar),
        real_field<A>("adc.step_sigma", adc(&O::step_sigma), {0, 10}, kShare, "relative spread of one step of the ramp")
            .only_with(kRamp),
        real_field<A>("adc.resistor_sigma", adc(&O::resistor_sigma), kMismatch, kShare,
                      "relative spread of the ladder's resistors")
            .only_with(kFlash),
        real_field<A>(
            "adc.comparator_sigma", adc(&O::comparator_sigma), kLsbs, kLsb,
            "spread of the offset of each comparator: one per threshold, or one per column of a sign readout, "
            "whose LSB is one level")
            .only_with(kComparators),
        real_field<A>("adc.inl_sigma", adc(&O::inl_sigma), kLsbs, kLsb, "spread of every threshold on its own")
            .only_with(kConverter),
        real_field<A>("adc.dnl_sigma", adc(&O::dnl_sigma), {0, 10}, kLsb,
                      "spread of every step on its own, the ends held")
            .only_with(kConverter),
        real_field<A>("adc.missing_codes", adc(&O::missing_codes), kShareRange, kShare,
                      "share of the inner codes that never come; the next code's step takes their place")
            .only_with(kConverter),
    };
}

OptionFields<A> spread_keys() {
    return {
        real_field<A>("adc.offset_sigma", adc(&O::offset_sigma), kLsbs, kLsb, "spread of the converters' offset"),
        real_field<A>("adc.gain_sigma", adc(&O::gain_sigma), kShareRange, kShare,
                      "relative spread of the converters' gain"),
        real_field<A>("adc.noise_sigma", adc(&O::noise_sigma), kLsbs, kLsb,
                      "noise at the converters' inputs, fresh at every conversion"),
        integer_field<A>("adc.columns_per_converter", adc(&O::columns_per_converter), {1, 65536},
                         "columns that share a converter and its errors; an analog pair is one column"),
        bool_field<A>("adc.sense_amplifier", adc(&O::sense_amplifier),
                      "decides 1 to 3 bits at once, one comparator per threshold; one bit: the sign"),
        choice_field<A>("adc.readout", adc(&O::readout), kReadouts,
                        "sign: ADC-free, where a layer gives one of two levels a comparator per column decides at the "
                        "layer's threshold, and row tiles vote; its LSB is one level. Other layers keep converters"),
    };
}

std::string bits_text(const AdcOptions& adc) { return adc.bits == 0 ? "lossless" : std::to_string(adc.bits); }

OptionViolation bits(const AdcOptions& adc) {
    if (adc.sense_amplifier && (adc.bits < 1 || adc.bits > 3)) {
        return {{"adc.sense_amplifier", "adc.bits"},
                fmt::format("adc.sense_amplifier = true decides 1 to 3 bits, and adc.bits = {}; set adc.bits=1",
                            bits_text(adc))};
    }
    if (adc.bits == 0 && adc.range != AdcOptions::Range::lossless) {
        const bool fixed = adc.range == AdcOptions::Range::fixed;
        return {
            {"adc.bits", "adc.range"},
            fmt::format("adc.bits = lossless needs adc.range = lossless, and adc.range = {}; set adc.range=lossless "
                        "or a number of bits, such as adc.bits=8",
                        fixed ? "fixed" : "calibrated")};
    }
    if (has_threshold_errors(adc) && (adc.bits < 1 || adc.bits > kMostTableBits)) {
        return {{"adc.bits", "adc.type", "adc.inl_sigma", "adc.dnl_sigma", "adc.missing_codes"},
                fmt::format("errors of thresholds need 1 <= adc.bits <= {}, and adc.bits = {}", kMostTableBits,
                            bits_text(adc))};
    }
    return {};
}

OptionViolation thresholds(const AdcOptions& adc) {
    if (adc.thresholds == O::Thresholds::uniform) return {};
    if (adc.type == O::Type::sar) {
        return {{"adc.thresholds", "adc.type"},
                "adc.type = sar searches among equal steps: it needs adc.thresholds = uniform; use a flash or a ramp"};
    }
    if (adc.bits < 1 || adc.bits > kMostTableBits) {
        return {{"adc.thresholds", "adc.bits"},
                fmt::format("adc.thresholds = {} needs 1 <= adc.bits <= {}, and adc.bits = {}",
                            adc.thresholds == O::Thresholds::table ? "table" : "lloyd_max", kMostTableBits,
                            bits_text(adc))};
    }
    if (adc.thresholds == O::Thresholds::lloyd_max && adc.range != O::Range::calibrated) {
        return {{"adc.thresholds", "adc.range"},
                "adc.thresholds = lloyd_max is fitted to samples: it needs adc.range = calibrated"};
    }
    return {};
}

OptionViolation table(const AdcOptions& adc) {
    if (adc.thresholds != O::Thresholds::table) return {};
    const size_t wanted = (size_t{1} << adc.bits) - 1;
    if (adc.table.size() != wanted) {
        return {{"adc.table", "adc.bits", "adc.thresholds"},
                fmt::format("adc.table has {} thresholds, and adc.bits = {} needs 2^{} - 1 = {}", adc.table.size(),
                            adc.bits, adc.bits, wanted)};
    }
    for (size_t i = 1; i < wanted; ++i) {
        if (adc.table[i] >= adc.table[i - 1]) continue;
        return {{"adc.table"},
                fmt::format("adc.table: threshold {} of code {} lies below threshold {} of code {}; they must ascend",
                            adc.table[i], i + 1, adc.table[i - 1], i)};
    }
    return {};
}

}  // namespace

OptionFields<Architecture> converter_keys() {
    OptionFields<A> joined;
    for (const auto& keys : {range_keys(), threshold_keys(), spread_keys()})
        joined.insert(joined.end(), keys.begin(), keys.end());
    return joined;
}

OptionViolation find_converter_violation(const AdcOptions& adc) {
    for (const OptionViolation& violation : {bits(adc), thresholds(adc), table(adc)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
