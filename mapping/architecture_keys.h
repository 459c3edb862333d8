#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key of an architecture file but `base`, in canonical order. One line each: adding a key is adding a line.
const OptionFields<Architecture>& architecture_keys();

/// The first relation between keys that does not hold.
OptionViolation find_architecture_violation(const Architecture& architecture);

}  // namespace bitline
