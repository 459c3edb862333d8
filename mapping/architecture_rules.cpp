// Relations between the keys of an architecture. Each returns what is violated; an empty text: it holds.

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "mapping/architecture_keys.h"

namespace bitline {

namespace {

OptionViolation conductances(const CellOptions& cell) {
    constexpr double kLeastSpacing = 0x1p-20;  // of g_max, between levels: they and sums stay exact numbers
    constexpr double kHighestCeiling = 10;     // of g_max: bounds the fixed-point conductances
    if (!(cell.g_min < cell.g_max)) {
        return {{"cell.g_min", "cell.g_max"},
                fmt::format("cell.g_min = {} violates cell.g_min < cell.g_max = {} S", cell.g_min, cell.g_max)};
    }
    const double levels = std::ldexp(1.0, cell.bits);
    if (!((cell.g_max - cell.g_min) / (levels - 1) >= cell.g_max * kLeastSpacing)) {
        return {{"cell.g_min", "cell.g_max", "cell.bits"},
                fmt::format("cell.g_min = {} leaves the {} levels up to cell.g_max = {} S closer than g_max / 2^20 to "
                            "each other; lower cell.g_min or cell.bits",
                            cell.g_min, levels, cell.g_max)};
    }
    if (cell.g_ceiling != 0 && !(cell.g_max <= cell.g_ceiling && cell.g_ceiling <= kHighestCeiling * cell.g_max)) {
        return {{"cell.g_ceiling", "cell.g_max"},
                fmt::format("cell.g_ceiling = {} violates cell.g_max <= cell.g_ceiling <= {} * cell.g_max with "
                            "cell.g_max = {} S (or 0)",
                            cell.g_ceiling, kHighestCeiling, cell.g_max)};
    }
    return {};
}

OptionViolation stuck_cells(const StuckAtOptions& stuck) {
    if (stuck.low_rate + stuck.high_rate <= 1) return {};
    return {{"cell.stuck_at.low_rate", "cell.stuck_at.high_rate"},
            fmt::format("cell.stuck_at.low_rate + cell.stuck_at.high_rate = {} + {} violates low_rate + high_rate <= 1",
                        stuck.low_rate, stuck.high_rate)};
}

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

OptionViolation converter(const AdcOptions& adc) {
    if (adc.sense_amplifier && adc.bits != 1) {
        return {{"adc.sense_amplifier", "adc.bits"},
                fmt::format("adc.sense_amplifier = true decides one bit, and adc.bits = {}; set adc.bits=1",
                            adc.bits == 0 ? "lossless" : std::to_string(adc.bits))};
    }
    if (adc.bits == 0 && adc.range != AdcOptions::Range::lossless) {
        const bool fixed = adc.range == AdcOptions::Range::fixed;
        return {
            {"adc.bits", "adc.range"},
            fmt::format("adc.bits = lossless needs adc.range = lossless, and adc.range = {}; set adc.range=lossless "
                        "or a number of bits, such as adc.bits=8",
                        fixed ? "fixed" : "calibrated")};
    }
    return {};
}

}  // namespace

OptionViolation find_architecture_violation(const Architecture& a) {
    for (const OptionViolation& violation :
         {find_field_violation(architecture_keys(), a), conductances(a.cell), stuck_cells(a.cell.stuck_at),
          active_rows(a.array), xnor_rows(a), fallback(a.weights), converter(a.adc)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
