// Operators that work element by element, that move elements, and softmax.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/axes.h"
#include "core/float_functions.h"
#include "core/random.h"
#include "core/reference_parts.h"

namespace bitline::reference {

namespace {

double integer_power(double x, int64_t exponent) {
    double result = 1;
    for (int64_t n = std::abs(exponent); n > 0; n /= 2, x *= x) {
        if (n % 2 == 1) result *= x;
    }
    return exponent < 0 ? 1 / result : result;
}

/// x^y without libm: the same bits on every machine. Squares and cubes in float32, as ONNX Runtime computes them.
float power(float x, float y) {
    if (y == 2) return x * x;
    if (y == 3) return x * x * x;
    if (y == 0.5F) return std::sqrt(x);
    const bool whole = std::trunc(y) == y;
    if (whole && std::abs(y) <= 1024) return float(integer_power(x, int64_t(y)));
    if (std::isnan(x) || (x < 0 && !whole)) return std::numeric_limits<float>::quiet_NaN();
    if (x == 0) return y > 0 ? 0.0F : std::numeric_limits<float>::infinity();
    if (std::isinf(x)) return y > 0 ? std::numeric_limits<float>::infinity() : 0.0F;
    const double exponent = double(y) * fixed_log(std::abs(double(x)));
    const double magnitude = fixed_exp(std::clamp(exponent, -700.0, 700.0));
    return float(x < 0 && std::fmod(y, 2.0F) != 0 ? -magnitude : magnitude);
}

/// out[i] = f(x[i], constant of i); the constant has one entry, one per channel, or one per element.
template <typename F>
Block with_constant(const Call& call, const std::vector<float>& constant, F f) {
    const RealInput input(call);
    const auto x = input.values();
    const auto elements = size_t(element_count(call.input_value().shape));
    const size_t repeat = elements / constant.size();
    Block out;
    out.real.resize(x.size());
    for (size_t sample = 0; sample < x.size(); sample += elements) {
        for (size_t c = 0; c < constant.size(); ++c) {
            const size_t first = sample + c * repeat;
            for (size_t i = first; i < first + repeat; ++i) out.real[i] = f(x[i], constant[c]);
        }
    }
    return out;
}

template <typename F>
Block for_each_element(const Call& call, F f) {
    const RealInput input(call);
    Block out;
    out.real.resize(input.values().size());
    std::transform(input.values().begin(), input.values().end(), out.real.begin(), f);
    return out;
}

Block sign_values(const Call& call) {
    const auto sign = [](float x) { return x > 0 ? 1 : x < 0 ? -1 : 0; };
    if (!call.output_value().quantizer) return for_each_element(call, [&](float x) { return float(sign(x)); });
    const RealInput input(call);
    Block out;
    out.codes.resize(input.values().size());
    std::transform(input.values().begin(), input.values().end(), out.codes.begin(), sign);
    return out;
}

template <typename T>
void concat_rows(const std::vector<std::span<const T>>& inputs, const std::vector<int64_t>& widths, int64_t rows,
                 std::vector<T>& out) {
    for (int64_t r = 0; r < rows; ++r) {
        for (size_t i = 0; i < inputs.size(); ++i) {
            const auto row = inputs[i].subspan(size_t(r * widths[i]), size_t(widths[i]));
            out.insert(out.end(), row.begin(), row.end());
        }
    }
}

template <typename T>
std::vector<T> permute(const std::vector<T>& x, const std::vector<int64_t>& source, int64_t samples) {
    std::vector<T> out;
    out.reserve(x.size());
    for (int64_t s = 0; s < samples; ++s) {
        const T* sample = x.data() + s * int64_t(source.size());
        for (const int64_t index : source) out.push_back(sample[index]);
    }
    return out;
}

}  // namespace

Block apply(const Call& call, const Arithmetic& op) {
    switch (op.kind) {
        case Arithmetic::Kind::add:
            return with_constant(call, op.constant, std::plus<float>());
        case Arithmetic::Kind::subtract:
            return with_constant(call, op.constant, std::minus<float>());
        case Arithmetic::Kind::multiply:
            return with_constant(call, op.constant, std::multiplies<float>());
        case Arithmetic::Kind::divide:
            return with_constant(call, op.constant, std::divides<float>());
        case Arithmetic::Kind::power:
            return with_constant(call, op.constant, power);
        case Arithmetic::Kind::subtract_from:
            return with_constant(call, op.constant, [](float x, float c) { return c - x; });
        case Arithmetic::Kind::divide_into:
            return with_constant(call, op.constant, [](float x, float c) { return c / x; });
    }
    return {};
}

Block apply(const Call& call, const BatchNorm& op) {
    const RealInput input(call);
    const auto x = input.values();
    const size_t channels = op.gamma.size();
    const size_t repeat = size_t(element_count(call.input_value().shape)) / channels;
    std::vector<float> a(channels), b(channels);
    for (size_t c = 0; c < channels; ++c) {
        a[c] = op.gamma[c] / std::sqrt(op.variance[c] + op.epsilon);
        b[c] = op.beta[c] - op.mean[c] * a[c];
    }
    Block out;
    out.real.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        const size_t c = i / repeat % channels;
        out.real[i] = x[i] * a[c] + b[c];
    }
    return out;
}

Block apply(const Call& call, const Activation& op) {
    switch (op.kind) {
        case Activation::Kind::relu:
            return for_each_element(call, [](float x) { return x > 0 ? x : 0.0F; });
        case Activation::Kind::clip:
            return for_each_element(call, [&](float x) { return std::min(std::max(x, op.low), op.high); });
        case Activation::Kind::sign:
            return sign_values(call);
        case Activation::Kind::sigmoid:
            return for_each_element(call, sigmoid);
        case Activation::Kind::tanh:
            return for_each_element(call, hyperbolic_tangent);
    }
    return {};
}

Block apply(const Call& call, const AddValues&) {
    const RealInput a(call, 0), b(call, 1);
    Block out;
    out.real.resize(a.values().size());
    std::transform(a.values().begin(), a.values().end(), b.values().begin(), out.real.begin(), std::plus<float>());
    return out;
}

Block apply(const Call& call, const Concat& op) {
    int64_t rows = call.samples;
    for (int64_t a = 0; a < op.axis; ++a) rows *= call.output_value().shape[size_t(a)];
    std::vector<int64_t> widths;
    for (size_t i = 0; i < call.inputs.size(); ++i) {
        widths.push_back(element_count(call.input_value(i).shape) * call.samples / std::max<int64_t>(rows, 1));
    }
    Block out;
    if (call.output_value().quantizer) {
        std::vector<std::span<const int32_t>> inputs;
        for (const Block* block : call.inputs) inputs.emplace_back(block->codes);
        concat_rows(inputs, widths, rows, out.codes);
        return out;
    }
    std::vector<RealInput> real;
    real.reserve(call.inputs.size());  // spans point into the entries
    std::vector<std::span<const float>> inputs;
    for (size_t i = 0; i < call.inputs.size(); ++i) inputs.push_back(real.emplace_back(call, i).values());
    concat_rows(inputs, widths, rows, out.real);
    return out;
}

Block apply(const Call& call, const Reshape&) { return *call.inputs[0]; }

Block apply(const Call& call, const Permute& op) {
    const std::vector<int64_t> source = permuted_indices(call.input_value().shape, op.order);
    if (call.output_value().quantizer) return {permute(call.inputs[0]->codes, source, call.samples), {}};
    return {{}, permute(call.inputs[0]->real, source, call.samples)};
}

Block apply(const Call& call, const Softmax& op) {
    const RealInput input(call);
    const auto [count, stride] = softmax_lines(op, call.input_value().shape);
    Block out;
    out.real.resize(input.values().size());
    const auto total = int64_t(out.real.size());
    for (int64_t first = 0; first < total; first += count * stride) {
        for (int64_t i = 0; i < stride; ++i) {
            softmax_line(input.values().data() + first + i, out.real.data() + first + i, count, stride);
        }
    }
    return out;
}

}  // namespace bitline::reference
