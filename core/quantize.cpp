#include "core/quantize.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/quantize_parts.h"

namespace bitline {

namespace {

void require_float(const Network& network) {
    const auto refuse = [&](const std::string& what) {
        throw ConfigError(
            fmt::format("network '{}' is quantized already: {}; quantize the float model instead", network.name, what));
    };
    int layers = 0;
    for (const Value& value : network.values) {
        if (value.quantizer) refuse(fmt::format("value '{}' holds codes", value.name));
    }
    for (const Node& node : network.nodes) {
        const auto* op = std::get_if<MatVec>(&node.op);
        if (op && op->quantized_weights()) refuse(fmt::format("layer '{}' has integer weights", node.name));
        layers += op ? 1 : 0;
    }
    if (layers == 0) {
        throw ConfigError(
            fmt::format("network '{}' violates at least one convolution or fully connected layer: there "
                        "is nothing to quantize",
                        network.name));
    }
}

void require_bits(const char* name, int bits) {
    if (bits < 2 || bits > 16) throw ConfigError(fmt::format("{} = {} violates 2 <= {} <= 16", name, bits, name));
}

}  // namespace

void validate(const QuantizeOptions& options) {
    require_bits("weight_bits", options.weight_bits);
    require_bits("input_bits", options.input_bits);
    if (options.method == QuantizeOptions::Method::percentile &&
        !(options.percentile > 50 && options.percentile <= 100)) {
        throw ConfigError(fmt::format("percentile = {} violates 50 < percentile <= 100", options.percentile));
    }
    if (options.calibration_samples < 1) {
        throw ConfigError(
            fmt::format("calibration_samples = {} violates calibration_samples >= 1", options.calibration_samples));
    }
}

Network quantize_network(const Network& real, const Dataset& calibration, const Preprocess& preprocess,
                         const QuantizeOptions& options, QuantizeSummary* summary) {
    validate(options);
    require_float(real);
    require_fit(calibration, real);
    const int64_t samples = std::min(options.calibration_samples, calibration.size());

    Network folded = real;
    const int folds = quantization::fold_constants(folded);
    const quantization::Plan plan = quantization::plan_quantizers(folded);
    const bool counts = options.method != QuantizeOptions::Method::minmax;
    std::vector<Quantizer> quantizers;
    for (const auto& histogram : quantization::observe(folded, plan, calibration, preprocess, samples, counts)) {
        const quantization::Range range = quantization::choose_range(histogram, options);
        quantizers.push_back(quantization::activation_quantizer(range, options.input_bits));
    }
    Network quantized = quantization::build(folded, plan, quantizers, options);
    quantized.preprocess = preprocess;
    validate(quantized);

    if (summary) {
        summary->folded = folds;
        summary->samples = samples;
        summary->layers = quantization::measure(folded, quantized, calibration, preprocess, samples);
    }
    return quantized;
}

}  // namespace bitline
