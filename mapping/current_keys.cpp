// Keys of a cell's current over its voltage: `cell.current_voltage` and `cell.selector`.

#include <fmt/format.h>

#include <algorithm>

#include "devices/current_voltage.h"
#include "mapping/cell_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using Curve = CurrentVoltageOptions;
using Selector = SelectorOptions;

constexpr OptionRange kVoltage{1e-6, 100};
constexpr OptionRange kCurrent{0, 1, true};  // A
constexpr size_t kMostVoltages = 1024, kMostCurrents = 65536;

const OptionCondition<A> kNotOhmic{
    "cell.current_voltage.model other than linear or cell.selector.model other than none",
    {"cell.current_voltage.model", "cell.selector.model"},
    [](const A& a) { return !is_ohmic(a.cell); }};
const OptionCondition<A> kSinh{"cell.current_voltage.model = sinh", {"cell.current_voltage.model"}, [](const A& a) {
                                   return a.cell.current_voltage.model == Curve::Model::sinh;
                               }};
const OptionCondition<A> kTable{"cell.current_voltage.model = table", {"cell.current_voltage.model"}, [](const A& a) {
                                    return a.cell.current_voltage.model == Curve::Model::table;
                                }};
const OptionCondition<A> kThreshold{"cell.selector.model = threshold", {"cell.selector.model"}, [](const A& a) {
                                        return a.cell.selector.model == Selector::Model::threshold;
                                    }};
const OptionCondition<A> kSinhSelector{"cell.selector.model = sinh", {"cell.selector.model"}, [](const A& a) {
                                           return a.cell.selector.model == Selector::Model::sinh;
                                       }};

const std::vector<std::pair<Curve::Model, std::string>> kCurves{
    {Curve::Model::linear, "linear"}, {Curve::Model::sinh, "sinh"}, {Curve::Model::table, "table"}};
const std::vector<std::pair<Selector::Model, std::string>> kSelectors{
    {Selector::Model::none, "none"}, {Selector::Model::threshold, "threshold"}, {Selector::Model::sinh, "sinh"}};

bool rises(const double* first, const double* last) {
    return *first > 0 && std::adjacent_find(first, last, std::greater_equal<>()) == last;
}

OptionViolation sinh_law(const Curve& curve) {
    constexpr double kSteepest = 50;
    if (curve.model != Curve::Model::sinh || curve.read_voltage <= kSteepest * curve.v0) return {};
    return {{"cell.current_voltage.v0", "cell.current_voltage.read_voltage"},
            fmt::format("cell.current_voltage.v0 = {} violates v0 >= read_voltage / {} with read_voltage = {} V",
                        curve.v0, kSteepest, curve.read_voltage)};
}

OptionViolation curves(const CellOptions& cell) {
    const Curve& curve = cell.current_voltage;
    if (curve.model != Curve::Model::table) return {};
    const std::vector<double>&voltages = curve.voltages, &currents = curve.currents;
    const std::vector<std::string> keys{"cell.current_voltage.voltages", "cell.current_voltage.currents",
                                        "cell.current_voltage.read_voltage", "cell.current_voltage.model"};
    if (voltages.empty() || !rises(voltages.data(), voltages.data() + voltages.size()) ||
        voltages.back() < curve.read_voltage) {
        return {keys, fmt::format("cell.current_voltage.voltages = {} do not rise from above 0 to "
                                  "cell.current_voltage.read_voltage = {} V or beyond",
                                  list_text(voltages), curve.read_voltage)};
    }
    const size_t points = voltages.size();
    if (currents.empty() || currents.size() % points != 0) {
        return {keys,
                fmt::format("cell.current_voltage.currents has {} values, and needs {} (one for each voltage) for "
                            "every curve",
                            currents.size(), points)};
    }
    for (size_t first = 0; first < currents.size(); first += points) {
        if (rises(currents.data() + first, currents.data() + first + points)) continue;
        return {keys, fmt::format("cell.current_voltage.currents: curve {} of {} does not rise from above 0 with the "
                                  "voltage",
                                  first / points + 1, currents.size() / points)};
    }
    const CurrentVoltageLaw law = make_current_voltage(cell, 1);
    const auto falls =
        std::adjacent_find(law.curve_conductance.begin(), law.curve_conductance.end(), std::greater_equal<>());
    if (falls == law.curve_conductance.end()) return {};
    const auto k = falls - law.curve_conductance.begin();
    return {keys, fmt::format("cell.current_voltage.currents: at {} V curve {} conducts {} S and curve {} {} S, and "
                              "curves stand in the order of rising conductance",
                              curve.read_voltage, k + 1, falls[0], k + 2, falls[1])};
}

OptionViolation selector(const CellOptions& cell) {
    const Selector& path = cell.selector;
    if (path.model != Selector::Model::threshold) return {};
    if (path.threshold == 0 && path.resistance == 0) {
        return {{"cell.selector.threshold", "cell.selector.resistance", "cell.selector.model"},
                "cell.selector.model = threshold needs cell.selector.threshold or cell.selector.resistance above 0"};
    }
    if (path.threshold < cell.current_voltage.read_voltage) return {};
    return {
        {"cell.selector.threshold", "cell.current_voltage.read_voltage"},
        fmt::format("cell.selector.threshold = {} violates threshold < cell.current_voltage.read_voltage = {} V: no "
                    "cell would ever conduct",
                    path.threshold, cell.current_voltage.read_voltage)};
}

}  // namespace

OptionFields<Architecture> current_keys() {
    const auto curve = [](auto member) { return member_of(&A::cell, &CellOptions::current_voltage, member); };
    const auto path = [](auto member) { return member_of(&A::cell, &CellOptions::selector, member); };
    return {
        choice_field<A>("cell.current_voltage.model", curve(&Curve::model), kCurves,
                        "current over voltage: G V, G V_read sinh(V / v0) / sinh(V_read / v0), or measured curves; "
                        "digits of one bit see its value at the read voltage only"),
        real_field<A>("cell.current_voltage.read_voltage", curve(&Curve::read_voltage), kVoltage, kVolts,
                      "V_read, where the cells' conductances hold: what a layer's largest digit drives")
            .only_with(kNotOhmic),
        real_field<A>("cell.current_voltage.v0", curve(&Curve::v0), kVoltage, kVolts,
                      "of the sinh law; from a nonlinearity NL = I(V) / I(V / 2): V / (2 acosh(NL / 2))")
            .only_with(kSinh),
        list_field<A>("cell.current_voltage.voltages", curve(&Curve::voltages), kVoltage, kVolts, kMostVoltages,
                      "of the measured curves, rising to the read voltage or beyond; the current at 0 V is 0")
            .only_with(kTable),
        list_field<A>("cell.current_voltage.currents", curve(&Curve::currents), kCurrent, kAmperes, kMostCurrents,
                      "one for each voltage, curve after curve, in the order of rising conductance; cells between two "
                      "curves lie between them in proportion, cells beyond have the shape of the last")
            .only_with(kTable),
        choice_field<A>("cell.selector.model", path(&Selector::model), kSelectors,
                        "what is in series with a cell and its cell.series.resistance: nothing; no current below a "
                        "threshold, and a resistance above; I = current sinh(V / v0)"),
        real_field<A>("cell.selector.threshold", path(&Selector::threshold), {0, 100}, kVolts,
                      "voltage that the conducting selector takes; below, no current flows")
            .only_with(kThreshold),
        real_field<A>("cell.selector.resistance", path(&Selector::resistance), {0, 1e12}, kOhms,
                      "of the conducting selector")
            .only_with(kThreshold),
        real_field<A>("cell.selector.current", path(&Selector::current), kCurrent, kAmperes, "scale of the sinh law")
            .only_with(kSinhSelector),
        real_field<A>("cell.selector.v0", path(&Selector::v0), kVoltage, kVolts, "scale of the sinh law")
            .only_with(kSinhSelector),
    };
}

OptionViolation find_current_violation(const CellOptions& cell) {
    for (const OptionViolation& violation : {sinh_law(cell.current_voltage), curves(cell), selector(cell)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
