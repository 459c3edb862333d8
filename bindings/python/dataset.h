#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindings/python/arrays.h"
#include "core/data.h"
#include "core/reference.h"

namespace bitline::python {

/// What Python functions take as data: a Dataset, text as `open_dataset` takes it, an array x, or a pair (x, y).
std::shared_ptr<const Dataset> dataset_of(py::handle data, const std::string& name);

/// As the command line chooses: what is given, else what the network carries, else raw.
Preprocess choose_preprocess(const std::optional<std::string>& given, const Network& network);

/// Throws ConfigError where samples do not fit the network's input, are not finite or cannot be numbered from
/// `first_sample` on. Wants the interpreter's lock.
void check_samples(const Network& network, const Samples& samples, int64_t first_sample);

/// Preprocesses checked samples and runs the network on them, in blocks on all threads: (count x output elements).
/// Sample i draws the noise of number first_sample + i. Needs no lock.
std::vector<float> run_samples(const Network& network, ProductEngine& engine, const Samples& samples,
                               const Preprocess& preprocess, int64_t first_sample);

/// The same, for what stands inside the network: body(values, first, count) for every block of samples, from several
/// threads, with every value of the graph (indexed as Network::values) for samples first .. first + count - 1 of x.
void for_values(const Network& network, ProductEngine& engine, const Samples& samples, const Preprocess& preprocess,
                int64_t first_sample,
                const std::function<void(const std::vector<Block>& values, int64_t first, int64_t count)>& body);

}  // namespace bitline::python
