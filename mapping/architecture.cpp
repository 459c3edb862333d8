#include "mapping/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/files.h"
#include "mapping/architecture_keys.h"
#include "mapping/presets.h"

namespace bitline {

namespace {

constexpr uint64_t kLargestFile = uint64_t(1) << 20;

/// A preset or a file, as text.
struct Source {
    std::string text;
    std::string origin;    // in messages
    std::string identity;  // equal for the same preset or file
    std::string stem;      // name of an architecture that states none
    std::filesystem::path folder;
};

const Preset* find_preset(const std::string& name) {
    const auto& all = presets();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Preset& preset) { return preset.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::string unknown_preset(const std::string& name) {
    std::vector<std::string> names;
    std::string list;
    for (const Preset& preset : presets()) {
        names.push_back(preset.name);
        list += (list.empty() ? "" : ", ") + preset.name;
    }
    return fmt::format("architecture {} is no preset ({}) and no file; nearest preset is {}", printable(name), list,
                       nearest_name(name, names));
}

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;  // an unreadable path is as good as none
    return std::filesystem::exists(path, ignored);
}

Source open_preset(const Preset& preset) {
    return {preset.yaml, "preset " + preset.name, "preset " + preset.name, preset.name, {}};
}

Source open_file(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, ignored);
    return {read_file(path.string(), "architecture", kLargestFile), path.string(), canonical.string(),
            path.stem().string(), path.parent_path()};
}

/// `where` precedes the message: who named it.
Source open_source(const std::string& name, const std::filesystem::path& folder, const std::string& where) {
    if (const Preset* preset = find_preset(name)) return open_preset(*preset);
    // An embedded zero would end the name early for the operating system.
    if (name.empty() || !is_plain_text(name) || !is_there(folder / name))
        throw ConfigError(where + unknown_preset(name));
    return open_file(folder / name);
}

/// The options of a source and, before them, of those that it is based on.
void collect_layers(const Source& source, std::vector<std::string>& opened,
                    std::vector<std::vector<OptionText>>& layers) {
    constexpr size_t kLongestChain = 16;
    opened.push_back(source.identity);
    std::vector<OptionText> options = read_yaml_options(source.text, source.origin);
    const auto base =
        std::find_if(options.begin(), options.end(), [](const OptionText& option) { return option.path == "base"; });
    if (base != options.end()) {
        const std::string name = parse_text(*base);
        const Source next = open_source(name, source.folder, base->where + ": base: ");
        if (std::find(opened.begin(), opened.end(), next.identity) != opened.end()) {
            throw option_error(*base, "base = " + printable(name) + " leads back to itself");
        }
        if (opened.size() >= kLongestChain) {
            throw option_error(*base, fmt::format("more than {} files, each the base of the next", kLongestChain));
        }
        collect_layers(next, opened, layers);
        options.erase(base);
    }
    layers.push_back(std::move(options));
}

std::vector<OptionText> setting_layer(const std::vector<Setting>& settings) {
    std::vector<OptionText> layer;
    for (const auto& [path, value] : settings) {
        layer.push_back(setting_option(path, value));
        if (path == "base") throw option_error(layer.back(), "a base can only stand in a file");
    }
    return layer;
}

/// A base's name and description say what the base is, not what a file makes of it.
void forget_names(Architecture& architecture) {
    architecture.name.clear();
    architecture.description.clear();
}

std::string violation_text(const OptionViolation& violation, const OptionOrigins& origins) {
    const OptionText* option = origins.latest(violation.paths);
    return option ? option->where + ": " + violation.text : violation.text;
}

Architecture read_source(const Source& source, const std::vector<Setting>& settings) {
    std::vector<std::vector<OptionText>> layers;
    std::vector<std::string> opened;
    collect_layers(source, opened, layers);
    layers.push_back(setting_layer(settings));

    Architecture architecture;
    OptionOrigins origins;
    for (size_t i = 0; i < layers.size(); ++i) {
        if (i + 1 < layers.size()) forget_names(architecture);
        apply_layer(architecture_keys(), architecture, layers[i], static_cast<int>(i) + 1, origins);
    }
    if (architecture.name.empty()) architecture.name = source.stem;
    settle_effects(architecture_keys(), architecture, origins);
    if (const OptionViolation violation = find_architecture_violation(architecture); !violation.text.empty()) {
        throw ConfigError(violation_text(violation, origins));
    }
    const std::string canonical = to_yaml(architecture);
    architecture.hash = sha256_bytes(canonical.data(), canonical.size());
    return architecture;
}

}  // namespace

Architecture read_architecture(const std::string& name_or_file, const std::vector<Setting>& settings) {
    return read_source(open_source(name_or_file, {}, ""), settings);
}

Architecture parse_architecture(const std::string& yaml, const std::string& origin,
                                const std::vector<Setting>& settings) {
    const std::filesystem::path path(origin);
    return read_source({yaml, origin, origin, path.stem().string(), path.parent_path()}, settings);
}

Setting parse_setting(const std::string& text) {
    const size_t equals = text.find('=');
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    std::string path = text.substr(0, equals == std::string::npos ? 0 : equals);
    path.erase(std::remove_if(path.begin(), path.end(), is_blank), path.end());
    if (path.empty()) {
        throw ConfigError(fmt::format("--set {}: expected path.to.key=value, such as adc.bits=6", printable(text)));
    }
    return {path, text.substr(equals + 1)};
}

std::vector<ArchitectureSummary> list_architectures() {
    std::vector<ArchitectureSummary> all;
    for (const Preset& preset : presets()) {
        const Architecture architecture = read_source(open_preset(preset), {});
        all.push_back({architecture.name, architecture.description});
    }
    return all;
}

std::string architecture_text(const std::string& name) {
    const Preset* preset = find_preset(name);
    if (!preset) throw ConfigError(unknown_preset(name));
    return preset->yaml;
}

std::string to_yaml(const Architecture& architecture) { return write_options(architecture_keys(), architecture); }

std::vector<KeyDescription> describe_keys() {
    std::vector<KeyDescription> all;
    const Architecture defaults;
    for (const OptionField<Architecture>& key : architecture_keys()) {
        const std::string only = key.condition ? "; only with " + key.condition->text : "";
        all.push_back({key.path, key.type, key.range, key.write(defaults), key.meaning + only});
    }
    return all;
}

void validate(const Architecture& architecture) {
    const OptionViolation violation = find_architecture_violation(architecture);
    if (!violation.text.empty()) throw ConfigError(violation.text);
}

}  // namespace bitline
