#include "bindings/cli/command.h"

#include <fmt/format.h>

#include <algorithm>

#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/options.h"
#include "core/version.h"

namespace bitline::cli {

namespace {

constexpr int kHelpColumn = 30;

const CommandEntry* find_command(const std::string& name) {
    const auto& entries = commands();
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.name == name; });
    return found == entries.end() ? nullptr : &*found;
}

std::string program_help() {
    std::string text =
        "Bitline simulates quantized neural networks on in-memory-computing crossbars.\n\n"
        "Usage: bitline COMMAND [OPTIONS]\n\nCommands:\n";
    for (const CommandEntry& entry : commands()) text += fmt::format("  {:<12}{}\n", entry.name, entry.summary);
    return text +
           "\nOptions:\n"
           "  -h, --help  this text; `bitline COMMAND --help` explains a command\n"
           "  --version   the version\n"
           "\nAny other NAME runs the program bitline-NAME from the PATH.\n"
           "\nExamples:\n"
           "  bitline inspect model.onnx\n"
           "  bitline map model.onnx --arch default\n"
           "  bitline simulate model.onnx --arch default --data test.h5 --trials 10 --json result.json\n"
           "\nExit codes: 0 done, 1 the run failed or was interrupted, 2 the input was wrong.\n";
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
        for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    }
    return names;
}

/// A forgotten letter is likelier than a wrong one: `--sed` is rather --seed than --set.
std::string nearest_option(const std::string& given, std::vector<std::string> names) {
    std::stable_partition(names.begin(), names.end(), [&](const std::string& name) {
        size_t found = 0;
        for (const char c : name) found += found < given.size() && c == given[found];
        return found == given.size();
    });
    return nearest_name(given, names);
}

void refuse_leftovers(const Command& command, const std::string& name) {
    const std::vector<std::string> leftovers = command.app->remaining();
    for (const std::string& text : leftovers) {
        if (text.size() < 2 || text[0] != '-') continue;
        const std::string option = text.substr(0, text.find('='));
        throw ConfigError(fmt::format("bitline {} has no option {}; did you mean {}?", name, printable(option),
                                      nearest_option(option, option_names(*command.app))));
    }
    if (!leftovers.empty()) {
        throw ConfigError(
            fmt::format("unexpected argument '{}'; see bitline {} --help", printable(leftovers[0]), name));
    }
}

void require_given(const Command& command, const std::string& name) {
    for (const CLI::Option* option : command.required) {
        if (option->count() > 0) continue;
        throw ConfigError(fmt::format("bitline {} needs {}; see bitline {} --help", name, option->get_name(), name));
    }
}

void run_command(const CommandEntry& entry, std::vector<std::string> arguments) {
    Command command = entry.make(entry);
    bool help = false;
    command.app->add_flag("-h,--help", help, "this text");
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    try {
        command.app->parse(arguments);
    } catch (const CLI::ParseError& error) {
        throw ConfigError(fmt::format("{}; see bitline {} --help", error.what(), entry.name));
    }
    if (help) {
        for (CLI::Option* option : command.required) option->required();  // shown as such
        print(command.app->help());
        return;
    }
    refuse_leftovers(command, entry.name);
    require_given(command, entry.name);
    command.run();
}

[[noreturn]] void refuse_option(const std::string& option) {
    throw ConfigError(fmt::format("bitline has no option {}; did you mean {}?", printable(option),
                                  nearest_name(option, {"--help", "--version"})));
}

[[noreturn]] void refuse_command(const std::string& name) {
    std::vector<std::string> names;
    for (const CommandEntry& entry : commands()) names.push_back(entry.name);
    throw ConfigError(fmt::format("'{}' is no command, and no bitline-{} is on the PATH; did you mean {}?",
                                  printable(name), printable(name), nearest_name(name, names)));
}

}  // namespace

const std::vector<CommandEntry>& commands() {
    static const std::vector<CommandEntry> entries{
        {"inspect", "layers, shapes, parameters, bit widths of a network", make_inspect},
        {"quantize", "a float network to integers, as ONNX or HDF5", make_quantize},
        {"map", "where a network lies on a chip: arrays, utilisation, converters, cycles", make_map},
        {"simulate", "accuracy of a network on a chip of imperfect cells", make_simulate},
        {"device", "what cells are at every state, over time", make_device},
        {"wires", "what resistive word and bit lines make of an array's cells", make_wires},
        {"fit", "switching laws to measured pulses: parameters with errors and residuals", make_fit},
        {"train", "a network, in float or with quantized weights and inputs", make_train},
        {"list", "architectures, their keys, kernels, operators, preprocessing", make_list},
    };
    return entries;
}

Command new_command(const CommandEntry& entry, const std::string& examples) {
    Command command;
    command.app = std::make_unique<CLI::App>("bitline " + entry.name + ": " + entry.summary, "bitline " + entry.name);
    command.app->set_help_flag();  // ours is added when parsing
    command.app->allow_extras();   // refused by us, with the nearest name
    command.app->footer(examples);
    command.app->get_formatter()->column_width(kHelpColumn);
    return command;
}

CLI::Option* add_text(Command& command, const std::string& name, std::optional<std::string>& value,
                      const std::string& placeholder, const std::string& description) {
    return command.app->add_option(name, value, description)->type_name(placeholder)->allow_extra_args(false);
}

CLI::Option* add_texts(Command& command, const std::string& name, std::vector<std::string>& values,
                       const std::string& placeholder, const std::string& description) {
    return command.app->add_option(name, values, description)
        ->type_name(placeholder)
        ->expected(1)
        ->take_all()
        ->allow_extra_args(false);
}

void run_program(const std::vector<std::string>& arguments) {
    if (arguments.empty()) throw ConfigError("a command is missing; see bitline --help");
    std::string name = arguments[0];
    std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    if (name == "help" && !rest.empty()) {
        name = rest[0];
        rest = {"--help"};
    }
    if (const CommandEntry* entry = find_command(name)) {
        run_command(*entry, rest);
    } else if (name == "-h" || name == "--help" || name == "help") {
        print(program_help());
    } else if (name == "--version") {
        print(fmt::format("bitline {}\n", kVersion));
    } else if (name.rfind("-", 0) == 0) {
        refuse_option(name);
    } else {
        run_external(name, rest);
        refuse_command(name);
    }
}

}  // namespace bitline::cli
