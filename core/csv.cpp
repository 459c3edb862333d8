#include "core/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/files.h"

namespace bitline {

namespace {

constexpr uint64_t kLargestFile = uint64_t(256) << 20;

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> cells;
    for (size_t at = 0; at <= line.size();) {
        const size_t comma = std::min(line.find(',', at), line.size());
        std::string_view cell = trimmed(line.substr(at, comma - at));
        if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') cell = cell.substr(1, cell.size() - 2);
        cells.emplace_back(cell);
        at = comma + 1;
    }
    return cells;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
    return text;
}

/// What a name that no header holds was perhaps meant to be.
std::string hint(const std::vector<std::string>& found, const std::vector<std::vector<std::string>>& headers) {
    std::vector<std::string> known;
    for (const std::vector<std::string>& header : headers) known.insert(known.end(), header.begin(), header.end());
    for (const std::string& name : found)
        if (std::find(known.begin(), known.end(), name) == known.end())
            return fmt::format("; nearest to '{}' is {}", printable(name), nearest_name(name, known));
    return {};
}

/// Position in the file of each column of the header that it matches.
std::vector<size_t> match_header(CsvTable& table, const std::vector<std::string>& found, int64_t line,
                                 const std::vector<std::vector<std::string>>& headers) {
    std::string expected;
    for (const std::vector<std::string>& header : headers) {
        expected += (expected.empty() ? "" : " or ") + joined(header);
        if (!std::is_permutation(header.begin(), header.end(), found.begin(), found.end())) continue;
        table.columns = header;
        std::vector<size_t> places;
        for (const std::string& name : header)
            places.push_back(static_cast<size_t>(std::find(found.begin(), found.end(), name) - found.begin()));
        return places;
    }
    throw FormatError(fmt::format("{}:{}: the columns are {}, and expected are {}{}", table.path, line,
                                  printable(joined(found)), expected, hint(found, headers)));
}

OptionText cell_option(const CsvTable& table, const CsvTable::Row& row, size_t column) {
    OptionText option;
    option.path = table.columns[column];
    option.value = row.cells[column];
    option.where = table.where(row);
    return option;
}

}  // namespace

double CsvTable::number(const Row& row, size_t column, const OptionUnit& unit) const {
    return parse_real(cell_option(*this, row, column), unit);
}

int64_t CsvTable::integer(const Row& row, size_t column) const {
    return parse_integer(cell_option(*this, row, column));
}

CsvTable read_csv(const std::string& path, const std::string& what,
                  const std::vector<std::vector<std::string>>& headers) {
    const std::string text = read_file(path, what, kLargestFile);
    CsvTable table;
    table.path = path;
    std::vector<size_t> places;
    int64_t line = 0;
    std::string_view rest = text;
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);  // the mark that spreadsheets put in front
    while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view content = trimmed(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        ++line;
        if (content.empty() || content.front() == '#') continue;
        const std::vector<std::string> cells = split(content);
        if (places.empty()) {
            places = match_header(table, cells, line, headers);
            continue;
        }
        if (cells.size() != places.size())
            throw FormatError(fmt::format("{}:{}: {} values, and the header names {} columns", path, line, cells.size(),
                                          places.size()));
        CsvTable::Row row{line, {}};
        for (const size_t place : places) row.cells.push_back(cells[place]);
        table.rows.push_back(std::move(row));
    }
    if (places.empty())
        throw FormatError(fmt::format("{}: the {} is empty; its first line names the columns {}", path, what,
                                      joined(headers.front())));
    if (table.rows.empty()) throw FormatError(fmt::format("{}: the {} has no rows below its header", path, what));
    return table;
}

}  // namespace bitline
