#pragma once

// Networks to train from scratch: by name, or from a YAML file (training/README.md describes it).

#include <optional>
#include <string>
#include <vector>

#include "core/network.h"
#include "training/model.h"

namespace bitline::training {

struct NetworkOptions {
    /// Factor of the channels of every layer but the last; each is rounded to the nearest whole number, at least 1.
    double width = 1;          // 0 < width <= 16
    std::optional<bool> bias;  // of convolutions and fully connected layers; none: where no batch norm follows
    bool affine = true;        // batch norm learns gamma and beta
    bool batch_norm = true;    // false: networks go without
    Activation activation{};   // where a network leaves it open; {clip, -1, 1} is hard tanh
    float dropout = 0;         // share of the numbers that the last layer reads, 0 <= dropout < 1
};

struct NetworkEntry {
    std::string name, summary;  // one line for `bitline list networks`
};
const std::vector<NetworkEntry>& list_networks();

/// A network by name with initial weights, which are a pure function of (seed, number of the layer with weights,
/// index). `input` is {channels, height, width}. Throws ConfigError for an unknown name (with the nearest), an option
/// outside of its range, an input that a layer cannot take.
TrainingNetwork build_network(const std::string& name, const Shape& input, int64_t classes,
                              const NetworkOptions& options, uint64_t seed);

/// The same from a YAML file. Throws ConfigError and FormatError with file and line.
TrainingNetwork read_network(const std::string& path, const Shape& input, int64_t classes,
                             const NetworkOptions& options, uint64_t seed);

/// The same from YAML text; `origin` stands for the file in messages.
TrainingNetwork parse_network(const std::string& yaml, const std::string& origin, const Shape& input, int64_t classes,
                              const NetworkOptions& options, uint64_t seed);

/// Fresh numbers for a float network: weights normal with variance 2 / n for n weights per output (He et al.,
/// "Delving deep into rectifiers", ICCV 2015, equation 10), 1 / n in the last layer, which nothing rectifies; biases 0;
/// batch norm gamma 1, beta 0, mean 0, variance 1.
void initialize_weights(Network& network, uint64_t seed);

}  // namespace bitline::training
