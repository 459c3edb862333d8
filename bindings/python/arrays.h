#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/python/binding.h"
#include "core/network.h"

namespace bitline::python {

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;

/// Samples along the first axis, float32 in C order: the caller's own memory where it is so already, else a copy.
struct Samples {
    FloatArray array;
    int64_t count = 0;
    Shape shape;  // of one sample
};

/// From whatever NumPy makes an array of (buffers, __array__, lists), and from DLPack. Throws ConfigError for what are
/// no real numbers and for less than two axes.
Samples samples_of(py::handle object, const std::string& name);

/// Throws ConfigError that names the first number that is not finite.
void require_finite(const Samples& samples, const std::string& name);

/// Whole numbers >= 0 along one axis. Throws ConfigError.
std::vector<int32_t> labels_of(py::handle object, const std::string& name);

/// A NumPy array that owns the numbers, without a copy.
template <class T>
py::array_t<T> array_from(std::vector<T>&& values, const Shape& shape) {
    auto* owned = new std::vector<T>(std::move(values));
    const py::capsule owner(owned, [](void* memory) { delete static_cast<std::vector<T>*>(memory); });
    return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()), owned->data(), owner);
}

py::tuple tuple_of(const Shape& shape);

/// Seeds are those that the command line takes. Throws ConfigError.
uint64_t checked_seed(int64_t seed);

}  // namespace bitline::python
