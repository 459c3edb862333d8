#pragma once

// The Python module: one file for each type. Values are those of C++, read-only; what takes long releases the
// interpreter's lock and can be interrupted (calls.h).

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

namespace bitline::python {

namespace py = pybind11;

/// Names and messages may quote bytes of files that are no UTF-8: shown as the replacement character.
py::str text_of(const std::string& text);

void bind_errors(py::module_& module);
void bind_machine(py::module_& module);
void bind_architecture(py::module_& module);
void bind_device(py::module_& module);
void bind_dataset(py::module_& module);
void bind_network(py::module_& module);
void bind_quantize(py::module_& module);
void bind_mapping(py::module_& module);
void bind_chip(py::module_& module);
void bind_simulate(py::module_& module);
void bind_layer(py::module_& module);
void bind_train(py::module_& module);
void bind_fit(py::module_& module);
void bind_method(py::module_& module);

}  // namespace bitline::python
