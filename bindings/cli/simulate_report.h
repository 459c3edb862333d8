#pragma once

// The result of a simulation for people and for machines.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/cli/inputs.h"
#include "core/data.h"
#include "mapping/mapping.h"
#include "mapping/simulate.h"

namespace bitline::cli {

/// Everything that a run was made of: with it the figures can be produced again.
struct SimulationRun {
    Model model;
    std::optional<Model> real;  // the float network
    std::string architecture_source;
    std::vector<std::string> settings;
    Mapping mapping;
    std::shared_ptr<const Dataset> data;
    std::shared_ptr<const Dataset> calibration;  // null: the first samples of `data`
    ChosenPreprocess preprocess;
    std::optional<int64_t> limit;
    SimulateOptions options;
};

std::string simulation_title(const SimulationRun& run);  // "network on architecture"

/// Why ages have no figures, in lines of `width` columns; empty where all have.
std::string outside_text(const SimulationResult& result, int width);

std::string simulation_text(const SimulationRun& run, const SimulationResult& result);

Json simulation_json(const SimulationRun& run, const SimulationResult& result);

}  // namespace bitline::cli
