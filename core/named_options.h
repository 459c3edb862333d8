#pragma once

// Single options with a name, as the command line and Python take them: how they are called and what numbers they hold.

#include <cstdint>
#include <string>

namespace bitline {

/// How the users of this process write options: `--weight-bits 4`, or `weight_bits=4` as keywords of Python. Messages
/// then name what was written.
enum class OptionStyle { command_line, keywords };

/// Once per process, before anything is read; command_line until then.
void set_option_style(OptionStyle style);

std::string option_name(const std::string& name);  // of "weight-bits": "--weight-bits" or "weight_bits"
/// "--hardware noise", "hardware='noise'"
std::string option_with(const std::string& name, const std::string& value);
/// A key of an architecture: "--set adc.bits=6", "adc.bits=6".
std::string setting_name(const std::string& path, const std::string& value);

// Strict numbers: decimal, within the stated relation; `option` is as messages name it. Throw ConfigError "--trials = 0
// violates 1 <= --trials <= ...".
int64_t parse_whole(const std::string& option, const std::string& text, int64_t low, int64_t high);
double parse_number(const std::string& option, const std::string& text, double low, double high, bool low_open);

}  // namespace bitline
