// From real numbers and sums to codes, and back.

#include <algorithm>
#include <cmath>

#include "core/reference_parts.h"

namespace bitline::reference {

std::vector<float> dequantize(const Quantizer& from, std::span<const int32_t> codes) {
    std::vector<float> x(codes.size());
    const int32_t zero = from.zero_point[0];
    const float scale = from.scale[0];
    std::transform(codes.begin(), codes.end(), x.begin(), [&](int32_t q) { return float(q - zero) * scale; });
    return x;
}

RealInput::RealInput(const Call& call, size_t i) : values_(call.inputs[i]->real) {
    const auto& quantizer = call.input_value(i).quantizer;
    if (!quantizer) return;
    storage_ = dequantize(*quantizer, call.inputs[i]->codes);
    values_ = storage_;
}

/// The half-way modes add 0.5 in float32, as QONNX does.
float round_as(Rounding rounding, float x) {
    switch (rounding) {
        case Rounding::half_even:
            return std::abs(x) < 4194304.0F ? round_half_even(x) : std::nearbyint(x);
        case Rounding::toward_zero:
            return std::trunc(x);
        case Rounding::floor:
            return std::floor(x);
        case Rounding::ceil:
            return std::ceil(x);
        case Rounding::half_up:
        case Rounding::half_away:
            return std::copysign(std::floor(std::abs(x) + 0.5F), x);
        case Rounding::half_down:
            return std::copysign(std::ceil(std::abs(x) - 0.5F), x);
        case Rounding::away_from_zero:
            return std::copysign(std::ceil(std::abs(x)), x);
    }
    return x;
}

std::vector<int32_t> quantize(const Quantize& op, std::span<const float> x) {
    std::vector<int32_t> codes(x.size());
    const float scale = op.to.scale[0];
    if (op.to.kind == Quantizer::Kind::bipolar) {
        std::transform(x.begin(), x.end(), codes.begin(), CodeOf(op.to));  // a quotient could underflow to zero
        return codes;
    }
    if (op.rounding == Rounding::half_even && !op.zero_point_inside) {
        const CodeOf code_of(op.to);
        std::transform(x.begin(), x.end(), codes.begin(), [&](float v) { return code_of(v / scale); });
        return codes;
    }
    const int32_t zero = op.to.zero_point[0];
    const int32_t inside = op.zero_point_inside ? zero : 0, outside = zero - inside;
    const float low = float(op.to.code_min() - outside), high = float(op.to.code_max() - outside);
    std::transform(x.begin(), x.end(), codes.begin(), [&](float v) {
        const float number = std::isnan(v) ? 0.0F : v;
        return int32_t(round_as(op.rounding, finite_clip(number / scale + float(inside), low, high))) + outside;
    });
    return codes;
}

Block apply(const Call& call, const Quantize& op) { return {quantize(op, RealInput(call).values()), {}}; }

/// Thresholds are few: counting them all costs less than a search that the processor cannot foresee.
Block apply(const Call& call, const Bucketize& op) {
    const RealInput input(call);
    Block out;
    out.codes.reserve(input.values().size());
    for (const float x : input.values()) {
        size_t crossed = 0;
        for (const float t : op.threshold) crossed += x >= t ? 1 : 0;
        out.codes.push_back(op.codes[crossed]);
    }
    return out;
}

/// QONNX rounds the input's own codes to integers first, then drops the low bits.
Block apply(const Call& call, const Truncate& op) {
    const RealInput input(call);
    const float divisor = std::ldexp(1.0F, op.shift);
    const auto low = float(op.to.code_min()), high = float(op.to.code_max());
    Block out;
    out.codes.reserve(input.values().size());
    for (const float x : input.values()) {
        const float number = std::isnan(x) ? 0.0F : x;
        const float code = round_as(Rounding::half_even, number / op.input_scale + float(op.input_zero_point));
        out.codes.push_back(int32_t(round_as(op.rounding, finite_clip(code / divisor, low, high))));
    }
    return out;
}

}  // namespace bitline::reference

namespace bitline {

namespace {

/// Calls body(channel, first, end) for each run of sums of one channel.
template <typename Body>
void for_each_channel(int64_t channels, int64_t samples, size_t total, Body body) {
    const size_t positions = samples == 0 ? 0 : total / size_t(samples * channels);
    for (int64_t i = 0; i < samples * channels; ++i)
        body(size_t(i % channels), size_t(i) * positions, (size_t(i) + 1) * positions);
}

Block scale_output(const MatVec& op, const ScaleOutput& output, std::span<const double> acc, int64_t samples) {
    Block out;
    out.real.resize(acc.size());
    for_each_channel(op.out_channels, samples, acc.size(), [&](size_t channel, size_t first, size_t end) {
        const float scale = output.scale[channel];
        for (size_t i = first; i < end; ++i) out.real[i] = float(acc[i]) * scale;
        if (output.bias.empty()) return;
        for (size_t i = first; i < end; ++i) out.real[i] += output.bias[channel];
    });
    return out;
}

Block requantize_output(const MatVec& op, const RequantizeOutput& output, const Quantizer& to,
                        std::span<const double> acc, int64_t samples) {
    Block out;
    out.codes.resize(acc.size());
    const CodeOf code_of(to);
    for_each_channel(op.out_channels, samples, acc.size(), [&](size_t channel, size_t first, size_t end) {
        const float multiplier = output.multiplier[channel];
        for (size_t i = first; i < end; ++i) out.codes[i] = code_of(float(acc[i]) * multiplier);
    });
    return out;
}

/// Thresholds ascend, so the steps crossed are counted by bisection. Sums stay below 2^53: a threshold beyond that,
/// which double may round, still compares as it should. A chip's sum may lie between whole numbers; it is rounded, so
/// that errors of either sign count alike.
Block threshold_output(const MatVec& op, const ThresholdOutput& output, std::span<const double> acc, int64_t samples) {
    Block out;
    out.codes.resize(acc.size());
    const size_t steps = output.codes.size() - 1;
    for_each_channel(op.out_channels, samples, acc.size(), [&](size_t channel, size_t first, size_t end) {
        const int64_t* low = output.threshold.data() + channel * steps;
        const int64_t* high = low + steps;
        for (size_t i = first; i < end; ++i) {
            const double sum = std::nearbyint(acc[i]);
            const auto crossed =
                output.falling[channel]
                    ? high - std::partition_point(low, high, [&](int64_t t) { return double(t) < sum; })
                    : std::partition_point(low, high, [&](int64_t t) { return double(t) <= sum; }) - low;
            out.codes[i] = output.codes[size_t(crossed)];
        }
    });
    return out;
}

}  // namespace

Block finish_product(const Network& network, const Node& node, std::span<const double> acc, int64_t samples) {
    const auto& op = std::get<MatVec>(node.op);
    if (const auto* scaled = std::get_if<ScaleOutput>(&op.output)) return scale_output(op, *scaled, acc, samples);
    if (const auto* requantized = std::get_if<RequantizeOutput>(&op.output)) {
        return requantize_output(op, *requantized, *network.values[size_t(node.output)].quantizer, acc, samples);
    }
    return threshold_output(op, std::get<ThresholdOutput>(op.output), acc, samples);
}

}  // namespace bitline
