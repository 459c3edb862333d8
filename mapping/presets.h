#pragma once

#include <string>
#include <vector>

namespace bitline {

/// An architecture that ships with Bitline. The table is generated from mapping/architectures/*.yaml when building.
struct Preset {
    std::string name;
    std::string yaml;
};
const std::vector<Preset>& presets();

}  // namespace bitline
