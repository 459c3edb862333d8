#include "bindings/cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace bitline::cli {

namespace {

constexpr int kGap = 2;        // columns between the columns of a table
constexpr int kNarrowest = 6;  // what a shortened column keeps
const std::string kEllipsis = "\xE2\x80\xA6";

[[noreturn]] void output_failed() {
    const int error = errno;
    std::clearerr(stdout);
    if (error == EPIPE) throw OutputClosed();
    throw RunError(fmt::format("standard output could not be written: {}", std::strerror(error)));
}

bool shows_colour(int descriptor) {
    const char* off = std::getenv("NO_COLOR");  // https://no-color.org
    const char* kind = std::getenv("TERM");
    return isatty(descriptor) && !(off && *off) && kind && std::strcmp(kind, "dumb") != 0;
}

std::string coloured(const std::string& text, Style style, bool colours) {
    if (!colours || style == Style::plain || text.empty()) return text;
    const char* code = style == Style::bold ? "1" : style == Style::dim ? "2" : "31";
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

/// One character of UTF-8: its bytes and its code point; a byte that starts none is a character of its own, invalid.
struct Character {
    size_t bytes = 1;
    uint32_t code = 0;
    bool valid = true;
};

Character read_character(std::string_view text) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const uint32_t first = byte(0);
    if (first < 0x80) return {1, first, true};
    const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return {1, first, false};
    uint32_t code = first & (0x7FU >> bytes);
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) return {1, first, false};
        code = code << 6 | (byte(i) & 0x3FU);
    }
    const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (overlong || surrogate || code > 0x10FFFF) return {1, first, false};
    return {bytes, code, true};
}

/// Unicode's wide blocks (East Asian Width W and F, emoji) take two columns, combining marks none.
int character_width(uint32_t code) {
    if ((code >= 0x300 && code <= 0x36F) || (code >= 0x200B && code <= 0x200F)) return 0;
    const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                      (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                      (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
                      (code >= 0x1F300 && code <= 0x1FAFF) || (code >= 0x20000 && code <= 0x3FFFD);
    return wide ? 2 : 1;
}

/// The longest beginning of `text` that takes at most `width` columns.
std::string beginning(const std::string& text, int width) {
    size_t at = 0;
    while (at < text.size()) {
        const Character c = read_character(std::string_view(text).substr(at));
        width -= character_width(c.code);
        if (width < 0) break;
        at += c.bytes;
    }
    return text.substr(0, at);
}

/// The longest end of `text` that takes at most `width` columns.
std::string ending(const std::string& text, int width) {
    size_t at = 0;
    while (at < text.size() && display_width(text.substr(at)) > width) {
        at += read_character(std::string_view(text).substr(at)).bytes;
    }
    return text.substr(at);
}

std::string padded(const std::string& text, int width, Align align) {
    const std::string space(static_cast<size_t>(std::max(0, width - display_width(text))), ' ');
    return align == Align::left ? text + space : space + text;
}

std::string trimmed_right(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

/// Names come from files: no cell may break its line.
Table one_line_cells(Table table) {
    const auto clean = [](std::vector<std::string>& cells) {
        for (std::string& cell : cells) cell = clean_line(cell);
    };
    for (auto& row : table.rows) clean(row);
    clean(table.totals);
    return table;
}

std::vector<int> column_widths(const Table& table) {
    std::vector<int> widths;
    for (size_t c = 0; c < table.columns.size(); ++c) {
        int width = display_width(table.columns[c].title);
        for (const auto& row : table.rows) width = std::max(width, display_width(row[c]));
        if (!table.totals.empty()) width = std::max(width, display_width(table.totals[c]));
        widths.push_back(width);
    }
    int total = -kGap;
    for (const int width : widths) total += width + kGap;
    while (total > kTableWidth) {
        size_t widest = widths.size();
        for (size_t c = 0; c < widths.size(); ++c) {
            const bool can_shrink = table.columns[c].shrinks && widths[c] > kNarrowest;
            if (can_shrink && (widest == widths.size() || widths[c] > widths[widest])) widest = c;
        }
        if (widest == widths.size()) break;
        --widths[widest];
        --total;
    }
    return widths;
}

std::string render_row(const Table& table, const std::vector<std::string>& cells, const std::vector<int>& widths) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
        if (c > 0) line += std::string(kGap, ' ');
        line += padded(shorten(cells[c], widths[c]), widths[c], table.columns[c].align);
    }
    return trimmed_right(line);
}

}  // namespace

void print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) output_failed();
}

void flush_output() {
    if (std::fflush(stdout) != 0) output_failed();
}

void report_error(const std::string& text) {
    std::fputs(fmt::format("bitline: {} {}\n", styled_error("error:", Style::red), clean_line(text)).c_str(), stderr);
}

void report_note(const std::string& text) {
    std::fputs(fmt::format("bitline: note: {}\n", clean_line(text)).c_str(), stderr);
}

std::string styled(const std::string& text, Style style) {
    static const bool colours = shows_colour(STDOUT_FILENO);
    return coloured(text, style, colours);
}

std::string styled_error(const std::string& text, Style style) {
    static const bool colours = shows_colour(STDERR_FILENO);
    return coloured(text, style, colours);
}

std::string clean_text(const std::string& text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const Character c = read_character(std::string_view(text).substr(at));
        const bool control = c.code != '\n' && (c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0));
        if (!c.valid) {
            out += '?';
        } else if (control) {
            out += fmt::format("\\x{:02x}", c.code);
        } else {
            out += text.substr(at, c.bytes);
        }
        at += c.bytes;
    }
    return out;
}

std::string clean_line(const std::string& text) {
    std::string line = clean_text(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

int display_width(const std::string& text) {
    int width = 0;
    for (size_t at = 0; at < text.size();) {
        const Character c = read_character(std::string_view(text).substr(at));
        width += character_width(c.code);
        at += c.bytes;
    }
    return width;
}

std::string shorten(const std::string& text, int width) {
    if (display_width(text) <= width) return text;
    const int kept = std::max(0, width - 1);
    return beginning(text, (kept + 1) / 2) + kEllipsis + ending(text, kept / 2);
}

std::string render(const Table& given) {
    const Table table = one_line_cells(given);
    const std::vector<int> widths = column_widths(table);
    std::vector<std::string> titles;
    for (const Column& column : table.columns) titles.push_back(column.title);
    std::string out = styled(render_row(table, titles, widths), Style::bold) + "\n";
    for (const auto& row : table.rows) out += render_row(table, row, widths) + "\n";
    if (!table.totals.empty()) {
        int total = -kGap;
        for (const int width : widths) total += width + kGap;
        out += styled(std::string(static_cast<size_t>(total), '-'), Style::dim) + "\n";
        out += render_row(table, table.totals, widths) + "\n";
    }
    return out;
}

std::string wrap(const std::string& text, int width, int indent) {
    std::string out, line;
    const std::string margin(static_cast<size_t>(indent), ' ');
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find_first_of(" \n", at), text.size());
        const std::string word = text.substr(at, end - at);
        if (!line.empty() && indent + display_width(line) + 1 + display_width(word) > width) {
            out += margin + line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
        at = end + 1;
    }
    return line.empty() ? out : out + margin + line + "\n";
}

std::string count_text(int64_t count) {
    std::string digits = fmt::format("{}", count);
    const int first = count < 0 ? 1 : 0;
    for (int at = static_cast<int>(digits.size()) - 3; at > first; at -= 3)
        digits.insert(static_cast<size_t>(at), 1, ',');
    return digits;
}

std::string percent_text(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string duration_text(double seconds) {
    if (!(seconds >= 0)) return "?";
    if (seconds < 10) return fmt::format("{:.2f} s", seconds);
    const auto whole = static_cast<int64_t>(std::llround(std::min(seconds, 1e15)));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace bitline::cli
