// Relations between the keys of an architecture. Each returns what is violated; an empty text: it holds.

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "mapping/architecture_keys.h"
#include "mapping/cell_keys.h"
#include "mapping/compensation_keys.h"
#include "mapping/converter_keys.h"
#include "mapping/wire_keys.h"

namespace bitline {

namespace {

OptionViolation active_rows(const ArrayOptions& array) {
    if (array.active_rows <= array.rows) return {};
    return {{"array.active_rows", "array.rows"},
            fmt::format("array.active_rows = {} violates array.active_rows <= array.rows = {} (0: all)",
                        array.active_rows, array.rows)};
}

/// An XNOR weight takes two rows, and both are driven in the same cycle.
OptionViolation xnor_rows(const Architecture& a) {
    if (a.weights.encoding != WeightEncoding::xnor) return {};
    if (a.array.rows < 2) {
        return {{"array.rows", "weights.encoding"},
                fmt::format("array.rows = {} violates array.rows >= 2: weights.encoding = xnor takes pairs of rows",
                            a.array.rows)};
    }
    if (a.array.active_rows % 2 == 0) return {};
    return {{"array.active_rows", "weights.encoding"},
            fmt::format("array.active_rows = {} is odd: weights.encoding = xnor drives pairs of rows; "
                        "use {} (or 0 for all)",
                        a.array.active_rows,
                        a.array.active_rows + 1 <= a.array.rows ? a.array.active_rows + 1 : a.array.active_rows - 1)};
}

OptionViolation fault_remap(const Architecture& a) {
    const bool has_pairs =
        a.weights.encoding == WeightEncoding::differential || a.weights.fallback == WeightEncoding::differential;
    if (a.fault_remap != FaultRemap::pairs || has_pairs) return {};
    return {{"mapping.fault_remap", "weights.encoding", "weights.fallback"},
            "mapping.fault_remap = pairs needs weights.encoding (or weights.fallback) = differential, and here "
            "weights.encoding = " +
                to_string(a.weights.encoding)};
}

OptionViolation fallback(const WeightOptions& weights) {
    if (!weights.fallback) return {};
    if (*weights.fallback == weights.encoding) {
        return {
            {"weights.fallback", "weights.encoding"},
            "weights.fallback equals weights.encoding, which is what cannot hold the layer; choose another or none"};
    }
    if (*weights.fallback == WeightEncoding::xnor) {
        return {{"weights.fallback"},
                "weights.fallback = xnor holds only -1/+1 weights, which weights.encoding = multilevel holds as well; "
                "choose another or none"};
    }
    return {};
}

bool decided_by_sign(const WeightOptions& weights, WeightEncoding encoding) {
    if (encoding == WeightEncoding::xnor) return true;
    return encoding == WeightEncoding::differential && weights.subtraction == WeightOptions::Subtraction::analog;
}

/// What no layer read by comparators alone goes with. What one layer does not go with is said where it is mapped.
OptionViolation sign_readout(const Architecture& a) {
    if (a.adc.readout != AdcOptions::Readout::sign) return {};
    const WeightOptions& weights = a.weights;
    if (!decided_by_sign(weights, weights.encoding) &&
        !(weights.fallback && decided_by_sign(weights, *weights.fallback))) {
        return {
            {"adc.readout", "weights.encoding", "weights.fallback", "weights.subtraction"},
            "adc.readout = sign compares the sum of one column, and weights.encoding = " + to_string(weights.encoding) +
                (weights.encoding == WeightEncoding::differential
                     ? " with weights.subtraction = digital subtracts two of them behind the converters; use "
                       "weights.subtraction=analog"
                     : " corrects or adds sums behind the converters; use weights.encoding=differential or xnor")};
    }
    if (a.bias.place == BiasOptions::Place::rows) {
        return {
            {"adc.readout", "bias.place"},
            "adc.readout = sign holds the bias in the comparators' thresholds, and bias.place = rows would leave it "
            "to the vote of one row tile; use bias.place=digital"};
    }
    const CompensationOptions& c = a.compensation;
    if (c.drift_gain == CompensationOptions::DriftGain::none && !c.column_affine && !c.batch_norm) return {};
    return {{"adc.readout", "compensation.drift_gain", "compensation.column_affine", "compensation.batch_norm"},
            "compensation.drift_gain, compensation.column_affine and compensation.batch_norm correct digital sums, and "
            "adc.readout = sign leaves none; compensation.adc_ranges=true moves the comparators' thresholds with age"};
}

}  // namespace

OptionViolation find_architecture_violation(const Architecture& a) {
    for (const OptionViolation& violation :
         {find_field_violation(architecture_keys(), a), find_cell_violation(a.cell), find_dac_violation(a.input),
          active_rows(a.array), xnor_rows(a), fault_remap(a), fallback(a.weights), find_converter_violation(a.adc),
          find_transfer_violation(a.array.transfer), sign_readout(a), find_wire_violation(a),
          find_compensation_violation(a)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
