#pragma once

// Layers for the operators that do not go on crossbars.

#include <memory>
#include <string>

#include "core/network.h"
#include "training/layer.h"

namespace bitline::training {

/// The node's name; where it has none, or an earlier node has the same, its number within the network is appended.
std::string layer_name(const Network& network, int node);

/// The layer of a node, with the numbers of its operator; `number`: its number within the model, for random streams.
/// `affine`: whether batch norm learns gamma and beta. Throws ConfigError that names the node for an operator without a
/// layer here: MatVec (a product), quantizers, powers, and whatever reads or writes codes.
std::unique_ptr<Layer> make_layer(const Network& network, int node, int number, bool affine = true);

/// Sets the share of its input's numbers to 0 while training and scales the others by 1 / (1 - share). Stands for no
/// node: `trained` is the identity (Reshape). Throws ConfigError unless 0 <= share < 1.
std::unique_ptr<Layer> make_dropout(const std::string& name, int number, float share);

}  // namespace bitline::training
