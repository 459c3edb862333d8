#pragma once

// The options of `bitline train` and their help.

#include <optional>
#include <string>

#include "bindings/cli/command.h"
#include "training/run_options.h"

namespace bitline::cli {

struct TrainArguments : training::RunTexts {
    std::optional<std::string> model, data, test, limit, test_limit;
    std::optional<std::string> threads, output, onnx, checkpoint, every, resume, initial, json;
    bool quiet = false;
};

void add_arguments(Command& command, TrainArguments& arguments);

}  // namespace bitline::cli
