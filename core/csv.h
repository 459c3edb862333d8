#pragma once

// Comma-separated values with a header line: measurements as laboratories keep them.

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/options.h"

namespace bitline {

/// Rows of text, their cells in the order of `columns`. Numbers of lines start at 1, as editors show them.
struct CsvTable {
    std::string path;
    std::vector<std::string> columns;
    struct Row {
        int64_t line = 0;
        std::vector<std::string> cells;
    };
    std::vector<Row> rows;

    std::string where(const Row& row) const { return path + ":" + std::to_string(row.line); }
    /// The cell as a decimal number of the unit, finite. Throws ConfigError with file, line and column.
    double number(const Row& row, size_t column, const OptionUnit& unit = kPureNumber) const;
    /// Likewise a whole number.
    int64_t integer(const Row& row, size_t column) const;
};

/// Reads a file of at most 256 MiB. Its header names, in any order, the columns of one of `headers`. Blank lines and
/// lines that start with # are skipped, blanks and quotes around values do not count (no value holds a comma). Throws
/// FormatError with file and line for a file without rows, another header, or a row with more or fewer values than
/// columns. `what` names the file's role.
CsvTable read_csv(const std::string& path, const std::string& what,
                  const std::vector<std::vector<std::string>>& headers);

}  // namespace bitline
