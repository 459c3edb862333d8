#include "mapping/wire_keys.h"

#include <fmt/format.h>

#include "devices/current_voltage.h"

namespace bitline {

namespace {

using A = Architecture;
using W = WiringOptions;

const std::vector<std::string> kResistances{"wires.row_ohm", "wires.col_ohm", "wires.driver_ohm", "wires.sense_ohm"};
const OptionCondition<A> kOn{"a resistance below wires", kResistances, [](const A& a) { return a.wires.is_on(); }};

const std::vector<std::pair<WireOptions::Drive, std::string>> kDrives{
    {WireOptions::Drive::left, "left"}, {WireOptions::Drive::right, "right"}, {WireOptions::Drive::both, "both"}};
const std::vector<std::pair<WireOptions::Sense, std::string>> kSenses{{WireOptions::Sense::bottom, "bottom"},
                                                                      {WireOptions::Sense::top, "top"}};
const std::vector<std::pair<W::Topology, std::string>> kTopologies{{W::Topology::crossbar, "crossbar"}};
const std::vector<std::pair<W::UnusedCells, std::string>> kUnused{{W::UnusedCells::g_min, "g_min"},
                                                                  {W::UnusedCells::open, "open"}};

constexpr OptionRange kResistance{0, 1e9};

/// A violation by what the wires are on for, and by `key`.
OptionViolation with_wires(const std::string& key, const std::string& text) {
    std::vector<std::string> paths = kResistances;
    paths.push_back(key);
    return {paths, text};
}

OptionViolation size(const A& a) {
    const int64_t cols = int64_t{a.array.cols} + a.array.spare_columns;
    if (a.array.rows <= kMostLines && cols <= kMostLines) return {};
    const bool rows = a.array.rows > kMostLines;
    return with_wires(rows ? "array.rows" : "array.cols",
                      fmt::format("{} = {} violates {} <= {} beside wires with resistance",
                                  rows ? "array.rows" : "array.cols + array.spare_columns", rows ? a.array.rows : cols,
                                  rows ? "array.rows" : "cols", kMostLines));
}

/// A pair that lies in two arrays of one column each is no neighbour of itself.
OptionViolation split_pairs(const A& a) {
    const bool pairs =
        (a.weights.encoding == WeightEncoding::differential || a.weights.fallback == WeightEncoding::differential) &&
        a.weights.subtraction == WeightOptions::Subtraction::analog;
    if (!pairs || a.array.cols > 1) return {};
    return with_wires("array.cols",
                      "array.cols = 1 splits differential pairs over two arrays, which wires with resistance do not "
                      "cover; use array.cols=2 or more, or weights.subtraction=digital");
}

OptionViolation nonlinear_cells(const A& a) {
    if (is_ohmic(a.cell)) return {};
    const bool curved = a.cell.current_voltage.model != CurrentVoltageOptions::Model::linear;
    const std::string key = curved ? "cell.current_voltage.model" : "cell.selector.model";
    return with_wires(key, fmt::format("{} is not {}, and the voltage of cells behind wires with resistance is solved "
                                       "for linear cells only; set the resistances below wires to 0",
                                       key, curved ? "linear" : "none"));
}

OptionViolation bit_lines_without_current(const A& a) {
    if (a.array.transfer.model == ColumnTransferOptions::Model::linear) return {};
    return with_wires("array.transfer.model",
                      "array.transfer.model is not linear: wires with resistance assume bit lines that converters hold "
                      "at a fixed voltage; set the resistances below wires to 0");
}

}  // namespace

OptionFields<Architecture> wire_keys() {
    const auto wires = [](auto member) { return member_of(&A::wires, member); };
    const auto lines = [](auto member) { return member_of(&A::wires, &W::lines, member); };
    using O = WireOptions;
    return {
        real_field<A>("wires.row_ohm", lines(&O::row_ohm), kResistance, kOhms,
                      "of a word line between neighbouring cells"),
        real_field<A>("wires.col_ohm", lines(&O::col_ohm), kResistance, kOhms,
                      "of a bit line between neighbouring cells"),
        real_field<A>("wires.driver_ohm", lines(&O::driver_ohm), kResistance, kOhms,
                      "of a row driver and its way to the nearest cell"),
        real_field<A>("wires.sense_ohm", lines(&O::sense_ohm), kResistance, kOhms,
                      "between a bit line's last cell and the converter's virtual ground"),
        choice_field<A>("wires.drive", lines(&O::drive), kDrives,
                        "end of the word lines that is driven; column 0 lies on the left")
            .only_with(kOn),
        choice_field<A>("wires.sense", lines(&O::sense), kSenses,
                        "end of the bit lines that is read; row 0 lies at the top")
            .only_with(kOn),
        choice_field<A>("wires.topology", wires(&W::topology), kTopologies,
                        "crossbar: every cell conducts between its word and its bit line, and rows that are not driven "
                        "are held at 0 V")
            .only_with(kOn),
        choice_field<A>("wires.unused_cells", wires(&W::unused_cells), kUnused,
                        "cells of an array that hold no weight: they conduct G_min, or nothing")
            .only_with(kOn),
    };
}

OptionViolation find_wire_violation(const Architecture& a) {
    if (!a.wires.is_on()) return {};
    for (const OptionViolation& violation :
         {size(a), split_pairs(a), nonlinear_cells(a), bit_lines_without_current(a)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
