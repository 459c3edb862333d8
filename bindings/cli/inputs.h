#pragma once

// What several commands read, with their checks.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/network.h"
#include "mapping/architecture.h"

namespace bitline::cli {

using Json = nlohmann::ordered_json;

/// A network with what identifies its file.
struct Model {
    std::string path, sha256;
    Network network;
};
Model read_model(const std::string& path);

/// Text that a shell takes as one word.
std::string shell_word(const std::string& text);

/// Throws ConfigError that says how to quantize a network without integer layers.
void require_quantized(const Model& model);

/// The command that makes an integer network of a float one.
std::string quantize_advice(const std::string& path);

/// "DATA[:N]"
struct CountedData {
    std::string spec;
    std::optional<int64_t> samples;
};
CountedData parse_counted_data(const std::string& option, const std::string& text);

struct ChosenPreprocess {
    Preprocess preprocess;
    std::string origin;  // "--preprocess", "the model", "default"
};
/// What the user gave, else what the model carries, else raw.
ChosenPreprocess choose_preprocess(const std::optional<std::string>& given, const Network& network);

/// Checks before long work starts: the path can be written and is none of the inputs.
void require_output(const std::string& option, const std::string& path, const std::vector<std::string>& inputs);

/// Throws ConfigError where two results would go to one file.
void require_distinct(const std::vector<std::string>& outputs);

/// Files named by a data spec.
std::vector<std::string> files_of(const std::string& data_spec);

/// --device NAME is the first of the settings.
std::vector<std::string> with_device(const std::optional<std::string>& device, std::vector<std::string> settings);

/// Architecture by name or file with --set overrides.
Architecture read_chip(const std::string& name_or_file, const std::vector<std::string>& settings);

/// A node's kind in the words of a table: "depthwise conv", "dense" (fully connected), "add" (a constant).
std::string short_kind(const std::string& kind);

// --- results for machines

inline constexpr const char* kStandardOutput = "-";

/// Finite numbers only: JSON knows neither NaN nor infinity.
Json number(double value);
Json number(const std::optional<double>& value);

Json to_json(const Shape& shape);
Json to_json(const Model& model);
Json to_json(const Architecture& architecture, const std::string& name_or_file,
             const std::vector<std::string>& settings);

/// To a file, whole or not at all, or to standard output for "-".
void write_json(const Json& json, const std::string& path);

}  // namespace bitline::cli
