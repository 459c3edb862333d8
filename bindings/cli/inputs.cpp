#include "bindings/cli/inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "bindings/cli/command.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model_io.h"
#include "core/options.h"

namespace bitline::cli {

namespace {

bool is_count(const std::string& text) {
    const size_t first = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return text.size() > first && std::all_of(text.begin() + static_cast<std::ptrdiff_t>(first), text.end(), is_digit);
}

bool is_format(const std::string& text) {
    static const std::array<std::string, 5> formats{"h5", "idx", "cifar10", "npz", "raw"};
    return std::find(formats.begin(), formats.end(), text) != formats.end();
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;  // a file that does not exist equals none
    return std::filesystem::equivalent(a, b, ignored);
}

}  // namespace

std::string shell_word(const std::string& text) {
    const auto is_plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::string("_-./=+,:@%").find(c) != std::string::npos;
    };
    if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

Model read_model(const std::string& path) {
    require_file(path, "model");
    Model model;
    model.path = path;
    model.network = read_network(path);
    model.sha256 = sha256_file(path);
    return model;
}

std::string quantize_advice(const std::string& path) {
    const std::string stem = std::filesystem::path(path).stem().string();
    return fmt::format("bitline quantize {} -o {} --calibration DATA", shell_word(path),
                       shell_word(stem + "_int8.onnx"));
}

void require_quantized(const Model& model) {
    const auto& nodes = model.network.nodes;
    if (std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) { return is_mappable(model.network, n); })) return;
    throw ConfigError(
        fmt::format("{}: no layer multiplies integer codes, so nothing can be mapped; quantize it first: {}",
                    printable(model.path), quantize_advice(model.path)));
}

CountedData parse_counted_data(const std::string& option, const std::string& text) {
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos) return {text, std::nullopt};
    const std::string spec = text.substr(0, colon), tail = text.substr(colon + 1);
    if (!is_count(tail) || is_format(spec)) return {text, std::nullopt};
    return {spec, parse_whole(option + " DATA:N, N", tail, 1, std::numeric_limits<int32_t>::max())};
}

ChosenPreprocess choose_preprocess(const std::optional<std::string>& given, const Network& network) {
    if (given) return {parse_preprocess(*given), "--preprocess"};
    if (network.preprocess) return {*network.preprocess, "the model"};
    return {Preprocess{}, "default"};
}

void require_output(const std::string& option, const std::string& path, const std::vector<std::string>& inputs) {
    if (path.empty()) throw ConfigError(option + " needs the name of a file");
    for (const std::string& input : inputs) {
        if (same_file(path, input)) {
            throw ConfigError(fmt::format("{} {} would overwrite an input of this run", option, printable(path)));
        }
    }
    require_writable(path);
}

void require_distinct(const std::vector<std::string>& outputs) {
    std::set<std::filesystem::path> seen;
    for (const std::string& output : outputs) {
        std::error_code ignored;
        if (!seen.insert(std::filesystem::weakly_canonical(std::filesystem::absolute(output), ignored)).second)
            throw ConfigError(fmt::format("two results would be written to {}; name two files", printable(output)));
    }
}

std::vector<std::string> files_of(const std::string& data_spec) {
    const size_t colon = data_spec.find(':');
    const bool prefixed = colon != std::string::npos && is_format(data_spec.substr(0, colon));
    std::string rest = prefixed ? data_spec.substr(colon + 1) : data_spec;
    std::vector<std::string> files;
    for (size_t at = 0; at <= rest.size();) {
        const size_t comma = std::min(rest.find(',', at), rest.size());
        files.push_back(rest.substr(at, comma - at));
        at = comma + 1;
    }
    return files;
}

std::vector<std::string> with_device(const std::optional<std::string>& device, std::vector<std::string> settings) {
    if (device) settings.insert(settings.begin(), "cell.device=" + *device);
    return settings;
}

Architecture read_chip(const std::string& name_or_file, const std::vector<std::string>& settings) {
    std::vector<Setting> parsed;
    for (const std::string& text : settings) parsed.push_back(parse_setting(text));
    return read_architecture(name_or_file, parsed);
}

std::string short_kind(const std::string& kind) {
    static const std::array<std::pair<std::string, std::string>, 4> shorter{
        {{"convolution", "conv"}, {"fully connected", "dense"}, {" by constant", ""}, {" constant", ""}}};
    for (const auto& [from, to] : shorter) {
        const size_t at = kind.find(from);
        if (at != std::string::npos) return std::string(kind).replace(at, from.size(), to);
    }
    return kind;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

Json to_json(const Shape& shape) { return Json(shape); }

Json to_json(const Model& model) {
    return {{"path", model.path}, {"name", model.network.name}, {"sha256", model.sha256}};
}

Json to_json(const Architecture& architecture, const std::string& name_or_file,
             const std::vector<std::string>& settings) {
    return {{"name", architecture.name},
            {"source", name_or_file},
            {"settings", settings},
            {"sha256", architecture.hash},
            {"yaml", to_yaml(architecture)}};
}

void write_json(const Json& json, const std::string& path) {
    // Names come from files and may be no UTF-8: shown as the replacement character.
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    if (path == kStandardOutput) {
        print(text);
    } else {
        write_text_atomically(path, text);
    }
}

}  // namespace bitline::cli
