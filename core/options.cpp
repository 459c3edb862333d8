#include "core/options.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/named_options.h"

namespace bitline {

namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }  // npos + 1 == 0

/// Edit distance with swaps of neighbours (optimal string alignment), case ignored.
int edit_distance(const std::string& a, const std::string& b) {
    std::vector<int> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    const auto same = [&](size_t i, size_t j) {
        return std::tolower(static_cast<unsigned char>(a[i])) == std::tolower(static_cast<unsigned char>(b[j]));
    };
    for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
    for (size_t i = 0; i < a.size(); ++i) {
        before = std::exchange(above, row);
        row[0] = static_cast<int>(i) + 1;
        for (size_t j = 0; j < b.size(); ++j) {
            row[j + 1] = std::min({above[j + 1] + 1, row[j] + 1, above[j] + (same(i, j) ? 0 : 1)});
            if (i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j))
                row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
        }
    }
    return row[b.size()];
}

std::string trimmed(const std::string& text) {
    const char* blank = " \t\r\n";
    const size_t first = text.find_first_not_of(blank);
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

void refuse_section(const OptionText& option) {
    if (option.kind == OptionText::Kind::section) {
        throw option_error(option, option.path + " takes a value, not a section of keys");
    }
}

void refuse_list(const OptionText& option) {
    if (option.kind == OptionText::Kind::list) {
        throw option_error(option, option.path + " takes one value, not a list");
    }
}

/// The scalar's text. Throws where there is none, or where text in quotes stands for a number.
std::string scalar_text(const OptionText& option, bool quotes_allowed) {
    refuse_section(option);
    refuse_list(option);
    const std::string text = trimmed(option.value);
    if (option.kind == OptionText::Kind::null || text.empty())
        throw option_error(option, option.path + " has no value");
    if (option.kind == OptionText::Kind::quoted && !quotes_allowed) {
        throw option_error(option,
                           fmt::format("{} = \"{}\" is text: write it without quotes", option.path, printable(text)));
    }
    return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t skip_digits(const std::string& text, size_t at) {
    while (at < text.size() && is_digit(text[at])) ++at;
    return at;
}

/// Position after an optional sign.
size_t skip_sign(const std::string& text, size_t at) {
    return at < text.size() && (text[at] == '-' || text[at] == '+') ? at + 1 : at;
}

/// YAML 1.1 reads 010 as 8, YAML 1.2 as 10: refused, with what to write.
void refuse_leading_zero(const OptionText& option, const std::string& text) {
    const size_t first = skip_sign(text, 0), last = skip_digits(text, first);
    if (last - first < 2 || text[first] != '0') return;
    const size_t significant = std::min(text.find_first_not_of('0', first), last - 1);
    const std::string sign = text[0] == '-' ? "-" : "";
    throw option_error(option, fmt::format("{} = {} has a leading zero: write {}", option.path, printable(text),
                                           printable(sign + text.substr(significant))));
}

struct Decimal {
    std::string mantissa;  // sign and digits with an optional point
    int64_t exponent = 0;
    size_t length = 0;  // characters read; 0: no decimal number
};

Decimal read_decimal(const std::string& text) {
    const size_t first = skip_sign(text, 0), point = skip_digits(text, first);
    size_t end = point;
    if (end < text.size() && text[end] == '.') end = skip_digits(text, end + 1);
    const size_t digits = end - first - (end > point ? 1 : 0);
    if (digits == 0) return {};
    Decimal decimal{text.substr(text[0] == '+' ? 1 : 0, end - (text[0] == '+' ? 1 : 0)), 0, end};
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        const size_t exponent = skip_sign(text, end + 1), last = skip_digits(text, exponent);
        if (last == exponent || last - exponent > 6) return {};
        const bool plus = text[end + 1] == '+';
        std::from_chars(text.data() + end + (plus ? 2 : 1), text.data() + last, decimal.exponent);
        decimal.length = last;
    }
    return decimal;
}

/// Power of ten of the suffix; throws for an unknown one.
int suffix_power(const OptionText& option, const std::string& suffix, const OptionUnit& unit) {
    if (suffix.empty()) return 0;
    const std::string micro = "\xC2\xB5";  // the micro sign
    std::string name = suffix;
    if (name.rfind(micro, 0) == 0) name.replace(0, micro.size(), 1, 'u');
    std::string known;
    for (const auto& [accepted, power] : unit.suffixes) {
        if (accepted == name) return power;
        known += (known.empty() ? "" : ", ") + accepted;
    }
    throw option_error(option, fmt::format("{} = {} is not a number{}", option.path, printable(trimmed(option.value)),
                                           known.empty() ? "" : " with one of the units " + known));
}

/// The paths after all sections that lead to them.
std::vector<std::string> with_sections(const std::vector<std::string>& paths) {
    std::vector<std::string> names;
    for (const std::string& path : paths) {
        for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
            names.push_back(path.substr(0, dot));
        }
    }
    names.insert(names.end(), paths.begin(), paths.end());
    return names;
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates) {
    constexpr size_t kLongest = 64;   // longer than any name: more cannot make it nearer
    constexpr int kOtherSection = 3;  // a right last part in a wrong section is worth three edits
    const std::string given = name.substr(0, kLongest), given_last = last_part(given);
    std::string best;
    int best_distance = std::numeric_limits<int>::max();
    for (const std::string& candidate : candidates) {
        const int distance =
            std::min(edit_distance(given, candidate), edit_distance(given_last, last_part(candidate)) + kOtherSection);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string printable(const std::string& text) {
    constexpr size_t kLongest = 80;
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool starts_character = (c & 0xC0) != 0x80;
        if (out.size() >= kLongest && starts_character) return out + "...";
        out += c < 0x20 || c == 0x7F ? fmt::format("\\x{:02x}", c) : std::string(1, text[i]);
    }
    return out;
}

std::string quoted_yaml(const std::string& text) {
    std::string out = "\"";
    for (const char character : text) {
        const auto c = static_cast<unsigned char>(character);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += character;
        } else {
            out += c < 0x20 || c == 0x7F ? fmt::format("\\x{:02x}", c) : std::string(1, character);
        }
    }
    return out + "\"";
}

std::string nested_yaml(const std::vector<std::pair<std::string, std::string>>& scalars) {
    std::string out, open;  // open: the section printed last, "cell.stuck_at."
    for (const auto& [path, scalar] : scalars) {
        size_t start = 0;
        int depth = 0;
        for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', start)) {
            const std::string section = path.substr(0, dot + 1);
            if (open.rfind(section, 0) != 0) {
                out += fmt::format("{:{}}{}:\n", "", 2 * depth, path.substr(start, dot - start));
            }
            start = dot + 1;
            ++depth;
        }
        open = path.substr(0, start);
        out += fmt::format("{:{}}{}: {}\n", "", 2 * depth, path.substr(start), scalar);
    }
    return out;
}

std::string OptionRange::relation(const std::string& path) const {
    constexpr double kOpen = std::numeric_limits<double>::infinity();
    const std::string upper = high == kOpen ? "" : " <= " + real_text(high);
    return fmt::format("{} {} {}{}", real_text(low), low_open ? "<" : "<=", path, upper);
}

OptionText setting_option(const std::string& path, const std::string& value) {
    OptionText option;
    option.path = path;
    option.value = value;
    option.where = setting_name(path, value);
    option.from_setting = true;
    if (!is_plain_text(path) || !is_plain_text(value)) {
        throw ConfigError(setting_name(printable(path), printable(value)) +
                          ": keys and values of an architecture are UTF-8 text without control characters");
    }
    return option;
}

int64_t parse_integer(const OptionText& option) {
    const std::string text = scalar_text(option, false);
    const size_t first = skip_sign(text, 0), last = skip_digits(text, first);
    if (last != text.size() || last == first) {
        throw option_error(option, fmt::format("{} = {} is not a whole number; write decimal digits only", option.path,
                                               printable(text)));
    }
    refuse_leading_zero(option, text);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + (text[0] == '+' ? 1 : 0), text.data() + last, value);
    if (error == std::errc()) return value;
    // Outside of every range anyway: the range check names the relation.
    return text[0] == '-' ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

double parse_real(const OptionText& option, const OptionUnit& unit) {
    const std::string text = scalar_text(option, false);
    refuse_leading_zero(option, text);
    const Decimal decimal = read_decimal(text);
    if (decimal.length == 0) {
        throw option_error(option, fmt::format("{} = {} is not a finite decimal number", option.path, printable(text)));
    }
    const int power = suffix_power(option, trimmed(text.substr(decimal.length)), unit);
    // The unit goes into the exponent, so that "100 uS" and "1e-4" are the same double.
    const std::string number = fmt::format("{}e{}", decimal.mantissa, decimal.exponent + power);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || !std::isfinite(value)) {
        throw option_error(option,
                           fmt::format("{} = {} is too large or too small for a double", option.path, printable(text)));
    }
    return value + 0.0;  // -0 becomes 0
}

bool parse_bool(const OptionText& option) {
    const std::string text = scalar_text(option, false);
    if (text == "true") return true;
    if (text == "false") return false;
    std::string lower;
    for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto is_one_of = [&](std::initializer_list<const char*> words) {
        return std::find(words.begin(), words.end(), lower) != words.end();
    };
    const char* advice = is_one_of({"true", "yes", "on", "1", "y"})    ? "write true"
                         : is_one_of({"false", "no", "off", "0", "n"}) ? "write false"
                                                                       : "write true or false";
    throw option_error(option, fmt::format("{} = {} is no boolean: {}", option.path, printable(text), advice));
}

size_t parse_choice(const OptionText& option, const std::vector<std::string>& names) {
    const std::string text = scalar_text(option, true);
    const auto found = std::find(names.begin(), names.end(), text);
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw option_error(option, fmt::format("{} = {} is none of {}; nearest is {}", option.path, printable(text), list,
                                           nearest_name(text, names)));
}

std::string parse_text(const OptionText& option) {
    constexpr size_t kLongest = 4096;
    refuse_section(option);
    refuse_list(option);
    std::string text = trimmed(option.value);
    if (text.size() > kLongest || !is_plain_text(text)) {
        throw option_error(option, fmt::format("{} takes UTF-8 text without control characters, at most {} bytes",
                                               option.path, kLongest));
    }
    return text;
}

std::vector<OptionText> parse_list(const OptionText& option) {
    refuse_section(option);
    std::string text = trimmed(option.value);
    const bool brackets = text.size() >= 2 && text.front() == '[' && text.back() == ']';
    if (brackets) text = trimmed(text.substr(1, text.size() - 2));
    if (text.empty() && brackets) return {};
    std::vector<OptionText> items;
    for (size_t start = 0; start <= text.size();) {
        const size_t comma = std::min(text.find(',', start), text.size());
        OptionText item = option;
        item.kind = option.kind == OptionText::Kind::list ? OptionText::Kind::plain : option.kind;
        item.path = fmt::format("{}[{}]", option.path, items.size());
        item.value = text.substr(start, comma - start);
        items.push_back(item);
        start = comma + 1;
    }
    return items;
}

std::string number_type(const OptionUnit& unit) {
    std::string type = unit.name.empty() ? "number" : "number, " + unit.name, others;
    for (const auto& [suffix, power] : unit.suffixes) {
        if (suffix != unit.name) others += (others.empty() ? "" : ", ") + suffix;
    }
    return others.empty() ? type : type + " (also " + others + ")";
}

std::string number_range(const std::string& path, OptionRange range, const OptionUnit& unit) {
    const bool named = !unit.suffixes.empty() && unit.suffixes[0].first == unit.name;
    return range.relation(path) + (named ? " " + unit.name : "");
}

std::string real_text(double value) { return fmt::format("{}", value); }

ConfigError option_error(const OptionText& option, const std::string& message) {
    return ConfigError(option.where.empty() ? message : option.where + ": " + message);
}

ConfigError violation_error(const OptionText& option, const std::string& relation) {
    return option_error(option,
                        fmt::format("{} = {} violates {}", option.path, printable(trimmed(option.value)), relation));
}

ConfigError unknown_key_error(const OptionText& option, const std::vector<std::string>& paths) {
    std::string inside, last;  // keys and sections right below
    for (const std::string& path : paths) {
        if (path.rfind(option.path + ".", 0) != 0) continue;
        const std::string below = path.substr(0, path.find('.', option.path.size() + 1));
        if (below != last) inside += (inside.empty() ? "" : ", ") + below;
        last = below;
    }
    const std::string prefix = option.from_setting ? "" : printable(option.path) + ": ";
    if (!inside.empty()) return option_error(option, prefix + "a section, not a value; its keys are " + inside);
    for (const std::string& path : paths) {
        if (option.path.rfind(path + ".", 0) == 0) return option_error(option, path + " takes a value, not a section");
    }
    const bool names_section = option.kind != OptionText::Kind::plain && option.kind != OptionText::Kind::quoted;
    const std::string nearest = nearest_name(option.path, names_section ? with_sections(paths) : paths);
    return option_error(option, prefix + "no such key; nearest is " + nearest);
}

const OptionText* OptionOrigins::latest(const std::vector<std::string>& paths) const {
    const Origin* last = nullptr;
    for (const std::string& path : paths) {
        const auto found = by_path.find(path);
        if (found != by_path.end() && (!last || found->second.order > last->order)) last = &found->second;
    }
    return last ? &last->option : nullptr;
}

bool is_empty_section(const OptionText& option, const std::vector<std::string>& paths) {
    if (option.kind != OptionText::Kind::null && option.kind != OptionText::Kind::section) return false;
    const auto inside = [&](const std::string& path) { return path.rfind(option.path + ".", 0) == 0; };
    return std::any_of(paths.begin(), paths.end(), inside);
}

}  // namespace bitline
