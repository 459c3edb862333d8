#pragma once

// What a network is made of, in numbers: what `bitline inspect` prints.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/network.h"

namespace bitline {

/// Stored numbers and the bits that they take.
struct ParameterCount {
    int64_t count = 0;
    int64_t bits = 0;
    void add(int64_t numbers, int64_t bits_each) {
        count += numbers;
        bits += numbers * bits_each;
    }
};

struct NodeSummary {
    std::string name;
    std::string kind;     // as describe_kind
    std::string origin;   // the source file's operators
    Shape input, output;  // of the first input; per sample
    ParameterCount parameters;
    int64_t macs = 0;                            // per sample
    std::optional<int> weight_bits;              // of integer weights
    std::optional<int> input_bits, output_bits;  // none: real numbers
    bool mapped = false;                         // goes onto crossbars
    std::string why_digital;                     // for a layer with weights that stays digital; else empty
};

struct NetworkSummary {
    std::vector<NodeSummary> nodes;  // as Network::nodes
    ParameterCount parameters;
    int64_t macs = 0, mapped_macs = 0;  // per sample
    int mapped_layers = 0;
    int digital_layers = 0;  // layers with weights that stay digital

    /// Sum of bits_i over all parameters i, divided by their number (0 for a network without any).
    double average_bits() const {
        return parameters.count == 0 ? 0.0
                                     : static_cast<double>(parameters.bits) / static_cast<double>(parameters.count);
    }
};

/// Counted are weights at their own width, biases of integer layers, batch-norm constants, thresholds and real numbers
/// at 32 bits each. Scales and zero points are not counted.
NetworkSummary summarize(const Network& network);

}  // namespace bitline
