// Keys of what a column makes of its sum: `array.transfer`.

#include <fmt/format.h>

#include <algorithm>

#include "mapping/architecture_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using T = ColumnTransferOptions;
using Model = T::Model;

constexpr size_t kMostPoints = 65536;

OptionCondition<A> when(Model model, const std::string& name) {
    return {"array.transfer.model = " + name, {"array.transfer.model"}, [model](const A& a) {
                return a.array.transfer.model == model;
            }};
}
const OptionCondition<A> kSharing = when(Model::charge_sharing, "charge_sharing");
const OptionCondition<A> kDivider = when(Model::divider, "divider");
const OptionCondition<A> kTable = when(Model::table, "table");

const std::vector<std::pair<Model, std::string>> kModels{{Model::linear, "linear"},
                                                         {Model::charge_sharing, "charge_sharing"},
                                                         {Model::divider, "divider"},
                                                         {Model::table, "table"}};

}  // namespace

OptionFields<Architecture> transfer_keys() {
    const auto transfer = [](auto member) { return member_of(&A::array, &ArrayOptions::transfer, member); };
    return {
        choice_field<A>("array.transfer.model", transfer(&T::model), kModels,
                        "what a converter sees of a column's sum: the sum; the charge that capacitors share with the "
                        "bit line; the divider of pull-ups and pull-downs; measured. Results are decoded as if linear"),
        real_field<A>("array.transfer.parasitic", transfer(&T::parasitic), {0, 100}, kShare,
                      "capacitance of the bit line over that of all cells; sums shrink to 1 / (1 + parasitic)")
            .only_with(kSharing),
        real_field<A>("array.transfer.strength_ratio", transfer(&T::strength_ratio), {0.01, 100}, kPureNumber,
                      "conductance of a pull-up over that of a pull-down; 1 is linear")
            .only_with(kDivider),
        list_field<A>("array.transfer.table", transfer(&T::table), {0, 10}, kShare, kMostPoints,
                      "what a converter sees over full scale, at evenly spaced sums from 0 to the full scale; rising "
                      "from 0, and odd for negative sums")
            .only_with(kTable),
    };
}

OptionViolation find_transfer_violation(const ColumnTransferOptions& transfer) {
    if (transfer.model != Model::table) return {};
    const std::vector<double>& table = transfer.table;
    const bool rises = std::adjacent_find(table.begin(), table.end(), std::greater_equal<>()) == table.end();
    if (table.size() >= 2 && table.front() == 0 && rises) return {};
    return {{"array.transfer.table", "array.transfer.model"},
            fmt::format("array.transfer.table = {} needs 2 or more values that rise from 0", list_text(table))};
}

}  // namespace bitline
