#pragma once

// The integer network of a model, and which of its nodes stand for which layer: the one form that is written to a file,
// mapped, programmed and simulated.

#include <vector>

#include "core/network.h"

namespace bitline::training {

struct ExportedProduct {
    std::vector<int> codes;     // (input planes) nodes that make the codes; none for float layers
    std::vector<int> products;  // (weight planes x input planes) nodes
    std::vector<int> sums;      // nodes that add up the products after the first, in their order
};

struct Exported {
    Network network;
    std::vector<ExportedProduct> products;  // of the model's layers with weights, in their order
};

}  // namespace bitline::training
