#include "peripherals/input_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/kernels/kernels.h"

namespace bitline {

namespace {

/// Cuts the low `bits` bits of a code into digits of `step` bits, least significant first.
void add_cycles(InputPlan& plan, int bits, int step) {
    for (int shift = 0; shift < bits; shift += step) {
        plan.cycle_shift.push_back(shift);
        plan.cycle_bits.push_back(std::min(step, bits - shift));
        plan.cycle_weight.push_back(int64_t{1} << shift);
        plan.digit_max = std::max(plan.digit_max, (1 << plan.cycle_bits.back()) - 1);
    }
}

void one_cycle(InputPlan& plan, InputPlan::Coding coding) {
    plan.coding = coding;
    plan.bits = 1;
    plan.cycle_shift = {0};
    plan.cycle_bits = {1};
    plan.cycle_weight = {1};
    plan.driven_max = 1;
}

bool within_one(const Quantizer& codes) {
    return codes.code_min() >= -1 && codes.code_max() <= 1 && codes.code_min() < 0 && codes.zero_point.at(0) == 0;
}

InputPlan plan_twos_complement(const InputOptions& options, const Quantizer& codes) {
    InputPlan plan;
    plan.coding = InputPlan::Coding::twos_complement;
    plan.bits = codes.bits;
    add_cycles(plan, codes.bits - 1, options.bits_per_cycle);
    plan.cycle_shift.push_back(codes.bits - 1);
    plan.cycle_bits.push_back(1);
    plan.cycle_weight.push_back(-(int64_t{1} << (codes.bits - 1)));
    plan.driven_max = codes.code_max();
    plan.pad_code = codes.zero_point.at(0);
    plan.center = codes.zero_point.at(0);
    return plan;
}

InputPlan plan_unsigned(const InputOptions& options, const Quantizer& codes) {
    InputPlan plan;
    plan.code_offset = codes.code_min();
    plan.driven_max = codes.code_max() - codes.code_min();
    plan.bits = std::bit_width(static_cast<uint32_t>(plan.driven_max));
    add_cycles(plan, plan.bits, options.bits_per_cycle);
    plan.pad_code = codes.zero_point.at(0);
    plan.center = codes.zero_point.at(0) - codes.code_min();
    return plan;
}

InputPlan plan_binary(const InputOptions& options, bool has_padding, const std::string& layer) {
    InputPlan plan;
    if (options.binary_codes == InputOptions::BinaryCodes::bipolar) {
        one_cycle(plan, InputPlan::Coding::bipolar);
        plan.digit_min = -1;
        return plan;
    }
    if (has_padding)
        throw ConfigError(
            fmt::format("layer {}: input.binary_codes = zero_one cannot drive its padding, which stands "
                        "for 0 between -1 and +1; use input.binary_codes=bipolar",
                        layer));
    one_cycle(plan, InputPlan::Coding::zero_one);
    plan.scale = 2;
    plan.center = 1;
    return plan;
}

}  // namespace

InputPlan plan_input(const InputOptions& options, const Quantizer& codes, bool xnor_pairs, bool has_padding,
                     const std::string& layer) {
    if (xnor_pairs) {
        InputPlan plan;
        one_cycle(plan, InputPlan::Coding::xnor);
        return plan;
    }
    if (codes.kind == Quantizer::Kind::bipolar) return plan_binary(options, has_padding, layer);
    if (within_one(codes) && options.binary_codes == InputOptions::BinaryCodes::bipolar)
        return plan_binary(options, has_padding, layer);
    if (codes.is_signed && options.signed_codes == InputOptions::SignedCodes::twos_complement)
        return plan_twos_complement(options, codes);
    return plan_unsigned(options, codes);
}

void drive_codes(const InputPlan& plan, const int32_t* codes, int64_t count, int32_t* driven) {
    if (plan.coding == InputPlan::Coding::zero_one) {
        for (int64_t i = 0; i < count; ++i) driven[i] = (codes[i] + 1) / 2;
        return;
    }
    if (plan.code_offset == 0 && codes == driven) return;
    for (int64_t i = 0; i < count; ++i) driven[i] = codes[i] - plan.code_offset;
}

void make_digits(const InputPlan& plan, const int32_t* driven, int64_t rows, int16_t* digits) {
    if (plan.coding == InputPlan::Coding::xnor) {
        for (int64_t r = 0; r < rows; ++r) {
            digits[2 * r] = driven[r] > 0 ? 1 : 0;
            digits[2 * r + 1] = driven[r] < 0 ? 1 : 0;
        }
        return;
    }
    if (plan.coding == InputPlan::Coding::bipolar) {
        for (int64_t r = 0; r < rows; ++r) digits[r] = static_cast<int16_t>(driven[r]);
        return;
    }
    for (int c = 0; c < plan.cycles(); ++c) {
        const int shift = plan.cycle_shift[static_cast<size_t>(c)];
        const int32_t mask = (1 << plan.cycle_bits[static_cast<size_t>(c)]) - 1;
        int16_t* out = digits + c * rows;
        for (int64_t r = 0; r < rows; ++r) out[r] = static_cast<int16_t>((driven[r] >> shift) & mask);
    }
}

void make_bits(const InputPlan& plan, const int32_t* driven, int64_t rows, uint64_t* bits) {
    if (plan.coding != InputPlan::Coding::xnor) {
        return kernels::active().bits(driven, static_cast<int>(rows), plan.cycle_shift.data(), plan.cycles(), bits);
    }
    std::fill_n(bits, kernels::words_of(static_cast<int>(2 * rows)), 0);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t line = driven[r] > 0 ? 2 * r : 2 * r + 1;
        if (driven[r] != 0) bits[line / 64] |= uint64_t{1} << (line % 64);
    }
}

}  // namespace bitline
