#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/data.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline {

namespace {

constexpr float kUnitScale = 1.0F / 255.0F;

const std::vector<std::pair<std::string, Preprocess>>& named() {
    static const std::vector<std::pair<std::string, Preprocess>> kNamed{
        {"raw", {}},
        {"unit", {kUnitScale, {0.0F}, {1.0F}}},
        // Means and deviations of the ImageNet training set, as torchvision gives them.
        {"imagenet", {kUnitScale, {0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}},
    };
    return kNamed;
}

[[noreturn]] void fail(const std::string& text, const std::string& problem) {
    throw ConfigError(fmt::format("preprocess '{}': {}; write raw, unit, imagenet or scale=1/255,mean=a/b/c,std=a/b/c",
                                  printable(text), problem));
}

/// One number at the start of `rest`, which is shortened by it.
float take_number(std::string_view& rest, const std::string& text) {
    float value = 0;
    const auto [next, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || !std::isfinite(value)) {
        fail(text, fmt::format("'{}' is no finite number", printable(std::string(rest))));
    }
    rest.remove_prefix(size_t(next - rest.data()));
    return value;
}

/// Numbers with '/' between them.
std::vector<float> parse_numbers(std::string_view rest, const std::string& text) {
    std::vector<float> numbers;
    while (true) {
        numbers.push_back(take_number(rest, text));
        if (rest.empty()) return numbers;
        if (rest[0] != '/') fail(text, fmt::format("'{}' is unexpected", printable(std::string(rest))));
        rest.remove_prefix(1);
    }
}

float parse_scale(std::string_view value, const std::string& text) {
    const std::vector<float> parts = parse_numbers(value, text);
    if (parts.size() > 2) fail(text, "scale is one number or one fraction");
    const float scale = parts.size() == 2 ? parts[0] / parts[1] : parts[0];
    if (!std::isfinite(scale) || scale == 0) fail(text, fmt::format("scale = {} violates scale != 0, finite", scale));
    return scale;
}

std::vector<float> parse_deviations(std::string_view value, const std::string& text) {
    const std::vector<float> numbers = parse_numbers(value, text);
    for (const float number : numbers) {
        if (number <= 0) fail(text, fmt::format("std = {} violates std > 0", number));
    }
    return numbers;
}

void set_key(Preprocess& preprocess, std::string_view item, const std::string& text) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
        fail(text, fmt::format("'{}' is neither a name nor key=value", printable(std::string(item))));
    }
    const std::string key(item.substr(0, equals));
    const std::string_view value = item.substr(equals + 1);
    if (key == "scale") {
        preprocess.scale = parse_scale(value, text);
    } else if (key == "mean") {
        preprocess.mean = parse_numbers(value, text);
    } else if (key == "std") {
        preprocess.std = parse_deviations(value, text);
    } else {
        fail(text, fmt::format("unknown key '{}', did you mean '{}'?", printable(key),
                               nearest_name(key, {"scale", "mean", "std"})));
    }
}

std::string list(const std::vector<float>& numbers) {
    std::string text;
    // fmt prints the shortest text that reads back as the same float.
    for (const float number : numbers) text += fmt::format("{}{}", text.empty() ? "" : "/", number);
    return text;
}

bool fits_channels(const std::vector<float>& numbers, int64_t channels) {
    return numbers.size() == 1 || int64_t(numbers.size()) == channels;
}

}  // namespace

Preprocess parse_preprocess(const std::string& text) {
    for (const auto& [name, preprocess] : named()) {
        if (text == name) return preprocess;
    }
    if (text.find('=') == std::string::npos) {
        fail(text, fmt::format("unknown name, did you mean '{}'?", nearest_name(text, {"raw", "unit", "imagenet"})));
    }
    Preprocess preprocess;
    std::vector<std::string> seen;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        const std::string item = text.substr(start, end - start);
        const std::string key = item.substr(0, item.find('='));
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) fail(text, fmt::format("'{}' is given twice", key));
        seen.push_back(key);
        set_key(preprocess, item, text);
        start = end + 1;
    }
    return preprocess;
}

std::string to_string(const Preprocess& preprocess) {
    for (const auto& [name, known] : named()) {
        if (preprocess == known) return name;
    }
    const Preprocess defaults;
    std::string text;
    const auto add = [&](const std::string& item) { text += (text.empty() ? "" : ",") + item; };
    if (preprocess.scale == kUnitScale) {
        add("scale=1/255");
    } else if (preprocess.scale != defaults.scale) {
        add(fmt::format("scale={}", preprocess.scale));
    }
    if (preprocess.mean != defaults.mean) add("mean=" + list(preprocess.mean));
    if (preprocess.std != defaults.std) add("std=" + list(preprocess.std));
    return text;
}

void apply(const Preprocess& preprocess, const Shape& shape, int64_t samples, float* x) {
    const int64_t channels = shape.empty() ? 1 : shape[0];
    for (const auto& [name, numbers] : {std::pair{"mean", &preprocess.mean}, std::pair{"std", &preprocess.std}}) {
        if (fits_channels(*numbers, channels)) continue;
        throw ConfigError(
            fmt::format("preprocess: {} has {} entries, the samples have {} channels (shape {}); give one, or "
                        "one per channel",
                        name, numbers->size(), channels, to_string(shape)));
    }
    const int64_t positions = element_count(shape) / std::max<int64_t>(channels, 1);
    for (int64_t row = 0; row < samples * channels; ++row) {
        const size_t c = size_t(row % channels);
        const float mean = preprocess.mean.size() == 1 ? preprocess.mean[0] : preprocess.mean[c];
        const float deviation = preprocess.std.size() == 1 ? preprocess.std[0] : preprocess.std[c];
        float* const values = x + row * positions;
        for (int64_t i = 0; i < positions; ++i) values[i] = (values[i] * preprocess.scale - mean) / deviation;
    }
}

void read_input(const Dataset& data, const Preprocess& preprocess, const Shape& input, int64_t first, int64_t count,
                float* out) {
    data.read(first, count, out);
    apply(preprocess, input, count, out);
}

std::vector<float> read_input(const Dataset& data, const Preprocess& preprocess, const Shape& input, int64_t first,
                              int64_t count) {
    std::vector<float> samples(size_t(count * element_count(input)));
    read_input(data, preprocess, input, first, count, samples.data());
    return samples;
}

}  // namespace bitline
