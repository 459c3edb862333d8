#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key below `wires`, in canonical order.
OptionFields<Architecture> wire_keys();

/// The first relation between these and other keys that does not hold: what an array with resistive wires cannot be.
OptionViolation find_wire_violation(const Architecture& architecture);

}  // namespace bitline
