#include "bindings/python/dataset.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"

namespace bitline::python {

namespace {

/// Samples in memory.
class ArrayDataset final : public Dataset {
 public:
    ArrayDataset(Samples samples, std::vector<int32_t> labels, const std::string& name)
        : samples_(std::move(samples)),
          numbers_(samples_.array.data()),
          labels_(std::move(labels)),
          spec_(fmt::format("{} ({} arrays of {})", name, samples_.count, to_string(samples_.shape))) {}

    int64_t size() const override { return samples_.count; }
    const Shape& shape() const override { return samples_.shape; }
    void read(int64_t first, int64_t count, float* out) const override {
        const int64_t elements = element_count(samples_.shape);
        std::copy_n(numbers_ + first * elements, count * elements, out);
    }
    const std::vector<int32_t>& labels() const override { return labels_; }
    const std::vector<std::string>& files() const override { return files_; }
    const std::string& spec() const override { return spec_; }

 private:
    Samples samples_;
    const float* numbers_;
    std::vector<int32_t> labels_;
    std::vector<std::string> files_;
    std::string spec_;
};

/// Whoever lets go of the data last may not hold the interpreter's lock, and the array needs it.
struct WithLock {
    void operator()(const Dataset* data) const {
        const py::gil_scoped_acquire locked;
        delete data;
    }
};

std::shared_ptr<Dataset> dataset_from_arrays(py::handle x, py::handle y, const std::string& name) {
    Samples samples = samples_of(x, name);
    require_finite(samples, name);
    if (samples.count == 0) throw ConfigError(fmt::format("{}: no samples", name));
    std::vector<int32_t> labels;
    if (!y.is_none()) {
        labels = labels_of(y, name + " y");
        if (static_cast<int64_t>(labels.size()) != samples.count)
            throw ConfigError(fmt::format("{}: {} labels for {} samples", name, labels.size(), samples.count));
    }
    return {new ArrayDataset(std::move(samples), std::move(labels), name), WithLock()};
}

py::array_t<float> read_samples(const Dataset& data, int64_t first, int64_t count) {
    if (first < 0 || count < 0 || first > data.size() || count > data.size() - first)
        throw ConfigError(fmt::format("{}: samples {} .. {} violate 0 <= sample < {}", data.spec(), first,
                                      first + count - 1, data.size()));
    Shape shape = data.shape();
    std::vector<float> values(static_cast<size_t>(count * element_count(shape)));
    {
        const py::gil_scoped_release unlocked;
        data.read(first, count, values.data());
    }
    shape.insert(shape.begin(), count);
    return array_from(std::move(values), shape);
}

/// One block of samples; the caller's own memory where nothing is to be preprocessed.
std::vector<float> run_block(const Network& network, ProductEngine& engine, std::span<const float> x,
                             const Preprocess& preprocess, int64_t count, int64_t first_sample,
                             std::vector<Block>* keep = nullptr) {
    if (preprocess == Preprocess{}) return run(network, engine, x, count, first_sample, keep);
    std::vector<float> input(x.begin(), x.end());
    apply(preprocess, network.values[static_cast<size_t>(network.input)].shape, count, input.data());
    return run(network, engine, input, count, first_sample, keep);
}

/// The rules of require_fit, for samples without labels.
void require_shape(const Network& network, const Samples& samples) {
    const Shape& wanted = network.values[static_cast<size_t>(network.input)].shape;
    if (samples.shape == wanted) return;
    if (Shape whole = samples.shape; whole.insert(whole.begin(), samples.count), whole == wanted)
        throw ConfigError(
            fmt::format("x: one sample of shape {} where several were expected; write x[None]", to_string(wanted)));
    require_fit(ArrayDataset(samples, {}, "x"), network);
}

constexpr int64_t kMostSamples = int64_t(1) << 32;  // noise is numbered in 32 bits

void require_numbers(int64_t first_sample, int64_t count) {
    if (first_sample < 0 || first_sample > kMostSamples - count)
        throw ConfigError(
            fmt::format("first_sample = {} violates 0 <= first_sample <= 2^32 - {} samples", first_sample, count));
}

}  // namespace

std::shared_ptr<const Dataset> dataset_of(py::handle data, const std::string& name) {
    if (py::isinstance<Dataset>(data)) return data.cast<std::shared_ptr<Dataset>>();
    if (py::isinstance<py::str>(data)) {
        const auto spec = data.cast<std::string>();
        const py::gil_scoped_release unlocked;
        return open_dataset(spec);
    }
    if (py::isinstance<py::tuple>(data)) {
        const auto pair = py::reinterpret_borrow<py::tuple>(data);
        if (pair.size() != 2) throw ConfigError(fmt::format("{}: a tuple of {} violates (x, y)", name, pair.size()));
        return dataset_from_arrays(pair[0], pair[1], name);
    }
    return dataset_from_arrays(data, py::none(), name);
}

Preprocess choose_preprocess(const std::optional<std::string>& given, const Network& network) {
    return given ? parse_preprocess(*given) : network.preprocess.value_or(Preprocess{});
}

void check_samples(const Network& network, const Samples& samples, int64_t first_sample) {
    require_numbers(first_sample, samples.count);
    require_shape(network, samples);
    require_finite(samples, "x");
}

std::vector<float> run_samples(const Network& network, ProductEngine& engine, const Samples& samples,
                               const Preprocess& preprocess, int64_t first_sample) {
    const int64_t elements = element_count(samples.shape);
    const int64_t outputs = element_count(network.values[static_cast<size_t>(network.output)].shape);
    const int64_t block = std::clamp<int64_t>(samples.count / (2 * threads()), 1, 8);
    const float* const x = samples.array.data();
    const auto run_one = [&](int64_t first, int64_t count) {
        return run_block(network, engine, {x + first * elements, static_cast<size_t>(count * elements)}, preprocess,
                         count, first_sample + first);
    };
    if (samples.count == 1) return run_one(0, 1);
    std::vector<float> output(static_cast<size_t>(samples.count * outputs));
    parallel_for((samples.count + block - 1) / block, [&](int64_t i) {
        const int64_t first = i * block;
        const std::vector<float> part = run_one(first, std::min(block, samples.count - first));
        std::copy(part.begin(), part.end(), output.begin() + first * outputs);
    });
    return output;
}

void for_values(const Network& network, ProductEngine& engine, const Samples& samples, const Preprocess& preprocess,
                int64_t first_sample,
                const std::function<void(const std::vector<Block>& values, int64_t first, int64_t count)>& body) {
    constexpr int64_t kBlock = 8;  // bounds the memory for the values
    const int64_t elements = element_count(samples.shape);
    parallel_for((samples.count + kBlock - 1) / kBlock, [&](int64_t i) {
        const int64_t first = i * kBlock, count = std::min(kBlock, samples.count - first);
        std::vector<Block> values;
        run_block(network, engine, {samples.array.data() + first * elements, static_cast<size_t>(count * elements)},
                  preprocess, count, first_sample + first, &values);
        body(values, first, count);
    });
}

void bind_dataset(py::module_& module) {
    py::class_<Dataset, std::shared_ptr<Dataset>>(module, "Dataset", R"(Samples and labels, from arrays or files.

Wherever data are wanted, an array x, a pair (x, y) and text such as "digits.h5" serve as well. Arrays of float32 in C
order are used as they lie in memory.

>>> import numpy as np
>>> data = bl.Dataset(np.zeros((5, 64), np.float32), [3, 1, 4, 1, 5])
>>> len(data), data.shape
(5, (64,))
)")
        .def(py::init([](const py::object& x, const py::object& y) { return dataset_from_arrays(x, y, "data"); }),
             py::arg("x"), py::arg("y") = py::none())
        .def("__len__", &Dataset::size)
        .def_property_readonly(
            "shape", [](const Dataset& data) { return tuple_of(data.shape()); }, "Of one sample.")
        .def_property_readonly(
            "labels", [](const Dataset& data) { return py::array_t<int32_t>(py::cast(data.labels())); },
            "One for each sample, or none.")
        .def_property_readonly("spec", [](const Dataset& data) { return text_of(data.spec()); })
        .def("read", &read_samples, py::arg("first"), py::arg("count"), "Raw samples as float32, (count x shape).")
        .def("__repr__", [](const Dataset& data) {
            return text_of(
                fmt::format("<Dataset {}: {} samples of {}>", data.spec(), data.size(), to_string(data.shape())));
        });
    module.def(
        "open_dataset",
        [](const std::string& spec, std::optional<int64_t> limit) {
            const py::gil_scoped_release unlocked;
            return std::const_pointer_cast<Dataset>(open_dataset(spec, limit));
        },
        py::arg("spec"), py::arg("limit") = py::none(),
        R"(Data from files: FILE.h5, idx:IMAGES,LABELS, cifar10:FILE[,FILE...], npz:FILE, raw:FILE,LABELS,DTYPE,AxBxC.

>>> bl.open_dataset("digits.h5", limit=100)
<Dataset digits.h5: 100 samples of 1x8x8>
)");
}

}  // namespace bitline::python
