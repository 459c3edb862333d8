#include "training/chain.h"

#include "training/trainer.h"

namespace bitline::training {

Chain measure_chain(Model& model, const std::shared_ptr<const Dataset>& test, const Preprocess& preprocess,
                    const Dataset* calibration, const Architecture& architecture, const SimulateOptions& options,
                    const ProgressFunction& progress) {
    constexpr int64_t kBlock = 256;  // samples at once
    Pass pass;
    pass.ideal = true;
    Chain chain;
    chain.quantized = evaluate(model, Batches(test, model.input_shape(), {kBlock, 0, {}, preprocess}), kBlock, pass);
    const Network real = model.real(), quantized = model.quantized();
    const Mapping mapping = map_network(quantized, architecture);
    chain.chip = simulate(quantized, mapping, *test, preprocess, &real, calibration, options, progress);
    chain.real = chain.chip.float_accuracy.value_or(0);
    chain.integer = chain.chip.software_accuracy;
    return chain;
}

}  // namespace bitline::training
