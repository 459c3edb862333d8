#pragma once

#include "devices/presets.h"

namespace bitline {

/// The architectures. The table is generated from mapping/architectures/*.yaml when building.
const std::vector<Preset>& architecture_presets();

}  // namespace bitline
