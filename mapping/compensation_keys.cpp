#include "mapping/compensation_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using C = CompensationOptions;
using DriftGain = C::DriftGain;

const OptionCondition<A> kCalibrated{
    "adc.range = calibrated", {"adc.range"}, [](const A& a) { return a.adc.range == AdcOptions::Range::calibrated; }};
const OptionCondition<A> kReferenceRead{
    "compensation.drift_gain = chip, layer or column, or compensation.column_affine = true",
    {"compensation.drift_gain", "compensation.column_affine"},
    [](const A& a) { return a.compensation.drift_gain != DriftGain::none || a.compensation.column_affine; }};

const std::vector<std::pair<DriftGain, std::string>> kDriftGains{
    {DriftGain::none, "none"}, {DriftGain::chip, "chip"}, {DriftGain::layer, "layer"}, {DriftGain::column, "column"}};

}  // namespace

OptionFields<A> compensation_keys() {
    const auto of = [](auto member) { return member_of(&A::compensation, member); };
    return {
        choice_field<A>("compensation.drift_gain", of(&C::drift_gain), kDriftGains,
                        "digital gain that restores the currents of a reference read to those of the fresh chip, one "
                        "for the chip, each layer or each column"),
        bool_field<A>("compensation.column_affine", of(&C::column_affine),
                      "digital gain and offset of each column, fitted to nominal sums over a reference read"),
        bool_field<A>("compensation.adc_ranges", of(&C::adc_ranges),
                      "converter ranges from the sums of the aged cells instead of nominal ones")
            .only_with(kCalibrated),
        bool_field<A>("compensation.batch_norm", of(&C::batch_norm),
                      "mean and deviation of each output channel matched to the software network's on the calibration "
                      "samples, layer after layer"),
        integer_field<A>("compensation.reference_vectors", of(&C::reference_vectors), {8, 4096},
                         "input vectors of a reference read")
            .only_with(kReferenceRead),
    };
}

OptionViolation find_compensation_violation(const Architecture& a) {
    if (!kReferenceRead.holds(a)) return {};
    if (a.adc.bits == 1 && !a.adc.sense_amplifier) {
        return {
            {"compensation.drift_gain", "compensation.column_affine", "adc.bits"},
            "compensation.drift_gain and compensation.column_affine compare codes inside the converters' range, and "
            "adc.bits = 1 has only its two ends; use adc.bits=2 or more, or compensation.batch_norm=true"};
    }
    if (!a.adc.sense_amplifier) return {};
    return {{"compensation.drift_gain", "compensation.column_affine", "adc.sense_amplifier"},
            "compensation.drift_gain and compensation.column_affine compare column currents, and adc.sense_amplifier = "
            "true gives their sign only; use compensation.batch_norm=true"};
}

}  // namespace bitline
