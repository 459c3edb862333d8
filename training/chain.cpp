#include "training/chain.h"

#include <algorithm>

#include "core/reference.h"

namespace bitline::training {

namespace {

constexpr int64_t kBatch = 256;  // samples of an evaluation at once

}  // namespace

double accuracy(Model& model, const Dataset& data, const Preprocess& preprocess) {
    Tensor batch;
    int64_t correct = 0;
    model.attach(nullptr);
    for (int64_t first = 0; first < data.size(); first += kBatch) {
        batch.resize(model.input_shape(), std::min(kBatch, data.size() - first));
        data.read(first, batch.samples, batch.values.data());
        apply(preprocess, batch.shape, batch.samples, batch.values.data());
        const Tensor& logits = model.forward({}, batch);
        for (int64_t s = 0; s < batch.samples; ++s) {
            const std::span<const float> row(logits.sample(s), static_cast<size_t>(logits.elements()));
            correct += top1(row) == data.labels()[static_cast<size_t>(first + s)];
        }
    }
    return static_cast<double>(correct) / static_cast<double>(data.size());
}

Chain measure_chain(Model& model, const Dataset& test, const Preprocess& preprocess, const Dataset* calibration,
                    const Architecture& architecture, const SimulateOptions& options,
                    const ProgressFunction& progress) {
    Chain chain;
    chain.quantized = accuracy(model, test, preprocess);
    const Network real = model.real(), quantized = model.quantized();
    const Mapping mapping = map_network(quantized, architecture);
    chain.chip = simulate(quantized, mapping, test, preprocess, &real, calibration, options, progress);
    chain.real = chain.chip.float_accuracy.value_or(0);
    chain.integer = chain.chip.software_accuracy;
    return chain;
}

}  // namespace bitline::training
