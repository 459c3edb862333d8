#pragma once

// Text on standard output and standard error.

#include <string>
#include <vector>

namespace bitline::cli {

/// Whoever read our standard output has gone (`bitline list keys | head`): no failure, the program ends quietly.
struct OutputClosed {};

/// Writes to standard output. Throws RunError where that fails, OutputClosed for a closed pipe.
void print(const std::string& text);

/// To be called before the program reports success: buffered text may still fail to reach a full disk.
void flush_output();

/// "bitline: error: ..." on standard error, where nobody can be told that writing failed.
void report_error(const std::string& text);

/// "bitline: note: ..." on standard error.
void report_note(const std::string& text);

enum class Style { plain, bold, dim, red };

/// Colours `text` where standard output (or error) is a terminal and NO_COLOR is not set.
std::string styled(const std::string& text, Style style);
std::string styled_error(const std::string& text, Style style);

/// Control characters (names come from files) are shown as escapes, broken UTF-8 as question marks; newlines stay.
std::string clean_text(const std::string& text);

/// The same on one line: newlines become spaces.
std::string clean_line(const std::string& text);

/// Columns that `text` takes on a terminal.
int display_width(const std::string& text);

/// Shortens to `width` columns by replacing the middle with "…".
std::string shorten(const std::string& text, int width);

enum class Align { left, right };

struct Column {
    std::string title;
    Align align = Align::right;
    bool shrinks = false;  // may be shortened so that the table fits
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<std::string>> rows;  // (rows x columns)
    std::vector<std::string> totals;             // (columns) or empty, set apart by a line
};

inline constexpr int kTableWidth = 100;

std::string render(const Table& table);

/// Lines of at most `width` columns, each after `indent` spaces.
std::string wrap(const std::string& text, int width, int indent);

std::string count_text(int64_t count);      // 15,338
std::string percent_text(double share);     // 97.50 %
std::string duration_text(double seconds);  // 1 h 02 min, 3 min 05 s, 12 s, 0.42 s

}  // namespace bitline::cli
