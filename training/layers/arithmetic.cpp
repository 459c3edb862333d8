#include "training/layers/arithmetic.h"

#include <functional>

#include "core/error.h"

namespace bitline::training {

namespace {

/// Calls body(first number, count, constant) for the numbers that share a constant, chunk by chunk.
template <class Body>
void for_constants(const std::vector<float>& constant, const Tensor& x, Body body) {
    const auto entries = static_cast<int64_t>(constant.size());
    const int64_t repeat = x.elements() / entries;
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        if (repeat == 1) {  // one per element: the inner loop runs over the constants
            for (int64_t s = first; s < first + count; ++s) body(s * entries, entries, constant.data(), 1);
            return;
        }
        for (int64_t c = first * entries; c < (first + count) * entries; ++c)
            body(c * repeat, repeat, constant.data() + c % entries, 0);
    });
}

template <class F>
void apply(const std::vector<float>& constant, const Tensor& x, Tensor& output, F f) {
    for_constants(constant, x, [&](int64_t first, int64_t count, const float* c, int64_t step) {
        const float* from = x.values.data() + first;
        float* to = output.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] = f(from[i], c[i * step]);
    });
}

/// x_gradient += slope(x, constant, gradient)
template <class F>
void add_slope(const std::vector<float>& constant, const Tensor& x, const Tensor& gradient, Tensor& x_gradient, F f) {
    for_constants(constant, x, [&](int64_t first, int64_t count, const float* c, int64_t step) {
        const float* from = x.values.data() + first;
        const float* g = gradient.values.data() + first;
        float* to = x_gradient.values.data() + first;
        for (int64_t i = 0; i < count; ++i) to[i] += f(from[i], c[i * step], g[i]);
    });
}

}  // namespace

ArithmeticLayer::ArithmeticLayer(std::string name, int number, const Arithmetic& op)
    : Layer(std::move(name), number), op_(op) {
    if (op.kind == Arithmetic::Kind::power)
        throw ConfigError("layer '" + Layer::name() + "' is a power, which has no gradient here");
}

void ArithmeticLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    const auto run = [&](auto f) { apply(op_.constant, *inputs[0], output, f); };
    switch (op_.kind) {
        case Arithmetic::Kind::add:
            return run(std::plus<float>());
        case Arithmetic::Kind::subtract:
            return run(std::minus<float>());
        case Arithmetic::Kind::subtract_from:
            return run([](float x, float c) { return c - x; });
        case Arithmetic::Kind::multiply:
            return run(std::multiplies<float>());
        case Arithmetic::Kind::divide:
            return run(std::divides<float>());
        case Arithmetic::Kind::divide_into:
            return run([](float x, float c) { return c / x; });
        case Arithmetic::Kind::power:
            break;  // refused when made
    }
}

void ArithmeticLayer::backward(const Pass&, std::span<const Tensor* const> inputs, const Tensor&,
                               const Tensor& gradient, std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    const auto run = [&](auto f) { add_slope(op_.constant, *inputs[0], gradient, *input_gradients[0], f); };
    switch (op_.kind) {
        case Arithmetic::Kind::add:
        case Arithmetic::Kind::subtract:
            return run([](float, float, float g) { return g; });
        case Arithmetic::Kind::subtract_from:
            return run([](float, float, float g) { return -g; });
        case Arithmetic::Kind::multiply:
            return run([](float, float c, float g) { return g * c; });
        case Arithmetic::Kind::divide:
            return run([](float, float c, float g) { return g / c; });
        case Arithmetic::Kind::divide_into:
            return run([](float x, float c, float g) { return -g * (c / (x * x)); });
        case Arithmetic::Kind::power:
            break;  // refused when made
    }
}

}  // namespace bitline::training
