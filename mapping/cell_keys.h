#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key below `cell`, in canonical order: what a device file holds.
OptionFields<Architecture> cell_keys();

/// Those of its current over voltage, and the relations between them.
OptionFields<Architecture> current_keys();
OptionViolation find_current_violation(const CellOptions& cell);

/// The first relation between keys of the cell that does not hold.
OptionViolation find_cell_violation(const CellOptions& cell);

}  // namespace bitline
