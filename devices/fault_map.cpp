#include "devices/fault_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <tuple>

#include "core/csv.h"
#include "core/error.h"
#include "core/hdf5_file.h"
#include "devices/measured_file.h"

namespace bitline {

namespace {

constexpr int64_t kMostArrays = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostLines = 1 << 17;  // word lines or bit lines: 65536 and their spares

auto place_of(const Fault& fault) { return std::tuple(fault.array, fault.row, fault.col); }

int32_t coordinate(const CsvTable& table, const CsvTable::Row& row, size_t column, int64_t most) {
    if (column > 0 && row.cells[column] == "*") return Fault::kWholeLine;
    const int64_t value = table.integer(row, column);
    if (value < 0 || value >= most)
        throw FormatError(fmt::format("{}: {} = {} violates 0 <= {} < {}", table.where(row), table.columns[column],
                                      value, table.columns[column], most));
    return static_cast<int32_t>(value);
}

void read_state(const CsvTable& table, const CsvTable::Row& row, Fault& fault) {
    const std::string& text = row.cells[3];
    const bool is_line = fault.row == Fault::kWholeLine || fault.col == Fault::kWholeLine;
    if (fault.row == Fault::kWholeLine && fault.col == Fault::kWholeLine)
        throw FormatError(fmt::format("{}: * for both row and col names no line", table.where(row)));
    if (is_line && text != "open")
        throw FormatError(
            fmt::format("{}: state = {} of a whole line, which can only be open; name its cells one by one",
                        table.where(row), printable(text)));
    if (text == "low") {
        fault.state = CellState::low;
    } else if (text == "high") {
        fault.state = CellState::high;
    } else if (text == "open") {
        fault.state = CellState::open;
    } else if (!text.empty() && text.find_first_of("0123456789") == std::string::npos) {
        throw FormatError(fmt::format("{}: state = {} is none of low, high, open and no conductance", table.where(row),
                                      printable(text)));
    } else {
        fault.state = CellState::conductance;
        fault.siemens = table.number(row, 3, kSiemens);
        if (!(fault.siemens >= 0))
            throw FormatError(
                fmt::format("{}: state = {} S violates state >= 0", table.where(row), real_text(fault.siemens)));
    }
}

FaultMap read_csv_faults(const std::string& path) {
    const CsvTable table = read_csv(path, "fault map", {{"array", "row", "col", "state"}});
    FaultMap map;
    map.path = path;
    for (const CsvTable::Row& row : table.rows) {
        Fault fault;
        fault.line = row.line;
        fault.array = coordinate(table, row, 0, kMostArrays);
        fault.row = coordinate(table, row, 1, kMostLines);
        fault.col = coordinate(table, row, 2, kMostLines);
        read_state(table, row, fault);
        map.faults.push_back(fault);
    }
    std::stable_sort(map.faults.begin(), map.faults.end(),
                     [](const Fault& a, const Fault& b) { return place_of(a) < place_of(b); });
    const auto same = std::adjacent_find(map.faults.begin(), map.faults.end(),
                                         [](const Fault& a, const Fault& b) { return place_of(a) == place_of(b); });
    if (same != map.faults.end())
        throw FormatError(
            fmt::format("{}:{}: this place was given a state in line {} already", path, (same + 1)->line, same->line));
    return map;
}

/// Element i of an (arrays x rows x cols) dataset.
Fault fault_at(const std::vector<int64_t>& shape, size_t i) {
    const auto index = static_cast<int64_t>(i);
    Fault fault;
    fault.array = static_cast<int32_t>(index / (shape[1] * shape[2]));
    fault.row = static_cast<int32_t>(index / shape[2] % shape[1]);
    fault.col = static_cast<int32_t>(index % shape[2]);
    return fault;
}

FaultMap read_hdf5_faults(const std::string& path) {
    const Hdf5Reader file(path, "fault map");
    const bool states = file.has("states");
    if (states == file.has("conductances"))
        throw FormatError(fmt::format("{}: a fault map holds either `states` or `conductances`, and here {}", path,
                                      states ? "are both" : "is neither"));
    const std::string name = states ? "states" : "conductances";
    FaultMap map;
    map.path = path;
    map.shape = require_arrays(file, path, name);
    const std::vector<double> values = file.read_doubles(name);
    for (size_t i = 0; i < values.size(); ++i) {
        const double value = values[i];
        if (states ? value == 0 : std::isnan(value)) continue;
        Fault fault = fault_at(map.shape, i);
        if (states && value != 1 && value != 2 && value != 3)
            throw FormatError(fmt::format("{}: {} is {}, and a state is 0 (works), 1 (low), 2 (high) or 3 (open)",
                                          map.where(fault), name, real_text(value)));
        if (!states && !(value >= 0 && std::isfinite(value)))
            throw FormatError(
                fmt::format("{}: {} is {} S and must be 0 or more, or NaN", map.where(fault), name, real_text(value)));
        fault.state = !states      ? CellState::conductance
                      : value == 1 ? CellState::low
                      : value == 2 ? CellState::high
                                   : CellState::open;
        fault.siemens = states ? 0 : value;
        map.faults.push_back(fault);
    }
    return map;
}

}  // namespace

std::string FaultMap::where(const Fault& fault) const {
    if (shape.empty()) return fmt::format("{}:{}", path, fault.line);
    return fmt::format("{}: [{}, {}, {}]", path, fault.array, fault.row, fault.col);
}

std::pair<size_t, size_t> FaultMap::of_array(int32_t array) const {
    const auto range = std::equal_range(faults.begin(), faults.end(), Fault{array, 0, 0, CellState::low, 0, 0},
                                        [](const Fault& a, const Fault& b) { return a.array < b.array; });
    return {static_cast<size_t>(range.first - faults.begin()), static_cast<size_t>(range.second - faults.begin())};
}

FaultMap read_fault_map(const std::string& path) {
    return is_hdf5_name(path, "fault map") ? read_hdf5_faults(path) : read_csv_faults(path);
}

void draw_stuck_cells(const StuckAtOptions& stuck, StreamKey key, uint32_t array, uint32_t row,
                      std::span<CellState> states) {
    if (stuck.low_rate + stuck.high_rate == 0) return;
    Counter bits{};
    for (size_t i = 0; i < states.size(); ++i) {
        if (i % 4 == 0) bits = philox({static_cast<uint32_t>(i / 4), array, row, 0}, key);
        const double u = uniform(bits[i % 4]);
        if (u < stuck.low_rate) {
            states[i] = CellState::low;
        } else if (u < stuck.low_rate + stuck.high_rate) {
            states[i] = CellState::high;
        }
    }
}

std::vector<uint32_t> draw_open_lines(double rate, StreamKey key, uint32_t array, uint32_t lines) {
    std::vector<uint32_t> open;
    if (rate == 0) return open;
    Counter bits{};
    for (uint32_t i = 0; i < lines; ++i) {
        if (i % 4 == 0) bits = philox({i / 4, array, 0, 0}, key);
        if (uniform(bits[i % 4]) < rate) open.push_back(i);
    }
    return open;
}

}  // namespace bitline
