#include "core/ages.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/named_options.h"
#include "core/options.h"

namespace bitline {

namespace {

constexpr double kOldest = 1e12;  // s

struct AgeUnit {
    const char* suffix;
    double seconds;
};
constexpr std::array kUnits{AgeUnit{"s", 1},     AgeUnit{"m", 60},     AgeUnit{"min", 60},    AgeUnit{"h", 3600},
                            AgeUnit{"d", 86400}, AgeUnit{"w", 604800}, AgeUnit{"y", 31536000}};
constexpr std::array kShown{AgeUnit{"y", 31536000}, AgeUnit{"d", 86400}, AgeUnit{"h", 3600}, AgeUnit{"min", 60}};

std::string without_blanks(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

ConfigError bad_age(const std::string& option, const std::string& text, const std::string& reason) {
    return ConfigError(fmt::format("{}: {} {}", option, printable(text), reason));
}

double unit_of(const std::string& option, const std::string& text, const std::string& suffix) {
    for (const AgeUnit& unit : kUnits)
        if (suffix == unit.suffix) return unit.seconds;
    throw bad_age(option, text, "has no unit of time behind its number; use s, min, h, d, w or y (365 d)");
}

double parse_age(const std::string& option, const std::string& text) {
    if (text.empty()) throw ConfigError(option + ": an age is missing; expected ages such as 0,1s,1h,1d,30d,1y");
    // An exponent's e belongs to the number: 1e6s.
    const size_t end = text.find_first_not_of("0123456789.+-eE");
    const std::string number = without_blanks(text.substr(0, end));
    if (number.empty()) throw bad_age(option, text, "is no age; expected ages such as 0,1s,1h,1d,30d,1y");
    const double unit = end == std::string::npos ? 1 : unit_of(option, text, without_blanks(text.substr(end)));
    const double age = parse_number(option, number, 0, kOldest, false) * unit;
    if (!(age <= kOldest)) throw bad_age(option, text, fmt::format("violates age <= {} s", kOldest));
    return age;
}

}  // namespace

std::vector<double> parse_ages(const std::string& option, const std::string& text) {
    std::vector<double> ages;
    std::string before;
    for (size_t first = 0; first <= text.size();) {
        const size_t end = std::min(text.find(',', first), text.size());
        const std::string one = without_blanks(text.substr(first, end - first));
        const double age = parse_age(option, one);
        if (!ages.empty() && age == ages.back())
            throw bad_age(option, one, "is the age that stands before it, " + printable(before));
        if (!ages.empty() && age < ages.back())
            throw bad_age(option, one, fmt::format("stands behind {}; ages must rise", printable(before)));
        ages.push_back(age);
        before = one;
        first = end + 1;
    }
    return ages;
}

std::string age_text(double seconds) {
    if (seconds == 0) return "fresh";
    for (const AgeUnit& unit : kShown)
        if (seconds >= unit.seconds && std::fmod(seconds, unit.seconds) == 0)
            return fmt::format("{:.6g} {}", seconds / unit.seconds, unit.suffix);
    return fmt::format("{:.6g} s", seconds);
}

}  // namespace bitline
