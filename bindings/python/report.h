#pragma once

#include "bindings/python/binding.h"
#include "devices/cell_law.h"

namespace bitline::python {

/// Counts by name, as the command line's JSON has them.
py::dict report_dict(const ProgrammingReport& report);

/// What chips and simulations tell of converters.
void bind_report(py::module_& module);

}  // namespace bitline::python
