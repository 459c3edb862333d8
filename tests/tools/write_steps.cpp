// Writes a network with binary planes and signs as ONNX, so that ONNX Runtime can be asked what it computes.
//
//   write_steps OUT.onnx X.bin SAMPLES Y.bin    X: float32 (samples x 2 x 6 x 6); Y: what the reference computes
//
// Two planes of inputs times two planes of weights, as LQ-Net has them; then signs times signs, as in a binary network.

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "core/model_io.h"
#include "core/reference.h"

namespace {

using namespace bitline;

Quantizer bipolar(std::vector<float> scale) {
    Quantizer q;
    q.kind = Quantizer::Kind::bipolar;
    q.bits = 1;
    q.zero_point.assign(scale.size(), 0);
    q.scale = std::move(scale);
    return q;
}

Quantizer bit(float scale) {
    Quantizer q;
    q.bits = 1;
    q.is_signed = false;
    q.zero_point = {0};
    q.scale = {scale};
    return q;
}

MatVec signs(int64_t in, int64_t out, const std::vector<float>& scale, float input_scale, uint32_t seed) {
    MatVec op;
    op.is_convolution = true;
    op.in_channels = in;
    op.out_channels = out;
    op.window.kernel_h = op.window.kernel_w = 3;
    op.window.pad_top = op.window.pad_left = op.window.pad_bottom = op.window.pad_right = 1;
    op.weight = bipolar(scale);
    for (int64_t i = 0; i < out * in * 9; ++i) {
        seed = seed * 1664525U + 1013904223U;
        op.codes.push_back(seed >> 31 != 0 ? 1 : -1);
    }
    ScaleOutput output;
    for (const float s : scale) output.scale.push_back(input_scale * s);
    op.output = output;
    return op;
}

int add(Network& network, const Operator& op, const std::vector<int>& inputs, const std::optional<Quantizer>& q = {}) {
    std::vector<Shape> shapes;
    for (const int input : inputs) shapes.push_back(network.values[size_t(input)].shape);
    const auto value = int(network.values.size());
    network.values.push_back({fmt::format("v{}", value), infer_shape(op, shapes, {}), q});
    network.nodes.push_back({fmt::format("n{}", value), "", inputs, value, op});
    network.output = value;
    return value;
}

Network planes_and_signs() {
    Network network;
    network.name = "planes and signs";
    network.values.push_back({"input", {2, 6, 6}, std::nullopt});
    network.input = 0;
    const Quantizer low = bit(0.3F), high = bit(0.8F);  // levels 0, 0.3, 0.8, 1.1
    const int plane_0 = add(network, Bucketize{{0.15F, 0.55F, 0.95F}, {0, 1, 0, 1}, low}, {0}, low);
    const int plane_1 = add(network, Bucketize{{0.55F}, {0, 1}, high}, {0}, high);
    int sum = -1;
    uint32_t seed = 1;
    for (const int plane : {plane_0, plane_1}) {
        const float scale = network.values[size_t(plane)].quantizer->scale[0];
        for (const float size : {0.25F, 0.6F}) {
            const int part = add(network, signs(2, 4, {size, size * 2, size, size / 2}, scale, seed++), {plane});
            sum = sum < 0 ? part : add(network, AddValues{}, {sum, part});
        }
    }
    // Sums are multiples of 0.0025: halfway between two, so that no order of float32 additions turns a sign.
    const int centred = add(network, Arithmetic{Arithmetic::Kind::subtract, {0.70125F}}, {sum});
    const int sign = add(network, Quantize{bipolar({0.5F})}, {centred}, bipolar({0.5F}));
    add(network, signs(4, 3, {0.1F, 0.2F, 0.3F}, 0.5F, seed), {sign});
    return network;
}

int write(const std::vector<std::string>& arguments) {
    if (arguments.size() != 4) {
        std::fputs("usage: write_steps OUT.onnx X.bin SAMPLES Y.bin\n", stderr);
        return 2;
    }
    const Network network = planes_and_signs();
    write_onnx(network, arguments[0]);
    const int64_t samples = std::stoll(arguments[2]);
    std::vector<float> x(size_t(samples * 2 * 6 * 6));
    std::ifstream input(arguments[1], std::ios::binary);
    if (!input.read(reinterpret_cast<char*>(x.data()), std::streamsize(x.size() * sizeof(float)))) return 2;
    const std::vector<float> y = run(network, *make_exact_engine(network), x, samples, 0);
    std::ofstream output(arguments[3], std::ios::binary);
    output.write(reinterpret_cast<const char*>(y.data()), std::streamsize(y.size() * sizeof(float)));
    return output.flush() ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return write({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "write_steps: %s\n", error.what());
        return 2;
    }
}
