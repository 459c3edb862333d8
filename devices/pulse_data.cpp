#include "devices/pulse_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/csv.h"
#include "core/error.h"
#include "core/files.h"

namespace bitline {

namespace {

constexpr int64_t kMostReadings = 200000;  // what a fit takes minutes for
constexpr int64_t kMostPulses = 1000000000;
constexpr int64_t kLongestGap = 10000;     // pulses between two readings
constexpr double kLargestConductance = 1;  // S; 1 ohm, far below any memory cell
constexpr size_t kLeastReadings = 8;
constexpr size_t kLongestName = 200;

struct Row {
    int64_t pulse = 0;
    double g = 0;
    int8_t sign = 0;  // 0: not given
    std::string device;
};

int8_t parse_direction(const std::string& text, const std::string& where) {
    for (const char* up : {"up", "+", "+1", "1"})
        if (text == up) return 1;
    for (const char* down : {"down", "-", "-1"})
        if (text == down) return -1;
    if (text.empty()) return 0;
    throw FormatError(fmt::format("{}: direction = {} is neither up (+, +1) nor down (-, -1)", where, printable(text)));
}

/// Of every header the first columns are these.
enum Column : size_t { kPulse, kConductance };
const std::vector<std::vector<std::string>> kHeaders{{"pulse", "conductance"},
                                                     {"pulse", "conductance", "direction"},
                                                     {"pulse", "conductance", "device"},
                                                     {"pulse", "conductance", "direction", "device"}};

/// Where the column of that name stands; none: it is not there.
std::optional<size_t> place_of(const CsvTable& table, const std::string& name) {
    const auto found = std::find(table.columns.begin(), table.columns.end(), name);
    if (found == table.columns.end()) return std::nullopt;
    return static_cast<size_t>(found - table.columns.begin());
}

Row parse_row(const CsvTable& table, const CsvTable::Row& from, std::optional<size_t> direction,
              std::optional<size_t> device) {
    const std::string where = table.where(from);
    Row row;
    row.pulse = table.integer(from, kPulse);
    row.g = table.number(from, kConductance);
    if (row.pulse < 0 || row.pulse > kMostPulses)
        throw FormatError(fmt::format("{}: pulse = {} violates 0 <= pulse <= {}", where, row.pulse, kMostPulses));
    if (!(row.g >= 0 && row.g <= kLargestConductance)) {
        throw FormatError(fmt::format("{}: conductance = {} violates 0 <= conductance <= {} S; 25 uS is written 25e-6",
                                      where, row.g, kLargestConductance));
    }
    if (direction) row.sign = parse_direction(from.cells[*direction], where);
    if (device) row.device = from.cells[*device];
    if (row.device.size() > kLongestName || !is_plain_text(row.device))
        throw FormatError(fmt::format("{}: device is no name of at most {} bytes", where, kLongestName));
    return row;
}

void append(PulseTrace& trace, const Row& row, bool directions, const std::string& where) {
    if (!trace.pulse.empty()) {
        const int64_t gap = row.pulse - trace.pulse.back();
        const std::string of = trace.device.empty() ? "" : fmt::format(" of device {}", trace.device);
        if (gap <= 0) {
            throw FormatError(fmt::format("{}: pulse = {} follows pulse {}{}: pulse numbers must rise", where,
                                          row.pulse, trace.pulse.back(), of));
        }
        if (gap > kLongestGap) {
            throw FormatError(fmt::format("{}: {} pulses since the reading before{}; at most {} are followed", where,
                                          gap, of, kLongestGap));
        }
        if (directions && row.sign == 0)
            throw FormatError(fmt::format("{}: direction is empty; only a device's first row may leave it out", where));
    }
    trace.sign.push_back(trace.pulse.empty() ? int8_t{0} : row.sign);
    trace.pulse.push_back(row.pulse);
    trace.g.push_back(row.g);
}

/// Without a column for it: all pulses one way. A curve that clearly turns cannot be read like that.
void infer_direction(PulseTrace& trace, const std::string& path) {
    const auto [least, most] = std::minmax_element(trace.g.begin(), trace.g.end());
    const double ends_low = std::min(trace.g.front(), trace.g.back());
    const double ends_high = std::max(trace.g.front(), trace.g.back());
    if (*most - ends_high > (*most - *least) / 2 || ends_low - *least > (*most - *least) / 2) {
        throw FormatError(
            fmt::format("{}: the conductance{} rises and falls, and there is no column direction; add one "
                        "with up or down in every row",
                        path, trace.device.empty() ? "" : fmt::format(" of device {}", trace.device)));
    }
    std::fill(trace.sign.begin() + 1, trace.sign.end(), trace.g.back() >= trace.g.front() ? int8_t{1} : int8_t{-1});
}

void check_traces(const PulseData& data, const std::string& path) {
    double least = kLargestConductance, most = 0;
    for (const PulseTrace& trace : data.traces) {
        if (trace.g.size() < kLeastReadings) {
            throw FormatError(
                fmt::format("{}: {} readings{}, and a fit needs at least {} of each device", path, trace.g.size(),
                            trace.device.empty() ? "" : fmt::format(" of device {}", trace.device), kLeastReadings));
        }
        least = std::min(least, *std::min_element(trace.g.begin(), trace.g.end()));
        most = std::max(most, *std::max_element(trace.g.begin(), trace.g.end()));
    }
    if (!(most > least)) throw FormatError(fmt::format("{}: every conductance is {} S: nothing switches", path, most));
}

}  // namespace

PulseData read_pulses(const std::string& path) {
    const CsvTable table = read_csv(path, "table of pulses", kHeaders);
    const auto direction = place_of(table, "direction"), device = place_of(table, "device");
    PulseData data;
    std::map<std::string, size_t> index;
    for (const CsvTable::Row& from : table.rows) {
        const Row row = parse_row(table, from, direction, device);
        if (++data.readings > kMostReadings) {
            throw FormatError(
                fmt::format("{}: more than {} readings; fit a part of them", table.where(from), kMostReadings));
        }
        const auto [found, is_new] = index.emplace(row.device, data.traces.size());
        if (is_new) data.traces.push_back({row.device, {}, {}, {}});
        append(data.traces[found->second], row, direction.has_value(), table.where(from));
    }
    if (!direction)
        for (PulseTrace& trace : data.traces) infer_direction(trace, path);
    check_traces(data, path);
    for (const PulseTrace& trace : data.traces) {
        data.has_up = data.has_up || std::count(trace.sign.begin(), trace.sign.end(), 1) > 0;
        data.has_down = data.has_down || std::count(trace.sign.begin(), trace.sign.end(), -1) > 0;
    }
    return data;
}

}  // namespace bitline
