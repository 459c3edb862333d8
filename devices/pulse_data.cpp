#include "devices/pulse_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"

namespace bitline {

namespace {

constexpr uint64_t kLargestFile = uint64_t(64) << 20;
constexpr int64_t kMostReadings = 200000;  // what a fit takes minutes for
constexpr int64_t kMostPulses = 1000000000;
constexpr int64_t kLongestGap = 10000;     // pulses between two readings
constexpr double kLargestConductance = 1;  // S; 1 ohm, far below any memory cell
constexpr size_t kLeastReadings = 8;
constexpr size_t kLongestName = 200;

std::string trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> fields;
    for (size_t start = 0; start <= line.size();) {
        const size_t end = std::min(line.find(',', start), line.size());
        std::string field = trimmed(line.substr(start, end - start));
        if (field.size() >= 2 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
        fields.push_back(std::move(field));
        start = end + 1;
    }
    return fields;
}

/// Where the columns stand.
struct Header {
    size_t columns = 0;
    std::optional<size_t> pulse, conductance, direction, device;
};

Header read_header(const std::string& line, const std::string& where) {
    const std::vector<std::string> names = split(line);
    const std::vector<std::string> known{"pulse", "conductance", "direction", "device"};
    Header header;
    header.columns = names.size();
    std::optional<size_t>* const places[] = {&header.pulse, &header.conductance, &header.direction, &header.device};
    for (size_t i = 0; i < names.size(); ++i) {
        const auto found = std::find(known.begin(), known.end(), names[i]);
        if (found == known.end()) {
            throw FormatError(
                fmt::format("{}: no column is called '{}'; the columns are pulse, conductance (in S), "
                            "direction and device; nearest is {}",
                            where, printable(names[i]), nearest_name(names[i], known)));
        }
        std::optional<size_t>& place = *places[found - known.begin()];
        if (place) throw FormatError(fmt::format("{}: column {} stands twice", where, *found));
        place = i;
    }
    for (const auto& [name, place] : {std::pair("pulse", header.pulse), std::pair("conductance", header.conductance)}) {
        if (!place) {
            throw FormatError(
                fmt::format("{}: column {} is missing; the first line names the columns pulse, "
                            "conductance (in S) and, as needed, direction and device",
                            where, name));
        }
    }
    return header;
}

struct Row {
    int64_t pulse = 0;
    double g = 0;
    int8_t sign = 0;  // 0: not given
    std::string device;
};

OptionText field_text(const std::string& name, const std::string& value, const std::string& where) {
    OptionText text;
    text.path = name;
    text.value = value;
    text.where = where;
    return text;
}

int8_t parse_direction(const std::string& text, const std::string& where) {
    for (const char* up : {"up", "+", "+1", "1"})
        if (text == up) return 1;
    for (const char* down : {"down", "-", "-1"})
        if (text == down) return -1;
    if (text.empty()) return 0;
    throw FormatError(fmt::format("{}: direction = {} is neither up (+, +1) nor down (-, -1)", where, printable(text)));
}

Row parse_row(const Header& header, const std::string& line, const std::string& where) {
    const std::vector<std::string> fields = split(line);
    if (fields.size() != header.columns) {
        throw FormatError(
            fmt::format("{}: {} values, and the first line names {} columns", where, fields.size(), header.columns));
    }
    Row row;
    try {
        row.pulse = parse_integer(field_text("pulse", fields[*header.pulse], where));
        row.g = parse_real(field_text("conductance", fields[*header.conductance], where), kPureNumber);
    } catch (const ConfigError& error) {
        throw FormatError(error.what());
    }
    if (row.pulse < 0 || row.pulse > kMostPulses)
        throw FormatError(fmt::format("{}: pulse = {} violates 0 <= pulse <= {}", where, row.pulse, kMostPulses));
    if (!(row.g >= 0 && row.g <= kLargestConductance)) {
        throw FormatError(fmt::format("{}: conductance = {} violates 0 <= conductance <= {} S; 25 uS is written 25e-6",
                                      where, row.g, kLargestConductance));
    }
    if (header.direction) row.sign = parse_direction(fields[*header.direction], where);
    if (header.device) row.device = fields[*header.device];
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
    require_file(path, "pulses");
    const std::string text = read_file(path, "pulses", kLargestFile);
    PulseData data;
    std::map<std::string, size_t> index;
    std::optional<Header> header;
    int64_t line_number = 0;
    for (size_t start = text.rfind("\xEF\xBB\xBF", 0) == 0 ? 3 : 0; start < text.size();) {
        const size_t end = std::min(text.find('\n', start), text.size());
        const std::string line = trimmed(std::string_view(text).substr(start, end - start));
        start = end + 1;
        const std::string where = fmt::format("{}:{}", path, ++line_number);
        if (line.empty() || line[0] == '#') continue;
        if (!header) {
            header = read_header(line, where);
            continue;
        }
        const Row row = parse_row(*header, line, where);
        if (++data.readings > kMostReadings)
            throw FormatError(fmt::format("{}: more than {} readings; fit a part of them", where, kMostReadings));
        const auto [found, is_new] = index.emplace(row.device, data.traces.size());
        if (is_new) data.traces.push_back({row.device, {}, {}, {}});
        append(data.traces[found->second], row, header->direction.has_value(), where);
    }
    if (!header) throw FormatError(path + ": holds no columns; expected a line such as pulse,conductance,direction");
    if (data.traces.empty()) throw FormatError(path + ": holds no readings below the names of its columns");
    if (!header->direction)
        for (PulseTrace& trace : data.traces) infer_direction(trace, path);
    check_traces(data, path);
    for (const PulseTrace& trace : data.traces) {
        data.has_up = data.has_up || std::count(trace.sign.begin(), trace.sign.end(), 1) > 0;
        data.has_down = data.has_down || std::count(trace.sign.begin(), trace.sign.end(), -1) > 0;
    }
    return data;
}

}  // namespace bitline
