#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key below `compensation`, in canonical order.
OptionFields<Architecture> compensation_keys();

/// The first relation between these and other keys that does not hold.
OptionViolation find_compensation_violation(const Architecture& architecture);

}  // namespace bitline
