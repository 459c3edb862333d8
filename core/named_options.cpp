#include "core/named_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "core/options.h"

namespace bitline {

namespace {

std::atomic<OptionStyle> style_in_use{OptionStyle::command_line};

bool keywords() { return style_in_use.load(std::memory_order_relaxed) == OptionStyle::keywords; }

}  // namespace

void set_option_style(OptionStyle style) { style_in_use = style; }

std::string option_name(const std::string& name) {
    if (!keywords()) return "--" + name;
    std::string keyword = name;
    std::replace(keyword.begin(), keyword.end(), '-', '_');
    return keyword;
}

std::string option_with(const std::string& name, const std::string& value) {
    return keywords() ? fmt::format("{}='{}'", option_name(name), value)
                      : fmt::format("{} {}", option_name(name), value);
}

std::string setting_name(const std::string& path, const std::string& value) {
    return fmt::format("{}{}={}", keywords() ? "" : "--set ", printable(path), printable(value));
}

int64_t parse_whole(const std::string& option, const std::string& text, int64_t low, int64_t high) {
    OptionText given;
    given.path = option;
    given.value = text;
    const int64_t value = parse_integer(given);
    if (value < low || value > high) {
        throw violation_error(given, fmt::format("{} <= {} <= {}", low, option, high));
    }
    return value;
}

double parse_number(const std::string& option, const std::string& text, double low, double high, bool low_open) {
    OptionText given;
    given.path = option;
    given.value = text;
    const OptionRange range{low, high, low_open};
    const double value = parse_real(given, kPureNumber);
    if (!range.contains(value)) throw violation_error(given, range.relation(option));
    return value;
}

}  // namespace bitline
