#pragma once

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Every key below `adc`, in canonical order.
OptionFields<Architecture> converter_keys();

/// The first relation between keys of the converters that does not hold.
OptionViolation find_converter_violation(const AdcOptions& adc);

}  // namespace bitline
