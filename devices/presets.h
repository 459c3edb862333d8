#pragma once

#include <string>
#include <vector>

namespace bitline {

/// A YAML file that ships with Bitline.
struct Preset {
    std::string name;
    std::string yaml;
};

/// The devices: each holds what may stand below `cell` in an architecture. The table is generated from
/// devices/presets/*.yaml when building.
const std::vector<Preset>& device_presets();

}  // namespace bitline
