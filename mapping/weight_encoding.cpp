#include "mapping/weight_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/error.h"

namespace bitline {

namespace {

struct Range {
    int32_t low = 0, high = 0, magnitude = 0;
};

Range range_of(std::span<const int32_t> weights) {
    Range range;
    for (int32_t w : weights) {
        range.low = std::min(range.low, w);
        range.high = std::max(range.high, w);
    }
    range.magnitude = std::max(std::abs(range.low), std::abs(range.high));
    return range;
}

/// Smallest two's complement width of low .. high.
int signed_bits(const Range& range) {
    const auto reach = static_cast<uint32_t>(std::max(-(range.low + 1), range.high));
    return std::bit_width(range.low < 0 || range.high > 0 ? reach : 0U) + 1;
}

std::vector<Slice> cut(int bits, int cell_bits, WeightOptions::ShortSlice short_slice) {
    std::vector<Slice> slices;
    const int rest = bits % cell_bits;
    int width = short_slice == WeightOptions::ShortSlice::bottom && rest > 0 ? rest : cell_bits;
    for (int shift = 0; shift < bits; shift += width, width = cell_bits) {
        width = std::min(width, bits - shift);
        slices.push_back({shift, width, int64_t{1} << shift});
    }
    return slices;
}

WeightPlan plan_differential(const WeightOptions& options, int cell_bits, const Range& range) {
    WeightPlan plan;
    plan.bits = std::max(1, static_cast<int>(std::bit_width(static_cast<uint32_t>(range.magnitude))));
    plan.slices = cut(plan.bits, cell_bits, options.short_slice);
    plan.largest_weight = (1 << plan.bits) - 1;
    plan.balanced = options.differential_split == WeightOptions::Split::balanced;
    plan.pairs = options.subtraction == WeightOptions::Subtraction::analog;
    plan.digital_parts = !plan.pairs;
    return plan;
}

WeightPlan plan_offset(WeightEncoding encoding, const WeightOptions& options, int cell_bits, const Range& range) {
    WeightPlan plan;
    plan.encoding = encoding;
    plan.bits = std::max(2, signed_bits(range));
    plan.offset = int64_t{1} << (plan.bits - 1);
    plan.largest_weight = static_cast<int32_t>(plan.offset - 1);
    plan.slices = cut(plan.bits, encoding == WeightEncoding::multilevel ? plan.bits : cell_bits, options.short_slice);
    plan.reference_columns = encoding != WeightEncoding::flipped &&
                             options.offset_correction == WeightOptions::OffsetCorrection::reference_column;
    return plan;
}

WeightPlan plan_twos_complement(const WeightOptions& options, int cell_bits, const Range& range) {
    WeightPlan plan;
    plan.encoding = WeightEncoding::twos_complement;
    plan.bits = std::max(2, signed_bits(range));
    plan.largest_weight = (1 << (plan.bits - 1)) - 1;
    plan.slices = cut(plan.bits - 1, cell_bits, options.short_slice);
    plan.slices.push_back({plan.bits - 1, 1, -(int64_t{1} << (plan.bits - 1))});
    return plan;
}

WeightPlan plan_xnor() {
    WeightPlan plan;
    plan.encoding = WeightEncoding::xnor;
    plan.bits = 1;
    plan.largest_weight = 1;
    plan.slices = {{0, 1, 2}};  // a match counts +1 and every pair -1: 2 * matches - pairs
    return plan;
}

/// Why `encoding` cannot hold the layer; empty where it can.
std::string obstacle(WeightEncoding encoding, int cell_bits, std::span<const int32_t> weights, const Range& range,
                     bool binary_inputs) {
    if (encoding == WeightEncoding::xnor) {
        if (!std::all_of(weights.begin(), weights.end(), [](int32_t w) { return w == 1 || w == -1; }))
            return "holds weights of -1 and +1 only";
        if (!binary_inputs) return "takes inputs of -1 and +1 only";
    }
    if (encoding == WeightEncoding::multilevel && std::max(2, signed_bits(range)) > cell_bits)
        return fmt::format("needs cell.bits >= {} for this layer's weights, and cell.bits = {}",
                           std::max(2, signed_bits(range)), cell_bits);
    return {};
}

uint16_t balanced_level(int32_t digit, int32_t top, bool negative) {
    const int32_t positive = (top + digit + 1) / 2;
    return static_cast<uint16_t>(negative ? positive - digit : positive);
}

}  // namespace

WeightPlan plan_weights(const WeightOptions& options, int cell_bits, std::span<const int32_t> weights,
                        bool binary_inputs, const std::string& layer) {
    const Range range = range_of(weights);
    WeightEncoding encoding = options.encoding;
    std::string why = obstacle(encoding, cell_bits, weights, range, binary_inputs);
    if (!why.empty() && options.fallback) {
        encoding = *options.fallback;
        why = obstacle(encoding, cell_bits, weights, range, binary_inputs);
    }
    if (!why.empty())
        throw ConfigError(
            fmt::format("layer {}: weights.encoding = {} {}; set weights.fallback, for example "
                        "weights.fallback=differential, for such layers",
                        layer, to_string(encoding), why));
    switch (encoding) {
        case WeightEncoding::differential:
            return plan_differential(options, cell_bits, range);
        case WeightEncoding::offset:
        case WeightEncoding::flipped:
        case WeightEncoding::multilevel:
            return plan_offset(encoding, options, cell_bits, range);
        case WeightEncoding::twos_complement:
            return plan_twos_complement(options, cell_bits, range);
        case WeightEncoding::xnor:
            return plan_xnor();
    }
    return {};
}

uint16_t stored_level(const WeightPlan& plan, const Slice& slice, bool negative, bool flipped, int32_t w) {
    uint16_t level = 0;
    stored_levels(plan, slice, negative, flipped, {&w, 1}, &level);
    return level;
}

void stored_levels(const WeightPlan& plan, const Slice& slice, bool negative, bool flipped,
                   std::span<const int32_t> weights, uint16_t* out) {
    const int32_t top = (1 << slice.bits) - 1;
    const int shift = slice.shift;
    const auto fill = [&](const auto& level) {  // one loop for each encoding, so that it vectorises
        for (size_t i = 0; i < weights.size(); ++i) out[i] = static_cast<uint16_t>(level(weights[i]));
    };
    switch (plan.encoding) {
        case WeightEncoding::differential:
            if (plan.balanced)
                return fill([=](int32_t w) {
                    const int32_t digit = (std::abs(w) >> shift) & top;
                    return balanced_level(w < 0 ? -digit : digit, top, negative);
                });
            return fill([=](int32_t w) { return (w < 0) == negative ? (std::abs(w) >> shift) & top : 0; });
        case WeightEncoding::xnor:
            return fill([=](int32_t w) { return w == (negative ? -1 : 1); });
        default:
            return fill([=, offset = plan.offset](int32_t w) {
                const auto digit = static_cast<int32_t>(((w + offset) >> shift) & top);
                return flipped ? top - digit : digit;
            });
    }
}

std::string to_string(WeightEncoding encoding) {
    switch (encoding) {
        case WeightEncoding::differential:
            return "differential";
        case WeightEncoding::offset:
            return "offset";
        case WeightEncoding::twos_complement:
            return "twos_complement";
        case WeightEncoding::flipped:
            return "flipped";
        case WeightEncoding::xnor:
            return "xnor";
        case WeightEncoding::multilevel:
            return "multilevel";
    }
    return {};
}

}  // namespace bitline
