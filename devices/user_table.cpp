#include "devices/user_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/csv.h"
#include "core/error.h"
#include "core/hdf5_file.h"
#include "core/random.h"
#include "devices/measured_file.h"

namespace bitline {

namespace {

const std::vector<std::string> kMoments{"target_S", "time_s", "mean_S", "sigma_S"};
const std::vector<std::string> kSamples{"target_S", "time_s", "sample_S"};

/// The columns of a file with what names a row.
struct Columns {
    std::string path;
    bool has_samples = false;
    std::vector<std::vector<double>> values;  // column after column
    std::function<std::string(size_t)> where;

    size_t rows() const { return values[0].size(); }
};

Columns read_csv_columns(const std::string& path) {
    const CsvTable table = read_csv(path, "device table", {kMoments, kSamples});
    Columns columns;
    columns.path = path;
    columns.has_samples = table.columns == kSamples;
    columns.values.resize(table.columns.size());
    std::vector<int64_t> lines;
    for (const CsvTable::Row& row : table.rows) {
        for (size_t c = 0; c < columns.values.size(); ++c) columns.values[c].push_back(table.number(row, c));
        lines.push_back(row.line);
    }
    columns.where = [path, lines](size_t row) { return fmt::format("{}:{}", path, lines[row]); };
    return columns;
}

Columns read_hdf5_columns(const std::string& path) {
    const Hdf5Reader file(path, "device table");
    Columns columns;
    columns.path = path;
    columns.has_samples = file.has(kSamples[2]);
    for (const std::string& name : columns.has_samples ? kSamples : kMoments) {
        if (!file.has(name))
            throw FormatError(
                fmt::format("{}: has no data set {}; a device table has target_S, time_s and either mean_S "
                            "and sigma_S or sample_S",
                            path, name));
        const Shape shape = file.shape(name);
        if (shape.size() != 1 || shape[0] == 0)
            throw FormatError(
                fmt::format("{}: {} has the shape ({}), and expected is one dimension", path, name, to_string(shape)));
        columns.values.push_back(file.read_doubles(name));
        if (columns.values.back().size() != columns.rows())
            throw FormatError(fmt::format("{}: {} has {} values and target_S has {}", path, name,
                                          columns.values.back().size(), columns.rows()));
    }
    columns.where = [path](size_t row) { return fmt::format("{}: [{}]", path, row); };
    return columns;
}

void require_range(const Columns& columns, size_t row, size_t column, double low, double high) {
    const double value = columns.values[column][row];
    if (value >= low && value <= high) return;
    const std::string& name = (columns.has_samples ? kSamples : kMoments)[column];
    throw FormatError(fmt::format("{}: {} = {} violates {} <= {} <= {}", columns.where(row), name, real_text(value),
                                  real_text(low), name, real_text(high)));
}

void require_values(const Columns& columns) {
    constexpr double kLongest = 1e12;  // s
    for (size_t row = 0; row < columns.rows(); ++row) {
        require_range(columns, row, 0, 0, 1);
        require_range(columns, row, 1, 0, kLongest);
        require_range(columns, row, 2, columns.has_samples ? -1 : 0, 1);  // a reader's noise may go below 0
        if (!columns.has_samples) require_range(columns, row, 3, 0, 1);
    }
}

std::vector<double> distinct(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

size_t index_of(const std::vector<double>& values, double value) {
    return static_cast<size_t>(std::lower_bound(values.begin(), values.end(), value) - values.begin());
}

/// Rows of each entry of the (times x targets) table.
std::vector<std::vector<size_t>> group_rows(const Columns& columns, const UserTable& table) {
    std::vector<std::vector<size_t>> groups(table.times.size() * table.targets.size());
    for (size_t row = 0; row < columns.rows(); ++row)
        groups[index_of(table.times, columns.values[1][row]) * table.targets.size() +
               index_of(table.targets, columns.values[0][row])]
            .push_back(row);
    return groups;
}

/// Some row that has the time `t`, to point at.
size_t row_of_time(const Columns& columns, double t) {
    return static_cast<size_t>(std::find(columns.values[1].begin(), columns.values[1].end(), t) -
                               columns.values[1].begin());
}

void require_group(const Columns& columns, const UserTable& table, const std::vector<size_t>& rows, size_t entry) {
    const double target = table.targets[entry % table.targets.size()], t = table.times[entry / table.targets.size()];
    if (rows.empty())
        throw FormatError(
            fmt::format("{}: target_S = {} has no data at time_s = {}, at which other targets have them; "
                        "every target needs every time",
                        columns.where(row_of_time(columns, t)), real_text(target), real_text(t)));
    if (!columns.has_samples && rows.size() > 1)
        throw FormatError(fmt::format("{}: target_S = {} at time_s = {} stands in {} already", columns.where(rows[1]),
                                      real_text(target), real_text(t), columns.where(rows[0])));
    if (columns.has_samples && rows.size() < 2)
        throw FormatError(
            fmt::format("{}: the only sample of target_S = {} at time_s = {}; a distribution needs 2 or "
                        "more",
                        columns.where(rows[0]), real_text(target), real_text(t)));
}

struct Interval {
    size_t below = 0, above = 0;
    double share = 0;  // of `above`
};

/// Between which of `values` x lies; `scale` says in what the interpolation is linear.
template <class Scale>
Interval find_interval(const std::vector<double>& values, double x, const Scale& scale) {
    const size_t above = index_of(values, x);
    if (above < values.size() && values[above] == x) return {above, above, 0};
    const double low = scale(values[above - 1]), high = scale(values[above]);
    return {above - 1, above, (scale(x) - low) / (high - low)};
}

Interval find_time(const UserTable& table, double time) {
    if (time == 0) return {};
    if (time < table.first_time() || time > table.times.back())
        throw ConfigError(fmt::format("{}: has data from {} to {} s after programming, and none at {} s", table.path,
                                      real_text(table.first_time()), real_text(table.times.back()), real_text(time)));
    return find_interval(table.times, time, fixed_log);
}

}  // namespace

UserTable read_user_table(const std::string& path) {
    const Columns columns = is_hdf5_name(path, "device table") ? read_hdf5_columns(path) : read_csv_columns(path);
    require_values(columns);
    UserTable table;
    table.path = path;
    table.targets = distinct(columns.values[0]);
    table.times = distinct(columns.values[1]);
    constexpr size_t kMostEntries = size_t{1} << 24;
    if (table.targets.size() > kMostEntries / table.times.size())
        throw FormatError(fmt::format("{}: {} targets at {} times are more than rows; every target needs every time",
                                      path, table.targets.size(), table.times.size()));
    const std::vector<std::vector<size_t>> groups = group_rows(columns, table);
    for (size_t entry = 0; entry < groups.size(); ++entry) {
        require_group(columns, table, groups[entry], entry);
        if (!columns.has_samples) {
            table.mean.push_back(columns.values[2][groups[entry][0]]);
            table.deviation.push_back(columns.values[3][groups[entry][0]]);
            continue;
        }
        std::vector<double> samples;
        for (const size_t row : groups[entry]) samples.push_back(columns.values[2][row]);
        std::sort(samples.begin(), samples.end());
        table.samples.push_back(std::move(samples));
    }
    return table;
}

TablePoint find_point(const UserTable& table, double target, double time) {
    if (target < table.targets.front() || target > table.targets.back())
        throw ConfigError(fmt::format("{}: has data for targets from {} to {} S, and a level of the cell asks for {} S",
                                      table.path, real_text(table.targets.front()), real_text(table.targets.back()),
                                      real_text(target)));
    const Interval across = find_interval(table.targets, target, [](double x) { return x; });
    const Interval along = find_time(table, time);
    const size_t width = table.targets.size();
    return {{along.below * width + across.below, along.below * width + across.above, along.above * width + across.below,
             along.above * width + across.above},
            {(1 - along.share) * (1 - across.share), (1 - along.share) * across.share, along.share * (1 - across.share),
             along.share * across.share}};
}

double quantile(const std::vector<double>& sorted, double u) {
    const double at = u * static_cast<double>(sorted.size()) - 0.5;
    if (at <= 0) return sorted.front();
    const auto i = static_cast<size_t>(at);
    if (i + 1 >= sorted.size()) return sorted.back();
    return sorted[i] + (at - static_cast<double>(i)) * (sorted[i + 1] - sorted[i]);
}

}  // namespace bitline
