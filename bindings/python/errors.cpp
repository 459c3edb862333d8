#include "bindings/python/binding.h"
#include "core/error.h"

namespace bitline::python {

namespace {

struct ErrorTypes {
    py::object input, config, format, run;
};
ErrorTypes* types = nullptr;  // lives as long as the interpreter

py::object new_error(py::module_& module, const char* name, py::handle base, const char* text) {
    const std::string path = std::string("bitline._bitline.") + name;
    py::object type =
        py::reinterpret_steal<py::object>(PyErr_NewExceptionWithDoc(path.c_str(), text, base.ptr(), nullptr));
    if (!type) throw py::error_already_set();
    module.attr(name) = type;
    return type;
}

void raise(const py::object& type, const std::exception& error) {
    PyErr_SetObject(type.ptr(), text_of(error.what()).ptr());
}

void translate(std::exception_ptr caught) {
    try {
        if (caught) std::rethrow_exception(std::move(caught));
    } catch (const ConfigError& error) {
        raise(types->config, error);
    } catch (const FormatError& error) {
        raise(types->format, error);
    } catch (const InputError& error) {
        raise(types->input, error);
    } catch (const RunError& error) {
        raise(types->run, error);
    } catch (const Interrupted&) {
        PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
}

}  // namespace

py::str text_of(const std::string& text) {
    PyObject* const decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
    if (!decoded) throw py::error_already_set();
    return py::reinterpret_steal<py::str>(decoded);
}

void bind_errors(py::module_& module) {
    types = new ErrorTypes;
    types->input =
        new_error(module, "InputError", PyExc_ValueError, "What was given is wrong; the message says where.");
    types->config =
        new_error(module, "ConfigError", types->input, "An option, a key or an argument violates its stated relation.");
    types->format = new_error(module, "FormatError", types->input,
                              "A file is missing, truncated, corrupted, or holds something that cannot be read.");
    types->run = new_error(module, "RunError", PyExc_RuntimeError, "The run failed after its input was accepted.");
    py::register_exception_translator(&translate);
}

}  // namespace bitline::python
