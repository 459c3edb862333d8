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

const OptionCondition<A> kWired{"a resistance below wires",
                                {"wires.row_ohm", "wires.col_ohm", "wires.driver_ohm", "wires.sense_ohm"},
                                [](const A& a) { return a.wires.is_on(); }};

const std::vector<std::pair<C::Wires, std::string>> kWires{{C::Wires::none, "none"}, {C::Wires::targets, "targets"}};
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
        choice_field<A>("compensation.wires", of(&C::wires), kWires,
                        "targets: cells are written to conductances that the wires turn into the wanted ones, or into "
                        "a share of them for which a digital gain of each column makes up")
            .only_with(kWired),
        integer_field<A>("compensation.reference_vectors", of(&C::reference_vectors), {8, 4096},
                         "input vectors of a reference read")
            .only_with(kReferenceRead),
    };
}

namespace {

/// A gain of columns needs codes that grow with the sum.
OptionViolation wire_targets(const A& a) {
    if (a.compensation.wires == C::Wires::none) return {};
    const bool decides = a.adc.readout == AdcOptions::Readout::sign || a.adc.sense_amplifier || a.adc.bits == 1;
    if (!decides) return {};
    return {{"compensation.wires", "adc.readout", "adc.sense_amplifier", "adc.bits"},
            "compensation.wires = targets makes up for smaller sums with a gain behind the converters, and here they "
            "only decide between two results; use converters of adc.bits=2 or more"};
}

}  // namespace

OptionViolation find_compensation_violation(const Architecture& a) {
    if (OptionViolation violation = wire_targets(a); !violation.text.empty()) return violation;
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
