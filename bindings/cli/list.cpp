#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/terminal.h"
#include "core/data.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/model_io.h"
#include "core/options.h"
#include "mapping/architecture.h"
#include "training/method.h"
#include "training/zoo.h"

namespace bitline::cli {

namespace {

struct Arguments {
    std::optional<std::string> topic, name;
};

/// Every architecture, or the YAML of one.
std::string architectures(const std::string& name) {
    if (!name.empty()) return architecture_text(name);
    std::string text;
    for (const ArchitectureSummary& one : list_architectures()) {
        text += styled(fmt::format("{}\n", one.name), Style::bold) + wrap(one.description, kTableWidth, 4);
    }
    return text + "\n`bitline list architectures NAME` prints one as YAML, to copy and edit.\n";
}

/// Every device, or the YAML of one.
std::string devices(const std::string& name) {
    if (!name.empty()) return device_text(name);
    std::string text;
    for (const DeviceSummary& one : list_devices()) {
        text += styled(fmt::format("{}", one.name), Style::bold) + fmt::format("  ({})\n", one.family);
        text += wrap(one.description, kTableWidth, 4) + wrap("source: " + one.source, kTableWidth, 4);
        if (!one.covers.empty()) text += wrap("covers " + one.covers, kTableWidth, 4);
        if (!one.required.empty())
            text += wrap(fmt::format("to be set: {}", fmt::join(one.required, ", ")), kTableWidth, 4);
    }
    return text +
           "\n`bitline list devices NAME` prints one as YAML, to copy and edit; `--device NAME` puts it into an "
           "architecture.\n";
}

/// Every key, or those below `section`.
std::string keys(const std::string& section) {
    std::string text;
    std::vector<std::string> paths;
    for (const KeyDescription& key : describe_keys()) {
        paths.push_back(key.path);
        if (!section.empty() && key.path != section && key.path.rfind(section + ".", 0) != 0) continue;
        text += styled(key.path, Style::bold) + fmt::format(" = {}\n", key.default_value);
        const std::string range = key.range.empty() ? "" : "; " + key.range;
        text += wrap(fmt::format("{}{}: {}", key.type, range, key.meaning), kTableWidth, 4);
    }
    if (text.empty()) {
        throw ConfigError(fmt::format("'{}' is neither a key nor a section; nearest is {}", printable(section),
                                      nearest_name(section, paths)));
    }
    return text;
}

std::string kernel_list() {
    const kernels::Kernel& active = kernels::active();
    Table table;
    table.columns = {{"kernel", Align::left}, {"needs", Align::left}, {"available", Align::left}, {"", Align::left}};
    for (const kernels::Kernel* kernel : kernels::all()) {
        table.rows.push_back(
            {kernel->name, kernel->needs, kernel->available() ? "yes" : "no", kernel == &active ? "in use" : ""});
    }
    return render(table) + "\nBITLINE_KERNEL=NAME in the environment forces one. Every kernel gives the same bits.\n";
}

std::string operator_list() {
    std::string names;
    for (const std::string& name : onnx_operators()) names += (names.empty() ? "" : ", ") + name;
    return wrap(names, kTableWidth, 0) +
           "\nONNX opsets 7 to 21, and QONNX's quantizers. Constants are folded while reading.\n";
}

std::string preprocess_list() {
    Table table;
    table.columns = {{"name", Align::left}, {"scale"}, {"mean", Align::left}, {"std", Align::left}};
    for (const std::string name : {"raw", "unit", "imagenet"}) {
        const Preprocess p = parse_preprocess(name);
        table.rows.push_back({name, fmt::format("{:.6g}", p.scale), fmt::format("{}", fmt::join(p.mean, "/")),
                              fmt::format("{}", fmt::join(p.std, "/"))});
    }
    return render(table) +
           "\nThe network gets (x * scale - mean) / std.\n"
           "Any other: --preprocess scale=1/255,mean=.5/.5/.5,std=.2/.2/.2, in any subset. A model may carry its "
           "own\n"
           "in ONNX metadata `bitline.preprocess`, which is then the default.\n";
}

std::string method_list() {
    std::string text;
    const auto bits = [](int low, int high, int usual) {
        if (low == high) return fmt::format("{} bit{}", low, low == 1 ? "" : "s");
        return fmt::format("{} to {} bits ({})", low, high, usual);
    };
    for (const training::MethodEntry& one : training::methods()) {
        text +=
            styled(one.name, Style::bold) +
            fmt::format("  weights {}, inputs {}{}\n", bits(one.weight_bits_low, one.weight_bits_high, one.weight_bits),
                        bits(one.input_bits_low, one.input_bits_high, one.input_bits),
                        one.quantizes_gradients ? ", gradients" : "");
        text += wrap(one.summary, kTableWidth, 4) + wrap(one.paper, kTableWidth, 4);
    }
    return text + "\nIn brackets: the default. `bitline train --method NAME` trains with one.\n";
}

std::string network_list() {
    std::string text;
    for (const training::NetworkEntry& one : training::list_networks()) {
        text += styled(one.name, Style::bold) + "\n" + wrap(one.summary, kTableWidth, 4);
    }
    return text + "\n`bitline train NAME --width F` scales the channels; a YAML file of layers is a network, too.\n";
}

struct Topic {
    std::string name, summary;
    bool takes_name;
    std::string (*text)(const std::string& name);
};

const std::vector<Topic>& topics() {
    static const std::vector<Topic> all{
        {"architectures", "presets for --arch; with a NAME its YAML", true, architectures},
        {"devices", "presets for --device; with a NAME its YAML", true, devices},
        {"keys", "of an architecture, with type, range and default; with a SECTION those below it", true, keys},
        {"kernels", "of the inner loops: available, in use", false, [](const std::string&) { return kernel_list(); }},
        {"methods", "of quantization-aware training, for --method", false,
         [](const std::string&) { return method_list(); }},
        {"networks", "that bitline train knows by name", false, [](const std::string&) { return network_list(); }},
        {"operators", "of ONNX that are read", false, [](const std::string&) { return operator_list(); }},
        {"preprocess", "names for --preprocess", false, [](const std::string&) { return preprocess_list(); }},
    };
    return all;
}

std::string topic_list() {
    std::string text;
    for (const Topic& topic : topics()) text += fmt::format("bitline list {:<14}  {}\n", topic.name, topic.summary);
    return text;
}

void list(const Arguments& arguments) {
    if (!arguments.topic) {
        print(topic_list());
        return;
    }
    std::vector<std::string> names;
    for (const Topic& topic : topics()) {
        names.push_back(topic.name);
        if (topic.name != *arguments.topic) continue;
        if (arguments.name && !topic.takes_name) {
            throw ConfigError(fmt::format("bitline list {} takes no further argument", topic.name));
        }
        print(topic.text(arguments.name.value_or("")));
        return;
    }
    throw ConfigError(fmt::format("bitline list: no topic '{}'; nearest is {}", printable(*arguments.topic),
                                  nearest_name(*arguments.topic, names)));
}

}  // namespace

Command make_list(const CommandEntry& entry) {
    Command command = new_command(entry,
                                  "Examples:\n"
                                  "  bitline list architectures\n"
                                  "  bitline list architectures default > chip.yaml\n"
                                  "  bitline list devices pcm-nandakumar2019 > cell.yaml\n"
                                  "  bitline list keys adc\n");
    auto arguments = std::make_shared<Arguments>();
    add_text(command, "TOPIC", arguments->topic, "",
             "architectures, devices, keys, kernels, methods, networks,\noperators or preprocess");
    add_text(command, "NAME", arguments->name, "", "one architecture or device, or a section of the keys");
    command.run = [arguments] { list(*arguments); };
    return command;
}

}  // namespace bitline::cli
