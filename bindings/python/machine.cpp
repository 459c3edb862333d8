#include "bindings/python/binding.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "core/version.h"

namespace bitline::python {

void bind_machine(py::module_& module) {
    module.attr("__version__") = kVersion;
    module.def("set_threads", &set_threads, py::arg("threads"),
               R"(Number of threads that all work shares; 0: every processor. Never changes a result.

>>> bl.set_threads(2)
>>> bl.threads()
2
)");
    module.def("threads", &threads, "Number of threads that all work shares.");
    module.def(
        "kernel", [] { return std::string(kernels::active().name); },
        R"(Name of the kernel in use: the best that the processor has, or the one that BITLINE_KERNEL names.)");
}

}  // namespace bitline::python
