#pragma once

// Ages of a chip as users write and read them: "0,1s,1h,1d,30d,1y".

#include <string>
#include <vector>

namespace bitline {

/// Ages in seconds, rising. Each is a decimal number with one of the suffixes s, m, min, h, d, w, y (y: 365 d); without
/// one, seconds. Throws ConfigError that names the age and the violated relation.
std::vector<double> parse_ages(const std::string& option, const std::string& text);

std::string age_text(double seconds);  // "fresh", "90 s", "1 h", "30 d", "1 y": the largest unit that divides it

}  // namespace bitline
