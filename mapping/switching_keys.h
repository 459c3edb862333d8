#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// cell.switching.* and cell.write_verify.*: how cells answer pulses, and programming in a closed loop.
OptionFields<Architecture> switching_keys();
OptionFields<Architecture> write_verify_keys();

/// The first relation between them that does not hold.
OptionViolation find_switching_key_violation(const CellOptions& cell);

}  // namespace bitline
