// Keys of the row drivers: `input.dac`.

#include <fmt/format.h>

#include "mapping/architecture_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using D = DacOptions;

constexpr OptionRange kSpread{0, 10};  // LSB
constexpr OptionRange kLevel{-512, 512};
constexpr size_t kMostLevels = 256;

const OptionCondition<A> kSeveralLevels{"input.bits_per_cycle > 1 (the two ends of a converter have no nonlinearity)",
                                        {"input.bits_per_cycle"},
                                        [](const A& a) { return a.input.bits_per_cycle > 1; }};

}  // namespace

OptionFields<Architecture> dac_keys() {
    const auto dac = [](auto member) { return member_of(&A::input, &InputOptions::dac, member); };
    return {
        list_field<A>("input.dac.levels", dac(&D::levels), kLevel, kLsb, kMostLevels,
                      "what the row drivers put out for the codes 0 .. 2^bits_per_cycle - 1, INL and DNL included; []: "
                      "0, 1, 2, .."),
        real_field<A>("input.dac.inl_sigma", dac(&D::inl_sigma), kSpread, kLsb,
                      "spread of each level of each row driver, except of the lowest and the highest")
            .only_with(kSeveralLevels),
        real_field<A>("input.dac.dnl_sigma", dac(&D::dnl_sigma), kSpread, kLsb,
                      "spread of the steps between the levels of each row driver, whose ends hold")
            .only_with(kSeveralLevels),
        real_field<A>("input.dac.gain_sigma", dac(&D::gain_sigma), {0, 1}, kShare, "spread of the row drivers' gain"),
        real_field<A>("input.dac.offset_sigma", dac(&D::offset_sigma), kSpread, kLsb,
                      "spread of the row drivers' offset"),
        real_field<A>("input.dac.noise_sigma", dac(&D::noise_sigma), kSpread, kLsb,
                      "noise of the row drivers, fresh in every cycle and the same for all cells of a row"),
    };
}

OptionViolation find_dac_violation(const InputOptions& input) {
    const size_t levels = size_t{1} << input.bits_per_cycle;
    if (input.dac.levels.empty() || input.dac.levels.size() == levels) return {};
    return {{"input.dac.levels", "input.bits_per_cycle"},
            fmt::format("input.dac.levels has {} values, and needs 2^bits_per_cycle = {} (or none)",
                        input.dac.levels.size(), levels)};
}

}  // namespace bitline
