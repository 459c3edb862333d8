#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key of an architecture file but `base`, in canonical order. One line each: adding a key is adding a line.
const OptionFields<Architecture>& architecture_keys();

/// Those of the row drivers, and the relations between them.
OptionFields<Architecture> dac_keys();
OptionViolation find_dac_violation(const InputOptions& input);

/// Those of what columns make of their sums, and the relations between them.
OptionFields<Architecture> transfer_keys();
OptionViolation find_transfer_violation(const ColumnTransferOptions& transfer);

/// The first relation between keys that does not hold.
OptionViolation find_architecture_violation(const Architecture& architecture);

}  // namespace bitline
