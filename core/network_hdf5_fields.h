#pragma once

// The fields of every operator, stated once for writing and reading, so that a field can neither be forgotten on one
// side nor change its meaning between them. An archive is a group of the file; it offers
//   number, real, flag, text   one value each (attributes)
//   choice                     an enumeration by its name (attribute)
//   alternative                the alternative of a variant by its name (attribute), and its fields
//   list                       a vector (data set); an empty vector is no data set
//   optional                   a group below that may be missing
//   sub                        the archive of a group below
// and `kWrites`, which decides whether the fields are read from or written to the network.

#include <array>
#include <string_view>
#include <type_traits>

#include "core/network.h"

namespace bitline::hdf5_format {

template <class Archive, class T>
using Field = std::conditional_t<Archive::kWrites, const T, T>;

// Names of the enumerators in the order of their declaration.
inline constexpr std::array<std::string_view, 2> kQuantizerKinds{"uniform", "bipolar"};
inline constexpr std::array<std::string_view, 8> kRoundings{"half_even", "toward_zero", "floor",     "ceil",
                                                            "half_up",   "half_down",   "half_away", "away_from_zero"};
inline constexpr std::array<std::string_view, 7> kArithmetics{"add",    "subtract",    "subtract_from", "multiply",
                                                              "divide", "divide_into", "power"};
inline constexpr std::array<std::string_view, 5> kActivations{"relu", "clip", "sign", "sigmoid", "tanh"};
inline constexpr std::array<std::string_view, 2> kPools{"max", "average"};

// Names of the alternatives of Operator and of MatVec::output, in their order.
inline constexpr std::array<std::string_view, 13> kOperators{
    "matvec",     "quantize", "truncate", "arithmetic", "batch_norm", "activation", "pool",
    "add_values", "concat",   "reshape",  "permute",    "softmax",    "bucketize"};
inline constexpr std::array<std::string_view, 3> kOutputs{"scale", "requantize", "thresholds"};
static_assert(kOperators.size() == std::variant_size_v<Operator>);
static_assert(kOutputs.size() == std::variant_size_v<decltype(MatVec::output)>);

template <class Archive>
void exchange(Archive& archive, Field<Archive, Quantizer>& q) {
    archive.choice("kind", q.kind, kQuantizerKinds);
    archive.number("bits", q.bits);
    archive.flag("signed", q.is_signed);
    archive.flag("narrow", q.narrow);
    archive.number("axis", q.axis);
    archive.list("scale", q.scale, {}, "x = (code - zero_point) * scale");
    archive.list("zero_point", q.zero_point, {}, "code that stands for x = 0");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Window>& w) {
    archive.number("kernel_h", w.kernel_h);
    archive.number("kernel_w", w.kernel_w);
    archive.number("stride_h", w.stride_h);
    archive.number("stride_w", w.stride_w);
    archive.number("dilation_h", w.dilation_h);
    archive.number("dilation_w", w.dilation_w);
    archive.number("pad_top", w.pad_top);
    archive.number("pad_left", w.pad_left);
    archive.number("pad_bottom", w.pad_bottom);
    archive.number("pad_right", w.pad_right);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, ScaleOutput>& output) {
    archive.list("scale", output.scale, {}, "y = float(sum) * scale[output channel] + bias[output channel]");
    archive.list("bias", output.bias, {}, "real numbers, added after the scale");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, RequantizeOutput>& output) {
    archive.list("multiplier", output.multiplier, {},
                 "code = clip(round_half_even(float(sum) * multiplier[output channel]) + zero_point)");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, ThresholdOutput>& output) {
    const auto channels = int64_t(output.falling.size());
    const auto steps = channels == 0 ? 0 : int64_t(output.threshold.size()) / channels;
    archive.list("threshold", output.threshold, {channels, steps},
                 "output channels x steps; a step is crossed where sum >= threshold (falling: sum <= threshold)");
    archive.list("falling", output.falling, {}, "1 where the codes fall as the sum rises");
    archive.list("codes", output.codes, {}, "code of each level");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, MatVec>& op) {
    archive.flag("is_convolution", op.is_convolution);
    archive.number("in_channels", op.in_channels);
    archive.number("out_channels", op.out_channels);
    archive.number("groups", op.groups);
    exchange(archive, op.window);

    const Shape weights{op.out_channels, op.groups == 0 ? 0 : op.in_channels / op.groups, op.window.kernel_h,
                        op.window.kernel_w};
    archive.list("codes", op.codes, weights, "output channels x input channels per group x height x width");
    archive.list("real_weights", op.real_weights, weights,
                 "output channels x input channels per group x height x width");
    archive.list("bias_codes", op.bias_codes, {}, "in units of input scale * weight scale[output channel]");
    archive.list("real_bias", op.real_bias, {}, "real numbers");
    auto weight = archive.sub("weight_quantizer");
    exchange(weight, op.weight);
    auto output = archive.sub("output");
    output.alternative("kind", op.output, kOutputs);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Quantize>& op) {
    auto to = archive.sub("to");
    exchange(to, op.to);
    archive.choice("rounding", op.rounding, kRoundings);
    archive.flag("zero_point_inside", op.zero_point_inside);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Truncate>& op) {
    auto to = archive.sub("to");
    exchange(to, op.to);
    archive.real("input_scale", op.input_scale);
    archive.number("input_zero_point", op.input_zero_point);
    archive.number("shift", op.shift);
    archive.choice("rounding", op.rounding, kRoundings);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Bucketize>& op) {
    auto to = archive.sub("to");
    exchange(to, op.to);
    archive.list("threshold", op.threshold, {}, "code = codes[number of thresholds that x reaches]");
    archive.list("codes", op.codes, {}, "one more than thresholds");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Arithmetic>& op) {
    archive.choice("function", op.kind, kArithmetics);
    archive.list("constant", op.constant, {}, "one, one per channel or one per element");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, BatchNorm>& op) {
    archive.list("gamma", op.gamma, {}, "y = (x - mean) * gamma / sqrt(variance + epsilon) + beta");
    archive.list("beta", op.beta, {}, "");
    archive.list("mean", op.mean, {}, "");
    archive.list("variance", op.variance, {}, "");
    archive.real("epsilon", op.epsilon);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Activation>& op) {
    archive.choice("function", op.kind, kActivations);
    archive.real("low", op.low);
    archive.real("high", op.high);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Pool>& op) {
    archive.choice("function", op.kind, kPools);
    exchange(archive, op.window);
    archive.flag("count_padding", op.count_padding);
}

template <class Archive>
void exchange(Archive&, Field<Archive, AddValues>&) {}

template <class Archive>
void exchange(Archive&, Field<Archive, Reshape>&) {}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Concat>& op) {
    archive.number("axis", op.axis);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Permute>& op) {
    archive.list("order", op.order, {}, "output axis i is input axis order[i]");
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Softmax>& op) {
    archive.number("axis", op.axis);
    archive.flag("flatten_from_axis", op.flatten_from_axis);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Value>& value) {
    archive.text("name", value.name);
    archive.list("shape", value.shape, {}, "sizes per sample");
    archive.optional("quantizer", value.quantizer);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Node>& node) {
    archive.text("name", node.name);
    archive.text("origin", node.origin);
    archive.list("inputs", node.inputs, {}, "indices into /values");
    archive.number("output", node.output);
    archive.alternative("kind", node.op, kOperators);
}

template <class Archive>
void exchange(Archive& archive, Field<Archive, Preprocess>& preprocess) {
    archive.real("scale", preprocess.scale);
    archive.list("mean", preprocess.mean, {}, "(x * scale - mean[c]) / std[c]");
    archive.list("std", preprocess.std, {}, "");
}

}  // namespace bitline::hdf5_format
