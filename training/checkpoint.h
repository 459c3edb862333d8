#pragma once

// The state of a training run in a file, enough to go on with the same bits. HDF5 with Bitline's checksum
// (core/hdf5_file.h):
//   /                 format, format_version, network, data, test_data (fingerprints); step, best_accuracy, ...
//   /options          one text attribute for each option that decides the run
//   /parameters/0000  name, value (float32); likewise /states and /optimizer

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/network.h"
#include "training/layer.h"

namespace bitline::training {

struct NamedNumbers {
    std::string name;
    std::vector<float> value;
    bool operator==(const NamedNumbers&) const = default;
};

struct EpochSums {  // over the steps that the unfinished epoch has taken
    double loss = 0;
    int64_t right = 0, samples = 0;
    double seconds = 0;
};

/// Where a run is.
struct Standing {
    int64_t step = 0;    // steps taken
    int64_t epochs = 0;  // finished, each with its test
    EpochSums epoch;
    double best_accuracy = -1;  // share of the test data; -1: none yet
    int64_t best_epoch = 0;     // 1 .. epochs; 0: none yet
};

using OptionTexts = std::vector<std::pair<std::string, std::string>>;  // "rate", "0.001"

struct Checkpoint {
    OptionTexts options;                   // all that decide the run
    std::string network, data, test_data;  // fingerprints
    Standing standing;
    std::vector<NamedNumbers> parameters, states, optimizer;
};

/// Whole or not at all. Throws ConfigError, RunError.
void write_checkpoint(const Checkpoint& checkpoint, const std::string& path);

/// Throws FormatError (missing, truncated, no checkpoint).
Checkpoint read_checkpoint(const std::string& path);

/// Throws ConfigError that says what differs between the checkpoint of `path` and the run that `now` describes: the
/// network, the data or an option, with both values, and what to do. Values of parameters may differ, of course.
void require_same_run(const Checkpoint& checkpoint, const std::string& path, const Checkpoint& now);

std::vector<NamedNumbers> copy_values(const std::vector<Parameter*>& parameters);
std::vector<NamedNumbers> copy_values(const std::vector<State*>& states);
/// Names and sizes must agree (require_same_run).
void restore_values(const std::vector<NamedNumbers>& from, const std::vector<Parameter*>& to);
void restore_values(const std::vector<NamedNumbers>& from, const std::vector<State*>& to);
/// Items that `from` lacks stay. Throws ConfigError where one of `from` is none of `to`, or has another size.
void restore_known(const std::vector<NamedNumbers>& from, const std::vector<Parameter*>& to, const std::string& path);
void restore_known(const std::vector<NamedNumbers>& from, const std::vector<State*>& to, const std::string& path);

/// SHA-256 of a network's structure: nodes, edges, shapes and constants, without what training changes.
std::string fingerprint(const Network& network);

}  // namespace bitline::training
