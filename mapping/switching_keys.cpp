#include "mapping/switching_keys.h"

#include <utility>

namespace bitline {

namespace {

using A = Architecture;
using Law = SwitchingLaw;
using Method = WriteVerifyOptions::Method;
using Condition = OptionCondition<A>;

bool pulsed(const A& a) { return a.cell.write_verify.method == Method::pulses; }

const std::string kMethodKey = "cell.write_verify.method", kLawKey = "cell.switching.law";

/// Where pulses write the cells, and by one of these laws.
Condition law_is(const std::string& names, std::vector<Law> laws) {
    return {"cell.write_verify.method = pulses and cell.switching.law = " + names,
            {kMethodKey, kLawKey},
            [laws = std::move(laws)](const A& a) {
                return pulsed(a) && std::find(laws.begin(), laws.end(), a.cell.switching.law) != laws.end();
            }};
}

const Condition kPulsed{"cell.write_verify.method = pulses", {kMethodKey}, pulsed};
const Condition kVerified{"cell.write_verify.method = statistical or pulses", {kMethodKey}, [](const A& a) {
                              return a.cell.write_verify.method != Method::none;
                          }};
const Condition kStatistical{"cell.write_verify.method = statistical", {kMethodKey}, [](const A& a) {
                                 return a.cell.write_verify.method == Method::statistical;
                             }};
const Condition kExponential = law_is("exponential", {Law::exponential});
const Condition kStep =
    law_is("constant, linear, soft_bounds, exp_step, pow_step or piecewise",
           {Law::constant, Law::linear, Law::soft_bounds, Law::exp_step, Law::pow_step, Law::piecewise});
const Condition kLinear = law_is("linear", {Law::linear});
const Condition kExpStep = law_is("exp_step", {Law::exp_step});
const Condition kPowStep = law_is("pow_step", {Law::pow_step});
const Condition kPiecewise = law_is("piecewise", {Law::piecewise});
const Condition kVteam = law_is("vteam", {Law::vteam});
const Condition kStepSpread = law_is("any but exponential", {Law::constant, Law::linear, Law::soft_bounds,
                                                             Law::exp_step, Law::pow_step, Law::piecewise, Law::vteam});
const Condition kSlopeSpread = law_is("linear or pow_step", {Law::linear, Law::pow_step});
const Condition kWindow{
    "cell.switching.vteam.window = biolek, cell.switching.law = vteam and "
    "cell.write_verify.method = pulses",
    {kMethodKey, kLawKey, "cell.switching.vteam.window"},
    [](const A& a) { return kVteam.holds(a) && a.cell.switching.vteam.window == VteamOptions::Window::biolek; }};
const Condition kTeamWindow{
    "cell.switching.vteam.window = team, cell.switching.law = vteam and "
    "cell.write_verify.method = pulses",
    {kMethodKey, kLawKey, "cell.switching.vteam.window"},
    [](const A& a) { return kVteam.holds(a) && a.cell.switching.vteam.window == VteamOptions::Window::team; }};
const Condition kVoltage{
    "cell.write_verify.method = pulses, and cell.switching.law = vteam or cell.write_verify.pulse_energy = 0",
    {kMethodKey, kLawKey, "cell.write_verify.pulse_energy"},
    [](const A& a) {
        return pulsed(a) && (a.cell.switching.law == Law::vteam || a.cell.write_verify.pulse_energy == 0);
    }};
const Condition kNoisy{"cell.switching.cycle_sigma above 0 and cell.write_verify.method = pulses",
                       {kMethodKey, "cell.switching.cycle_sigma"},
                       [](const A& a) { return pulsed(a) && a.cell.switching.cycle_sigma > 0; }};

const std::vector<std::pair<Law, std::string>> kLaws{
    {Law::exponential, "exponential"}, {Law::constant, "constant"}, {Law::linear, "linear"},
    {Law::soft_bounds, "soft_bounds"}, {Law::exp_step, "exp_step"}, {Law::pow_step, "pow_step"},
    {Law::piecewise, "piecewise"},     {Law::vteam, "vteam"}};
using Noise = SwitchingOptions::CycleNoise;
const std::vector<std::pair<Noise, std::string>> kNoises{
    {Noise::step, "step"}, {Noise::mean_step, "mean_step"}, {Noise::range, "range"}};
using Window = VteamOptions::Window;
const std::vector<std::pair<Window, std::string>> kWindows{
    {Window::none, "none"}, {Window::biolek, "biolek"}, {Window::team, "team"}};
using Resistance = VteamOptions::Resistance;
const std::vector<std::pair<Resistance, std::string>> kResistances{{Resistance::linear, "linear"},
                                                                   {Resistance::exponential, "exponential"}};
const std::vector<std::pair<Method, std::string>> kMethods{
    {Method::none, "none"}, {Method::statistical, "statistical"}, {Method::pulses, "pulses"}};
using Start = WriteVerifyOptions::Start;
const std::vector<std::pair<Start, std::string>> kStarts{{Start::low, "low"}, {Start::high, "high"}};

const OptionUnit kJoule{"J", {{"J", 0}, {"uJ", -6}, {"nJ", -9}, {"pJ", -12}, {"fJ", -15}}};
const OptionUnit kPerSecond{"1/s", {{"1/s", 0}}};

constexpr OptionRange kPulses{2, 1e6};
constexpr OptionRange kLabel{-9, 9};
constexpr OptionRange kStepRange{0, 1, true};
constexpr OptionRange kSpread{0, 10};
constexpr OptionRange kFactor{-1e4, 1e4};
constexpr OptionRange kRate{-50, 50};
constexpr OptionRange kPower{0, 20};
constexpr OptionRange kTable{0, 1e6};
constexpr OptionRange kVoltage10{-20, 20};
constexpr OptionRange kSpeed{-1e15, 1e15};
constexpr OptionRange kAlpha{0, 20, true};
constexpr size_t kMostNodes = 64;

template <class... Members>
auto switching(Members... members) {
    return member_of(&A::cell, &CellOptions::switching, members...);
}

template <class Member>
auto vteam(Member member) {
    return switching(&SwitchingOptions::vteam, member);
}

OptionFields<A> law_keys() {
    using O = SwitchingOptions;
    const std::string p = "cell.switching.";
    return {
        choice_field<A>(
            p + "law", switching(&O::law), kLaws,
            "how a pulse changes the conductance; u = (G - G_low) / (G_high - G_low): see devices/switching.h")
            .only_with(kPulsed),
        integer_field<A>(p + "pulses_up", switching(&O::pulses_up), kPulses,
                         "number of states: pulses from the lowest to the highest conductance")
            .only_with(kExponential),
        integer_field<A>(p + "pulses_down", switching(&O::pulses_down), kPulses,
                         "pulses from the highest to the lowest conductance")
            .only_with(kExponential),
        real_field<A>(p + "label_up", switching(&O::label_up), kLabel, kPureNumber,
                      "nonlinearity label of potentiation; 0: linear, above: largest steps first")
            .only_with(kExponential),
        real_field<A>(p + "label_down", switching(&O::label_down), kLabel, kPureNumber,
                      "nonlinearity label of depression; 0: linear, above: largest steps first")
            .only_with(kExponential),
        real_field<A>(p + "step_up", switching(&O::step_up), kStepRange, kShare, "of the window, by a pulse up")
            .only_with(kStep),
        real_field<A>(p + "step_down", switching(&O::step_down), kStepRange, kShare, "of the window, by a pulse down")
            .only_with(kStep),
        real_field<A>(p + "slope_up", switching(&O::slope_up), {-10, 1}, kPureNumber,
                      "f = step_up (1 - slope_up u): what a step loses on the way up")
            .only_with(kLinear),
        real_field<A>(p + "slope_down", switching(&O::slope_down), {-10, 1}, kPureNumber,
                      "f = step_down (1 - slope_down (1 - u))")
            .only_with(kLinear),
        real_field<A>(p + "exp_a", switching(&O::exp_a), {-100, 100}, kPureNumber, "z = exp_a (2u - 1) + exp_b")
            .only_with(kExpStep),
        real_field<A>(p + "exp_b", switching(&O::exp_b), {-100, 100}, kPureNumber, "see exp_a").only_with(kExpStep),
        real_field<A>(p + "exp_factor_up", switching(&O::exp_factor_up), kFactor, kPureNumber,
                      "f = step_up max(0, 1 - exp_factor_up exp(exp_rate_up z))")
            .only_with(kExpStep),
        real_field<A>(p + "exp_factor_down", switching(&O::exp_factor_down), kFactor, kPureNumber,
                      "f = step_down max(0, 1 - exp_factor_down exp(-exp_rate_down z))")
            .only_with(kExpStep),
        real_field<A>(p + "exp_rate_up", switching(&O::exp_rate_up), kRate, kPureNumber, "see exp_factor_up")
            .only_with(kExpStep),
        real_field<A>(p + "exp_rate_down", switching(&O::exp_rate_down), kRate, kPureNumber, "see exp_factor_down")
            .only_with(kExpStep),
        real_field<A>(p + "power_up", switching(&O::power_up), kPower, kPureNumber, "f = step_up (1 - u)^power_up")
            .only_with(kPowStep),
        real_field<A>(p + "power_down", switching(&O::power_down), kPower, kPureNumber, "f = step_down u^power_down")
            .only_with(kPowStep),
        list_field<A>(p + "table_up", switching(&O::table_up), kTable, kPureNumber, kMostNodes,
                      "f / step_up at equally spaced u from 0 to 1, linear between; at least 2")
            .only_with(kPiecewise),
        list_field<A>(p + "table_down", switching(&O::table_down), kTable, kPureNumber, kMostNodes,
                      "f / step_down at equally spaced u from 0 to 1, linear between; at least 2")
            .only_with(kPiecewise),
    };
}

OptionFields<A> vteam_keys() {
    using V = VteamOptions;
    const std::string p = "cell.switching.vteam.";
    return {
        real_field<A>(p + "v_on", vteam(&V::v_on), kVoltage10, kVolts, "threshold towards high conductance; below 0")
            .only_with(kVteam),
        real_field<A>(p + "v_off", vteam(&V::v_off), kVoltage10, kVolts, "threshold towards low conductance; above 0")
            .only_with(kVteam),
        real_field<A>(p + "k_on", vteam(&V::k_on), kSpeed, kPerSecond,
                      "dx/dt = k_on (v / v_on - 1)^alpha_on f_on(x) below v_on; below 0; x from 0 (on) to 1 (off)")
            .only_with(kVteam),
        real_field<A>(p + "k_off", vteam(&V::k_off), kSpeed, kPerSecond,
                      "dx/dt = k_off (v / v_off - 1)^alpha_off f_off(x) above v_off; above 0")
            .only_with(kVteam),
        real_field<A>(p + "alpha_on", vteam(&V::alpha_on), kAlpha, kPureNumber, "see k_on").only_with(kVteam),
        real_field<A>(p + "alpha_off", vteam(&V::alpha_off), kAlpha, kPureNumber, "see k_off").only_with(kVteam),
        choice_field<A>(p + "window", vteam(&V::window), kWindows, "f_on and f_off: 1, Biolek's, or TEAM's")
            .only_with(kVteam),
        integer_field<A>(p + "window_power", vteam(&V::window_power), {1, 10},
                         "p of f_off = 1 - x^(2p), f_on = 1 - (1 - x)^(2p)")
            .only_with(kWindow),
        real_field<A>(p + "a_on", vteam(&V::a_on), {-1, 2}, kPureNumber, "f_on = exp(-exp((a_on - x) / window_width))")
            .only_with(kTeamWindow),
        real_field<A>(p + "a_off", vteam(&V::a_off), {-1, 2}, kPureNumber,
                      "f_off = exp(-exp((x - a_off) / window_width))")
            .only_with(kTeamWindow),
        real_field<A>(p + "window_width", vteam(&V::window_width), {0.01, 1}, kPureNumber, "see a_on")
            .only_with(kTeamWindow),
        choice_field<A>(p + "resistance", vteam(&V::resistance), kResistances,
                        "R_on + (R_off - R_on) x, or R_on (R_off / R_on)^x")
            .only_with(kVteam),
    };
}

OptionFields<A> pulse_keys() {
    using O = SwitchingOptions;
    using S = SwitchingSpread;
    const auto spread = [](auto member) { return switching(&O::spread, member); };
    const std::string p = "cell.switching.";
    return {
        real_field<A>(p + "voltage_up", switching(&O::voltage_up), kVoltage10, kVolts,
                      "of a pulse up: drives vteam, where it is below v_on; elsewhere for the energy V^2 G t alone")
            .only_with(kVoltage),
        real_field<A>(p + "voltage_down", switching(&O::voltage_down), kVoltage10, kVolts,
                      "of a pulse down: drives vteam, where it is above v_off; elsewhere for the energy alone")
            .only_with(kVoltage),
        real_field<A>(p + "pulse_width", switching(&O::pulse_width), {1e-12, 1, true}, kSeconds, "of every pulse")
            .only_with(kVoltage),
        real_field<A>(p + "cycle_sigma", switching(&O::cycle_sigma), {0, 100}, kPureNumber,
                      "standard deviation of a pulse's step, fresh at every pulse; see cycle_noise")
            .only_with(kPulsed),
        choice_field<A>(
            p + "cycle_noise", switching(&O::cycle_noise), kNoises,
            "cycle_sigma is relative to this pulse's step, to the parameter step (1 / pulses; vteam: of x), "
            "or a share of the window")
            .only_with(kNoisy),
        real_field<A>(p + "spread.step", spread(&S::step), kSpread, kShare,
                      "device to device: relative, of the steps (vteam: rates), up and down alike")
            .only_with(kStepSpread),
        real_field<A>(p + "spread.asymmetry", spread(&S::asymmetry), kSpread, kShare,
                      "device to device: added to the relative step up, taken from that down")
            .only_with(kStepSpread),
        real_field<A>(p + "spread.label", spread(&S::label), kSpread, kPureNumber, "device to device: of both labels")
            .only_with(kExponential),
        real_field<A>(p + "spread.slope", spread(&S::slope), kSpread, kPureNumber,
                      "device to device: of both slopes, or both powers")
            .only_with(kSlopeSpread),
        real_field<A>(p + "spread.range", spread(&S::range), kSpread, kShare,
                      "device to device: of both ends of the window, as a share of G_max - G_min")
            .only_with(kPulsed),
    };
}

}  // namespace

OptionFields<Architecture> switching_keys() {
    OptionFields<A> joined;
    for (const auto& keys : {law_keys(), vteam_keys(), pulse_keys()})
        joined.insert(joined.end(), keys.begin(), keys.end());
    return joined;
}

OptionFields<Architecture> write_verify_keys() {
    using W = WriteVerifyOptions;
    const auto write = [](auto member) { return member_of(&A::cell, &CellOptions::write_verify, member); };
    const std::string p = "cell.write_verify.";
    return {
        choice_field<A>(p + "method", write(&W::method), kMethods,
                        "closed-loop programming: none, fresh attempts with an error, or pulses by cell.switching"),
        real_field<A>(p + "tolerance", write(&W::tolerance), {0, 1, true}, kShare,
                      "of G_max: a reading this close to the target ends the writing")
            .only_with(kVerified),
        integer_field<A>(p + "limit", write(&W::limit), {1, 1e6}, "attempts or pulses per cell before it is a miss")
            .only_with(kVerified),
        real_field<A>(p + "attempt_sigma", write(&W::attempt_sigma), {0, 10, true}, kShare,
                      "of G_max: error of an attempt, fresh at each")
            .only_with(kStatistical),
        real_field<A>(p + "read_sigma", write(&W::read_sigma), {0, 10}, kShare,
                      "of G_max: noise of the verifying read, fresh at each")
            .only_with(kVerified),
        choice_field<A>(p + "start", write(&W::start), kStarts,
                        "end of the window that every cell was brought to beforehand")
            .only_with(kPulsed),
        real_field<A>(p + "pulse_energy", write(&W::pulse_energy), {0, 1}, kJoule,
                      "per pulse or attempt; pulses: 0 means V^2 G t of cell.switching's voltages")
            .only_with(kVerified),
        real_field<A>(p + "read_energy", write(&W::read_energy), {0, 1}, kJoule, "per verifying read")
            .only_with(kVerified),
    };
}

OptionViolation find_switching_key_violation(const CellOptions& cell) {
    if (cell.write_verify.method == Method::none) return {};
    // A closed loop reads what a cell became and writes on: these have been corrected when it ends.
    const ProgrammingErrorOptions& error = cell.programming_error;
    const bool by_model =
        error.model == ProgrammingErrorOptions::Model::state || error.model == ProgrammingErrorOptions::Model::table;
    if (by_model || (error.model != ProgrammingErrorOptions::Model::none && error.sigma > 0)) {
        return {{"cell.programming_error.model", "cell.programming_error.sigma", kMethodKey},
                "cell.programming_error has no effect where cell.write_verify.method is not none: the loop leaves the "
                "error inside cell.write_verify.tolerance; set cell.programming_error.model = none"};
    }
    if (cell.device_to_device.sigma > 0) {
        return {{"cell.device_to_device.sigma", kMethodKey},
                "cell.device_to_device has no effect where cell.write_verify.method is not none: the loop reads each "
                "cell as it is; how devices differ in switching is cell.switching.spread"};
    }
    if (cell.write_verify.method != Method::pulses) return {};
    const std::string text = find_switching_violation(cell.switching, cell.g_min, cell.g_max);
    if (text.empty()) return {};
    return {{"cell.switching.law", "cell.g_min"}, "cell.switching: " + text};
}

}  // namespace bitline
