#pragma once

#include <string>
#include <vector>

#include "bindings/python/binding.h"
#include "mapping/architecture.h"

namespace bitline::python {

/// Keyword arguments as settings of keys: adc={"bits": 6} and **{"adc.bits": 6} are the key adc.bits. Values are text,
/// numbers, booleans and lists of numbers. `device=` stands for cell.device and comes first. Throws ConfigError.
std::vector<Setting> settings_of(const py::kwargs& changes);

}  // namespace bitline::python
