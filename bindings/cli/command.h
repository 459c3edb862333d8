#pragma once

// What every command of the program has: options, a help text with examples, and a function that does the work.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/named_options.h"

namespace bitline::cli {

struct Command {
    std::unique_ptr<CLI::App> app;
    std::vector<CLI::Option*> required;  // checked after unknown options were refused, so that the message fits
    std::function<void()> run;
};

struct CommandEntry {
    std::string name, summary;
    Command (*make)(const CommandEntry&);
};

const std::vector<CommandEntry>& commands();

Command make_inspect(const CommandEntry& entry);
Command make_quantize(const CommandEntry& entry);
Command make_map(const CommandEntry& entry);
Command make_simulate(const CommandEntry& entry);
Command make_device(const CommandEntry& entry);
Command make_wires(const CommandEntry& entry);
Command make_fit(const CommandEntry& entry);
Command make_train(const CommandEntry& entry);
Command make_list(const CommandEntry& entry);

/// A command without options yet; `examples` end its help text.
Command new_command(const CommandEntry& entry, const std::string& examples);

/// An option with exactly one value, given at most once. Every value is taken as text and parsed by us: CLI11 2.1 turns
/// `--seed -1` into 2^64 - 1.
CLI::Option* add_text(Command& command, const std::string& name, std::optional<std::string>& value,
                      const std::string& placeholder, const std::string& description);

/// An option with one value each time it is given.
CLI::Option* add_texts(Command& command, const std::string& name, std::vector<std::string>& values,
                       const std::string& placeholder, const std::string& description);

/// Runs what the arguments (without the program's name) ask for. Errors are thrown.
void run_program(const std::vector<std::string>& arguments);

/// Replaces this process by `bitline-NAME` from the PATH; returns where there is none.
void run_external(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace bitline::cli
