#pragma once

#include <memory>

#include "bindings/python/binding.h"
#include "core/network.h"
#include "mapping/mapping.h"

namespace bitline::python {

/// A mapping with the network that it maps, which chips need beside it.
struct PlacedNetwork {
    std::shared_ptr<const Network> network;
    Mapping mapping;
};

/// Index of a layer given by its name or its number. Throws ConfigError that names the nearest.
size_t layer_index(const Mapping& mapping, const py::object& layer);

/// Throws ConfigError unless the layer has such an array.
size_t array_index(const MappedLayer& layer, int64_t array);

}  // namespace bitline::python
