#include "mapping/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "core/files.h"
#include "core/named_options.h"
#include "mapping/architecture_keys.h"
#include "mapping/cell_files.h"
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

const Preset* find_preset(const std::vector<Preset>& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Preset& preset) { return preset.name == name; });
    return found == all.end() ? nullptr : &*found;
}

/// What presets can stand for.
struct Kind {
    const char* name;
    const std::vector<Preset>& presets;
};
Kind architectures() { return {"architecture", architecture_presets()}; }
Kind devices() { return {"device", device_presets()}; }

std::string unknown_preset(const Kind& kind, const std::string& name) {
    std::vector<std::string> names;
    std::string list;
    for (const Preset& preset : kind.presets) {
        names.push_back(preset.name);
        list += (list.empty() ? "" : ", ") + preset.name;
    }
    return fmt::format("{} {} is no preset ({}) and no file; nearest preset is {}", kind.name, printable(name), list,
                       nearest_name(name, names));
}

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;  // an unreadable path is as good as none
    return std::filesystem::exists(path, ignored);
}

Source open_preset(const Preset& preset) {
    return {preset.yaml, "preset " + preset.name, "preset " + preset.name, preset.name, {}};
}

Source open_file(const Kind& kind, const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, ignored);
    return {read_file(path.string(), kind.name, kLargestFile), path.string(), canonical.string(), path.stem().string(),
            path.parent_path()};
}

/// `where` precedes the message: who named it.
Source open_source(const Kind& kind, const std::string& name, const std::filesystem::path& folder,
                   const std::string& where) {
    if (const Preset* preset = find_preset(kind.presets, name)) return open_preset(*preset);
    // An embedded zero would end the name early for the operating system.
    if (name.empty() || !is_plain_text(name) || !is_there(folder / name))
        throw ConfigError(where + unknown_preset(kind, name));
    return open_file(kind, folder / name);
}

/// Options that are applied together.
struct Layer {
    enum class Kind { file, device, settings } kind;
    std::vector<OptionText> options;
    bool on_another = false;  // a device that starts from the one before it
};

/// Sources that lead to each other, in the order in which they were opened.
struct Chain {
    std::vector<std::string> opened;

    void add(const Source& source, const OptionText* by) {
        constexpr size_t kLongest = 16;
        if (by && std::find(opened.begin(), opened.end(), source.identity) != opened.end())
            throw option_error(*by, fmt::format("{} = {} leads back to itself", by->path, printable(parse_text(*by))));
        if (by && opened.size() >= kLongest)
            throw option_error(*by, fmt::format("more than {} files, each the base of the next", kLongest));
        opened.push_back(source.identity);
    }
};

/// Takes the option of that path out of `options`.
std::optional<OptionText> take_option(std::vector<OptionText>& options, const std::string& path) {
    const auto found =
        std::find_if(options.begin(), options.end(), [&](const OptionText& option) { return option.path == path; });
    if (found == options.end()) return std::nullopt;
    const OptionText taken = *found;
    options.erase(found);
    return taken;
}

/// The layer of the device that `by` names and, before it, of those that it starts from.
void collect_device(const OptionText& by, const std::filesystem::path& folder, Chain chain,
                    std::vector<Layer>& layers) {
    const Source source = open_source(devices(), parse_text(by), folder, by.where + ": " + by.path + ": ");
    chain.add(source, &by);
    std::vector<OptionText> options = read_yaml_options(source.text, source.origin);
    for (OptionText& option : options) option.path = "cell." + option.path;
    resolve_files(options, source.folder);
    const auto device = take_option(options, "cell.device");
    if (device) collect_device(*device, source.folder, chain, layers);
    layers.push_back({Layer::Kind::device, std::move(options), device.has_value()});
}

/// The options of a source and, before them, of those that it is based on.
void collect_layers(const Source& source, const OptionText* by, Chain& chain, std::vector<Layer>& layers) {
    chain.add(source, by);
    std::vector<OptionText> options = read_yaml_options(source.text, source.origin);
    resolve_files(options, source.folder);
    if (const auto base = take_option(options, "base")) {
        const Source next = open_source(architectures(), parse_text(*base), source.folder, base->where + ": base: ");
        collect_layers(next, &*base, chain, layers);
    }
    if (const auto device = take_option(options, "cell.device")) collect_device(*device, source.folder, {}, layers);
    layers.push_back({Layer::Kind::file, std::move(options), false});
}

/// The device that the last setting names comes before all settings.
void collect_settings(const std::vector<Setting>& settings, std::vector<Layer>& layers) {
    std::vector<OptionText> options;
    for (const auto& [path, value] : settings) {
        options.push_back(setting_option(path, value));
        if (path == "base") throw option_error(options.back(), "a base can only stand in a file");
    }
    std::optional<OptionText> device;
    while (const auto next = take_option(options, "cell.device")) device = next;
    if (device) collect_device(*device, {}, {}, layers);
    layers.push_back({Layer::Kind::settings, std::move(options), false});
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

/// What devices leave open because no source gives it: `key: required`.
using OpenKeys = std::map<std::string, OptionText>;

/// A device replaces the whole cell, but the bits where it is silent about them.
void begin_device(Architecture& architecture, OptionOrigins& origins, OpenKeys& open) {
    const int bits = architecture.cell.bits;
    architecture.cell = {};
    architecture.cell.bits = bits;
    std::erase_if(origins.by_path,
                  [](const auto& entry) { return entry.first.rfind("cell.", 0) == 0 && entry.first != "cell.bits"; });
    open.clear();
}

/// Open keys wait for a later layer.
void set_open_keys_apart(Layer& layer, OpenKeys& open) {
    for (const OptionText& option : layer.options) {
        if (option.kind == OptionText::Kind::plain && option.value == "required") open[option.path] = option;
    }
    std::erase_if(layer.options, [&](const OptionText& option) { return open.contains(option.path); });
}

void refuse_open_keys(const OpenKeys& open, const OptionOrigins& origins) {
    std::string names;
    const OptionText* first = nullptr;
    for (const auto& [path, option] : open) {
        if (origins.by_path.contains(path)) continue;
        if (!first) first = &option;
        names += (names.empty() ? "" : ", ") + path;
    }
    if (!first) return;
    throw option_error(*first, fmt::format("no source gives this device's {}; set what holds for yours, as in {}",
                                           names, setting_name(first->path, "VALUE")));
}

Architecture read_source(const Source& source, const std::vector<Setting>& settings) {
    std::vector<Layer> layers;
    Chain chain;
    collect_layers(source, nullptr, chain, layers);
    collect_settings(settings, layers);

    Architecture architecture;
    OptionOrigins origins;
    OpenKeys open;
    for (size_t i = 0; i < layers.size(); ++i) {
        if (layers[i].kind == Layer::Kind::file) forget_names(architecture);
        if (layers[i].kind == Layer::Kind::device) {
            if (!layers[i].on_another) begin_device(architecture, origins, open);
            set_open_keys_apart(layers[i], open);
        }
        apply_layer(architecture_keys(), architecture, layers[i].options, static_cast<int>(i) + 1, origins);
    }
    refuse_open_keys(open, origins);
    if (architecture.name.empty()) architecture.name = source.stem;
    settle_effects(architecture_keys(), architecture, origins);
    if (const OptionViolation violation = find_architecture_violation(architecture); !violation.text.empty()) {
        throw ConfigError(violation_text(violation, origins));
    }
    load_files(architecture.cell);
    const std::string canonical = to_yaml(with_contents(architecture));
    architecture.hash = sha256_bytes(canonical.data(), canonical.size());
    return architecture;
}

}  // namespace

Architecture read_architecture(const std::string& name_or_file, const std::vector<Setting>& settings) {
    return read_source(open_source(architectures(), name_or_file, {}, ""), settings);
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
    for (const Preset& preset : architecture_presets()) {
        const Architecture architecture = read_source(open_preset(preset), {});
        all.push_back({architecture.name, architecture.description});
    }
    return all;
}

std::string architecture_text(const std::string& name) {
    const Preset* preset = find_preset(architecture_presets(), name);
    if (!preset) throw ConfigError(unknown_preset(architectures(), name));
    return preset->yaml;
}

namespace {

/// "1 to 40 uS, up to 172,800 s after programming"
std::string describe_coverage(const CellOptions& cell) {
    std::string text = fmt::format("{:.6g} to {:.6g} uS", cell.g_min * 1e6, cell.g_max * 1e6);
    const std::vector<double>& times = cell.relaxation.times;
    const double last = !times.empty() ? times.back() : cell.valid.time.empty() ? 0 : cell.valid.time.back();
    if (last > 0) text += fmt::format(", up to {:.6g} s after programming", last);
    if (!cell.valid.temperature.empty())
        text += fmt::format(", {:.6g} to {:.6g} K", cell.valid.temperature[0], cell.valid.temperature[1]);
    return text;
}

}  // namespace

std::vector<DeviceSummary> list_devices() {
    std::vector<DeviceSummary> all;
    for (const Preset& preset : device_presets()) {
        DeviceSummary device;
        device.name = preset.name;
        for (const OptionText& option : read_yaml_options(preset.yaml, "preset " + preset.name)) {
            if (option.path == "description") device.description = option.value;
            if (option.path == "family") device.family = option.value;
            if (option.path == "source") device.source = option.value;
            if (option.value == "required") device.required.push_back("cell." + option.path);
        }
        if (device.required.empty())
            device.covers = describe_coverage(parse_architecture("cell.device: " + preset.name, "list").cell);
        all.push_back(device);
    }
    return all;
}

std::string device_text(const std::string& name) {
    const Preset* preset = find_preset(device_presets(), name);
    if (!preset) throw ConfigError(unknown_preset(devices(), name));
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
