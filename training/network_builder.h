#pragma once

// Float networks layer by layer, as the networks by name and those from YAML are put together.

#include <string>
#include <vector>

#include "training/zoo.h"

namespace bitline::training {

class NetworkBuilder {
 public:
    /// Throws ConfigError for options outside of their range.
    NetworkBuilder(const std::string& name, const Shape& input, const NetworkOptions& options);

    int input() const { return 0; }  // index of the network's input value
    const Shape& shape(int value) const { return made_.network.values[static_cast<size_t>(value)].shape; }

    /// `channels` times the width factor, as NetworkOptions::width says.
    int64_t scaled(int64_t channels) const;

    /// Each adds a node that reads value `from` and returns the index of its value, which has the node's name. Weights
    /// are zero until `finish`. Throws FormatError with the violated relation for a shape that the layer cannot take.
    int convolution(const std::string& name, int from, int64_t channels, const Window& window, int64_t groups,
                    bool bias);
    int fully_connected(const std::string& name, int from, int64_t channels, bool bias);
    int batch_norm(const std::string& name, int from);  // `from` itself where options leave batch norm out
    int activation(const std::string& name, int from) { return add(name, options_.activation, {from}); }
    int global_average(const std::string& name, int from);
    int flatten(const std::string& name, int from);  // `from` itself where it is flat
    int add(const std::string& name, Operator op, const std::vector<int>& from, const Shape& wanted = {});
    void dropout(int value, float share) { made_.dropout[value] = share; }

    /// Whether a layer has a bias that does not say so itself.
    bool bias(bool batch_norm_follows) const;

    /// The network with its initial weights. Throws ConfigError where it holds no layer with weights, or gives
    /// something else than one number per class.
    TrainingNetwork finish(int output, int64_t classes, uint64_t seed);

 private:
    TrainingNetwork made_;
    NetworkOptions options_;
};

}  // namespace bitline::training
