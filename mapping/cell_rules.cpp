// Relations between the keys of a cell. Each returns what is violated; an empty text: it holds.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "mapping/cell_keys.h"
#include "mapping/switching_keys.h"

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

OptionViolation placement(const CellOptions& cell) {
    const std::vector<double>& table = cell.levels.table;
    if (cell.levels.placement == LevelOptions::Placement::logarithmic && !(cell.g_min > 0)) {
        return {{"cell.g_min", "cell.levels.placement"},
                "cell.levels.placement = logarithmic needs cell.g_min > 0, and here cell.g_min = 0"};
    }
    if (cell.levels.placement != LevelOptions::Placement::table) return {};
    const bool rises = std::adjacent_find(table.begin(), table.end(), std::greater_equal<>()) == table.end();
    if (table.size() < 2 || !rises || table.front() != cell.g_min || table.back() != cell.g_max) {
        return {{"cell.levels.table", "cell.levels.placement", "cell.g_min", "cell.g_max"},
                fmt::format("cell.levels.table needs 2 or more conductances that rise from cell.g_min = {} to "
                            "cell.g_max = {} S, and here it is {}",
                            cell.g_min, cell.g_max, list_text(table))};
    }
    return {};
}

OptionViolation programming_table(const CellOptions& cell) {
    const ProgrammingErrorOptions& error = cell.programming_error;
    if (error.model != ProgrammingErrorOptions::Model::table || !error.table.empty()) return {};
    return {{"cell.programming_error.table", "cell.programming_error.model"},
            "cell.programming_error.model = table needs cell.programming_error.table, a list of conductances"};
}

OptionViolation stuck_cells(const StuckAtOptions& stuck) {
    if (stuck.low_rate + stuck.high_rate <= 1) return {};
    return {{"cell.stuck_at.low_rate", "cell.stuck_at.high_rate"},
            fmt::format("cell.stuck_at.low_rate + cell.stuck_at.high_rate = {} + {} violates low_rate + high_rate <= 1",
                        stuck.low_rate, stuck.high_rate)};
}

/// Measured data hold what these effects would add, so that none of them may be set beside.
OptionViolation measurements(const CellOptions& cell) {
    using Model = ProgrammingErrorOptions::Model;
    if (!cell.measured.conductance_map.empty() && cell.relaxation.includes_programming)
        return {
            {"cell.conductance_map", "cell.relaxation.includes_programming"},
            "cell.conductance_map holds the errors of programming, which cell.relaxation.includes_programming = true "
            "adds once more; set it to false"};
    if (cell.measured.data.empty()) return {};
    const ProgrammingErrorOptions& error = cell.programming_error;
    const bool is_law = error.model == Model::state || error.model == Model::table;
    const auto clash = [](const std::string& key, const std::string& advice) -> OptionViolation {
        return {{key, "cell.data"},
                fmt::format("cell.data takes the place of {}: the two cannot both be set; {}", key, advice)};
    };
    if (is_law) return clash("cell.programming_error.model", "set cell.programming_error.model=none");
    if (error.sigma > 0) return clash("cell.programming_error.sigma", "set cell.programming_error.sigma=0");
    if (cell.write_verify.method != WriteVerifyOptions::Method::none)
        return clash("cell.write_verify.method", "set cell.write_verify.method=none");
    if (!cell.relaxation.times.empty()) return clash("cell.relaxation.times", "set cell.relaxation.times=[]");
    if (cell.drift.model != DriftOptions::Model::none) return clash("cell.drift.model", "set cell.drift.model=none");
    if (!cell.measured.conductance_map.empty())
        return clash("cell.conductance_map", "either the one or the other says what cells hold");
    return {};
}

OptionViolation relaxation(const RelaxationOptions& relaxation) {
    const std::vector<double>& times = relaxation.times;
    if (std::adjacent_find(times.begin(), times.end(), std::greater_equal<>()) != times.end())
        return {{"cell.relaxation.times"}, "cell.relaxation.times = " + list_text(times) + " do not rise"};
    for (const auto& [name, values] : {std::pair("mean", &relaxation.mean), {"deviation", &relaxation.deviation}}) {
        if (values->empty() || values->size() % times.size() == 0) continue;
        return {{std::string("cell.relaxation.") + name, "cell.relaxation.times"},
                fmt::format("cell.relaxation.{} has {} values, which is no multiple of the {} times", name,
                            values->size(), times.size())};
    }
    return {};
}

/// What measured deviations include is not drawn again.
OptionViolation programmed_twice(const CellOptions& cell) {
    const ProgrammingErrorOptions& error = cell.programming_error;
    const bool independent = error.model == ProgrammingErrorOptions::Model::independent;
    if (!cell.relaxation.includes_programming) return {};
    if (cell.write_verify.method != WriteVerifyOptions::Method::none) {
        return {{"cell.relaxation.includes_programming", "cell.write_verify.method"},
                "cell.relaxation.includes_programming = true leaves no room for a closed loop; set "
                "cell.write_verify.method=none"};
    }
    if ((independent && error.sigma == 0) || error.model == ProgrammingErrorOptions::Model::none) return {};
    return {{"cell.relaxation.includes_programming", "cell.programming_error.model"},
            "cell.relaxation.includes_programming = true leaves no room for cell.programming_error; set "
            "cell.programming_error.model=none"};
}

OptionViolation noise_bandwidth(const ReadNoiseOptions& noise) {
    if ((!noise.thermal && !noise.shot) || noise.bandwidth > 0) return {};
    return {
        {"cell.read_noise.bandwidth", "cell.read_noise.thermal", "cell.read_noise.shot"},
        "cell.read_noise.bandwidth = 0 leaves thermal and shot noise without an effect; set the reader's bandwidth"};
}

OptionViolation limits(const char* key, const std::vector<double>& range) {
    if (range.empty() || (range.size() == 2 && range[0] < range[1])) return {};
    return {{key}, fmt::format("{} = {}: expected [first, last] with first < last, or []", key, list_text(range))};
}

OptionViolation law(const std::string& path, const StateLaw& law) {
    if (!(law.low <= law.high))
        return {{path + ".low", path + ".high"},
                fmt::format("{}.low = {} violates low <= high = {}", path, law.low, law.high)};
    if ((law.above_from > 0) != !law.above.empty())
        return {{path + ".above_from", path + ".above"},
                fmt::format("{0}.above_from and {0}.above need each other", path)};
    return {};
}

}  // namespace

OptionViolation find_cell_violation(const CellOptions& cell) {
    for (const OptionViolation& violation :
         {conductances(cell), placement(cell), programming_table(cell), stuck_cells(cell.stuck_at), measurements(cell),
          relaxation(cell.relaxation), programmed_twice(cell), noise_bandwidth(cell.read_noise),
          find_current_violation(cell), limits("cell.valid.time", cell.valid.time),
          limits("cell.valid.temperature", cell.valid.temperature),
          law("cell.programming_error.deviation", cell.programming_error.deviation),
          law("cell.drift.exponent", cell.drift.exponent), law("cell.drift.deviation", cell.drift.deviation),
          law("cell.read_noise.flicker.amplitude", cell.read_noise.flicker.amplitude),
          find_switching_key_violation(cell)}) {
        if (!violation.text.empty()) return violation;
    }
    return {};
}

}  // namespace bitline
