#include "bindings/python/arrays.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace bitline::python {

namespace {

/// NumPy's own view of the object.
py::array numpy_array(py::handle object, const std::string& name) {
    const py::module_ numpy = py::module_::import("numpy");
    const bool only_dlpack = py::hasattr(object, "__dlpack__") && !py::hasattr(object, "__array__");
    try {
        return numpy.attr(only_dlpack ? "from_dlpack" : "asarray")(object);
    } catch (py::error_already_set& error) {
        if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError) && !error.matches(PyExc_RuntimeError) &&
            !error.matches(PyExc_BufferError))
            throw;
        throw ConfigError(
            fmt::format("{}: no array of numbers ({})", name, py::str(error.value()).cast<std::string>()));
    }
}

std::string type_name(const py::array& array) { return py::str(array.dtype()).cast<std::string>(); }

void require_kind(const py::array& array, const std::string& kinds, const std::string& name,
                  const std::string& wanted) {
    if (kinds.find(array.dtype().kind()) == std::string::npos)
        throw ConfigError(fmt::format("{}: numbers of type {} violate {}", name, type_name(array), wanted));
}

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

}  // namespace

Samples samples_of(py::handle object, const std::string& name) {
    const py::array array = numpy_array(object, name);
    require_kind(array, "fiub", name, "real numbers");
    const Shape shape = shape_of(array);
    if (shape.size() < 2)
        throw ConfigError(fmt::format("{}: shape ({}) violates (samples, ...); a single sample is x[None]", name,
                                      fmt::join(shape, ", ")));
    Samples samples;
    samples.array = FloatArray::ensure(array);
    if (!samples.array) throw py::error_already_set();
    samples.count = shape[0];
    samples.shape.assign(shape.begin() + 1, shape.end());
    return samples;
}

void require_finite(const Samples& samples, const std::string& name) {
    const float* const begin = samples.array.data();
    const float* const end = begin + samples.array.size();
    const float* const bad = std::find_if(begin, end, [](float x) { return !std::isfinite(x); });
    if (bad == end) return;
    const int64_t elements = element_count(samples.shape);
    throw ConfigError(fmt::format("{}: sample {} holds {} at element {}; only finite float32 numbers can be used", name,
                                  (bad - begin) / elements, *bad, (bad - begin) % elements));
}

std::vector<int32_t> labels_of(py::handle object, const std::string& name) {
    const py::array array = numpy_array(object, name);
    require_kind(array, "iu", name, "whole numbers");
    if (array.ndim() != 1)
        throw ConfigError(fmt::format("{}: shape ({}) violates (samples,)", name, fmt::join(shape_of(array), ", ")));
    const auto wide = py::array_t<int64_t, py::array::c_style | py::array::forcecast>::ensure(array);
    std::vector<int32_t> labels;
    for (const int64_t label : std::vector<int64_t>(wide.data(), wide.data() + wide.size())) {
        if (label < 0 || label > INT32_MAX)
            throw ConfigError(
                fmt::format("{}: label {} of sample {} violates 0 <= label < 2^31", name, label, labels.size()));
        labels.push_back(static_cast<int32_t>(label));
    }
    return labels;
}

py::tuple tuple_of(const Shape& shape) { return py::tuple(py::cast(shape)); }

uint64_t checked_seed(int64_t seed) {
    constexpr int64_t kLargest = (int64_t(1) << 53) - 1;
    if (seed < 0 || seed > kLargest)
        throw ConfigError(fmt::format("seed = {} violates 0 <= seed <= {}", seed, kLargest));
    return static_cast<uint64_t>(seed);
}

}  // namespace bitline::python
