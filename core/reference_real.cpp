// Layers in float32: models that are not quantized yet, and layers whose weights or inputs are real.

#include <Eigen/Core>
#include <algorithm>

#include "core/reference_parts.h"
#include "core/reference_windows.h"

namespace bitline::reference {

namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int64_t kScratchFloats = int64_t(1) << 18;  // gathered input vectors of one chunk: 1 MiB

/// Weights as real numbers, (out_channels x rows).
std::vector<float> real_weights(const MatVec& op) {
    if (!op.quantized_weights()) return op.real_weights;
    std::vector<float> weights(op.codes.size());
    const auto rows = size_t(op.rows());
    for (size_t i = 0; i < weights.size(); ++i) {
        const size_t slice = op.weight.per_tensor() ? 0 : i / rows;
        weights[i] = float(op.codes[i] - op.weight.zero_point[slice]) * op.weight.scale[slice];
    }
    return weights;
}

const std::vector<float>& real_bias(const MatVec& op) {
    return op.quantized_weights() ? std::get<ScaleOutput>(op.output).bias : op.real_bias;
}

/// y (out_channels x positions) of one sample. Chunks depend on the layer only, so that the order of every float32 sum
/// does too, and a result does not depend on the block that its sample came in.
void multiply_sample(const MatVec& op, const PaddedPlanes& planes, const std::vector<int32_t>& offsets,
                     const std::vector<float>& weights, const float* padded, float* y) {
    const int64_t rows = op.rows(), cols = op.out_channels / op.groups, positions = planes.positions();
    const int64_t chunk = std::clamp<int64_t>(kScratchFloats / rows, 1, positions);
    Eigen::MatrixXf x, product;
    for (int64_t g = 0; g < op.groups; ++g) {
        const Eigen::Map<const RowMajor> w(weights.data() + g * cols * rows, cols, rows);
        const float* group = padded + g * (planes.size() / op.groups);
        for (int64_t first = 0; first < positions; first += chunk) {
            const int64_t count = std::min(chunk, positions - first);
            x.resize(rows, count);
            for (int64_t i = 0; i < count; ++i) {
                gather_position(offsets, group, planes.base(op.window, first + i), x.col(i).data());
            }
            product.noalias() = w * x;
            Eigen::Map<RowMajor, 0, Eigen::OuterStride<>>(y + g * cols * positions + first, cols, count,
                                                          Eigen::OuterStride<>(positions)) = product;
        }
    }
}

}  // namespace

Block apply_real_product(const Call& call, const MatVec& op) {
    const RealInput input(call);
    const Shape& in = call.input_value().shape;
    const PaddedPlanes planes(op, in);
    const int64_t in_size = element_count(in), positions = planes.positions();
    const std::vector<int32_t> offsets = row_offsets(op, planes);
    const std::vector<float> weights = real_weights(op);
    const std::vector<float>& bias = real_bias(op);
    std::vector<float> padded(size_t(planes.size()), 0.0F);
    Block out;
    out.real.resize(size_t(call.samples * op.out_channels * positions));
    for (int64_t s = 0; s < call.samples; ++s) {
        fill_planes(
            op, in, planes, input.values().data() + s * in_size, [](float x) { return x; }, padded.data());
        float* y = out.real.data() + s * op.out_channels * positions;
        multiply_sample(op, planes, offsets, weights, padded.data(), y);
        for (size_t c = 0; c < bias.size(); ++c) {
            std::for_each_n(y + int64_t(c) * positions, positions, [&](float& v) { v += bias[c]; });
        }
    }
    return out;
}

}  // namespace bitline::reference
