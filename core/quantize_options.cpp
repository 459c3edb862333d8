#include "core/error.h"
#include "core/named_options.h"
#include "core/options.h"
#include "core/quantize.h"

namespace bitline {

namespace {

using Method = QuantizeOptions::Method;

Method parse_method(const std::string& name) {
    OptionText option;
    option.path = option_name("method");
    option.value = name;
    static const Method methods[] = {Method::minmax, Method::percentile, Method::mse};
    return methods[parse_choice(option, {"minmax", "percentile", "mse"})];
}

int parse_bits(const std::string& name, const std::string& text) {
    return static_cast<int>(parse_whole(option_name(name), text, 2, 16));
}

}  // namespace

QuantizeOptions parse_quantize_options(const QuantizeTexts& texts) {
    QuantizeOptions options;
    if (texts.weight_bits) options.weight_bits = parse_bits("weight-bits", *texts.weight_bits);
    if (texts.input_bits) options.input_bits = parse_bits("input-bits", *texts.input_bits);
    if (texts.method) options.method = parse_method(*texts.method);
    if (!texts.percentile) return options;
    if (options.method != Method::percentile)
        throw ConfigError(option_name("percentile") + " has no effect without " + option_with("method", "percentile"));
    options.percentile = parse_number(option_name("percentile"), *texts.percentile, 50, 100, true);
    return options;
}

}  // namespace bitline
