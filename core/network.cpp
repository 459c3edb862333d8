#include "core/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "core/error.h"

namespace bitline {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

void require_rank(const Shape& shape, size_t rank, const char* what) {
    if (shape.size() != rank) {
        throw FormatError(
            fmt::format("input shape {} violates rank = {}, which a {} needs", to_string(shape), rank, what));
    }
}

/// A window runs over {channels, height, width}. Sizes up to 2^31 keep every product below inside int64.
Shape windowed_shape(const Window& w, const Shape& in, int64_t out_channels) {
    constexpr int64_t kLargest = int64_t(1) << 31;
    for (const int64_t size : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) {
        if (size < 1 || size > kLargest) {
            throw FormatError(fmt::format("kernel, stride or dilation {} violates 1 <= size <= 2^31", size));
        }
    }
    for (const int64_t pad : {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right}) {
        if (pad < 0 || pad > kLargest) throw FormatError(fmt::format("pad {} violates 0 <= pad <= 2^31", pad));
    }
    const int64_t h = window_output(in[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + w.pad_bottom);
    const int64_t wide = window_output(in[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + w.pad_right);
    if (h < 1 || wide < 1) {
        throw FormatError(fmt::format("kernel {}x{} with dilation {}x{} violates kernel extent <= padded input {}x{}",
                                      w.kernel_h, w.kernel_w, w.dilation_h, w.dilation_w,
                                      in[1] + w.pad_top + w.pad_bottom, in[2] + w.pad_left + w.pad_right));
    }
    return {out_channels, h, wide};
}

Shape matvec_shape(const MatVec& op, const Shape& in) {
    if (op.is_convolution) {
        require_rank(in, 3, "convolution");
    } else {
        require_rank(in, 1, "fully connected layer");
        if (op.window != Window{} || op.groups != 1) {
            throw FormatError("a fully connected layer violates groups = 1, kernel, stride, dilation = 1 and pads = 0");
        }
    }
    if (in[0] != op.in_channels) {
        throw FormatError(fmt::format("input {} violates channels = {}", to_string(in), op.in_channels));
    }
    return op.is_convolution ? windowed_shape(op.window, in, op.out_channels) : Shape{op.out_channels};
}

void require_per_channel(size_t entries, const Shape& in, const char* what) {
    if (in.empty() || entries != uint64_t(in[0])) {
        throw FormatError(
            fmt::format("{} {} violate one entry per channel of the input {}", entries, what, to_string(in)));
    }
}

Shape arithmetic_shape(const Arithmetic& op, const Shape& in) {
    const size_t entries = op.constant.size();
    if (entries == 1 || entries == uint64_t(element_count(in))) return in;
    require_per_channel(entries, in, "constants (neither one nor one per element)");
    return in;
}

Shape concat_shape(const Concat& op, const std::vector<Shape>& inputs) {
    Shape out = inputs[0];
    if (op.axis < 0 || op.axis >= int64_t(out.size())) {
        throw FormatError(fmt::format("axis {} violates 0 <= axis < {}", op.axis, out.size()));
    }
    const auto axis = size_t(op.axis);
    int64_t total = 0;
    for (const Shape& in : inputs) {
        Shape same = in;
        if (same.size() == out.size()) same[axis] = out[axis];
        if (same != out) {
            throw FormatError(fmt::format("inputs {} and {} violate equal sizes on every axis but {}",
                                          to_string(inputs[0]), to_string(in), op.axis));
        }
        if (__builtin_add_overflow(total, in[axis], &total)) {
            throw FormatError("the concatenated axis violates size < 2^63");
        }
    }
    out[axis] = total;
    return out;
}

Shape permuted_shape(const Permute& op, const Shape& in) {
    Shape out;
    std::vector<bool> seen(in.size(), false);
    for (const int64_t axis : op.order) {
        if (axis < 0 || axis >= int64_t(in.size()) || seen[size_t(axis)]) break;
        seen[size_t(axis)] = true;
        out.push_back(in[size_t(axis)]);
    }
    if (out.size() != in.size() || op.order.size() != in.size()) {
        throw FormatError(
            fmt::format("order {} violates: every axis of {} exactly once", fmt::join(op.order, ","), to_string(in)));
    }
    return out;
}

Shape reshaped(const Shape& in, const Shape& wanted) {
    if (element_count(in) != element_count(wanted)) {
        throw FormatError(
            fmt::format("{} to {} violates an equal number of elements", to_string(in), to_string(wanted)));
    }
    return wanted;
}

Shape softmax_shape(const Softmax& op, const Shape& in) {
    const auto rank = int64_t(in.size());
    if (op.axis < -rank || op.axis >= rank) {
        throw FormatError(fmt::format("axis {} violates {} <= axis < {}", op.axis, -rank, rank));
    }
    return in;
}

void require_input_count(const Operator& op, size_t count) {
    if (std::holds_alternative<Concat>(op)) {
        if (count == 0) throw FormatError("0 inputs violate inputs >= 1");
        return;
    }
    const size_t needed = std::holds_alternative<AddValues>(op) ? 2 : 1;
    if (count != needed) throw FormatError(fmt::format("{} inputs violate inputs = {}", count, needed));
}

std::string describe_arithmetic(Arithmetic::Kind kind) {
    switch (kind) {
        case Arithmetic::Kind::add:
            return "add constant";
        case Arithmetic::Kind::subtract:
            return "subtract constant";
        case Arithmetic::Kind::subtract_from:
            return "subtract from constant";
        case Arithmetic::Kind::multiply:
            return "multiply by constant";
        case Arithmetic::Kind::divide:
            return "divide by constant";
        case Arithmetic::Kind::divide_into:
            return "divide constant";
        case Arithmetic::Kind::power:
            return "power";
    }
    return "arithmetic";
}

std::string describe_activation(Activation::Kind kind) {
    switch (kind) {
        case Activation::Kind::relu:
            return "relu";
        case Activation::Kind::clip:
            return "clip";
        case Activation::Kind::sign:
            return "sign";
        case Activation::Kind::sigmoid:
            return "sigmoid";
        case Activation::Kind::tanh:
            return "tanh";
    }
    return "activation";
}

std::string describe_matvec(const MatVec& op) {
    if (!op.is_convolution) return "fully connected";
    if (op.groups == 1) return "convolution";
    return op.groups == op.in_channels ? "depthwise convolution" : "grouped convolution";
}

}  // namespace

int64_t element_count(const Shape& shape) {
    int64_t count = 1;
    for (const int64_t size : shape) {
        if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
            throw FormatError(
                fmt::format("shape {} violates sizes >= 0 and fewer than 2^63 elements", to_string(shape)));
        }
    }
    return count;
}

std::string to_string(const Shape& shape) {
    return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

int32_t Quantizer::code_min() const {
    assert(bits >= 1 && bits <= 16);
    if (kind == Kind::bipolar) return -1;
    if (!is_signed) return 0;
    return -(1 << (bits - 1)) + (narrow ? 1 : 0);
}

int32_t Quantizer::code_max() const {
    assert(bits >= 1 && bits <= 16);
    if (kind == Kind::bipolar) return 1;
    if (is_signed) return (1 << (bits - 1)) - 1;
    return (1 << bits) - 1 - (narrow ? 1 : 0);
}

int64_t window_output(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
    const int64_t room = in + pads - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

Shape infer_shape(const Operator& op, const std::vector<Shape>& inputs, const Shape& wanted) {
    require_input_count(op, inputs.size());
    const Shape& in = inputs[0];
    return std::visit(
        Overloaded{
            [&](const MatVec& m) { return matvec_shape(m, in); },
            [&](const Arithmetic& a) { return arithmetic_shape(a, in); },
            [&](const BatchNorm& b) {
                require_per_channel(b.gamma.size(), in, "batch-norm factors");
                return in;
            },
            [&](const Pool& p) {
                require_rank(in, 3, "pool");
                return windowed_shape(p.window, in, in[0]);
            },
            [&](const AddValues&) {
                if (inputs[1] != in) {
                    throw FormatError(
                        fmt::format("inputs {} and {} violate equal shapes", to_string(in), to_string(inputs[1])));
                }
                return in;
            },
            [&](const Concat& c) { return concat_shape(c, inputs); },
            [&](const Reshape&) { return reshaped(in, wanted); },
            [&](const Permute& p) { return permuted_shape(p, in); },
            [&](const Softmax& s) { return softmax_shape(s, in); },
            [&](const auto&) { return in; },  // Quantize, Truncate, Bucketize, Activation: element by element
        },
        op);
}

bool is_mappable(const Network& network, const Node& node) {
    const auto* op = std::get_if<MatVec>(&node.op);
    return op && op->quantized_weights() && network.values[size_t(node.inputs[0])].quantizer.has_value();
}

int64_t output_positions(const Network& network, const Node& node) {
    const auto* op = std::get_if<MatVec>(&node.op);
    if (!op || !op->is_convolution) return 1;
    const Shape& out = network.values[size_t(node.output)].shape;
    return out[1] * out[2];
}

int64_t multiply_accumulates(const Network& network, const Node& node) {
    const auto* op = std::get_if<MatVec>(&node.op);
    return op ? op->out_channels * op->rows() * output_positions(network, node) : 0;
}

std::string describe_kind(const Operator& op) {
    return std::visit(
        Overloaded{
            [](const MatVec& m) { return describe_matvec(m); },
            [](const Quantize&) { return std::string("quantize"); },
            [](const Truncate&) { return std::string("truncate"); },
            [](const Arithmetic& a) { return describe_arithmetic(a.kind); },
            [](const BatchNorm&) { return std::string("batch norm"); },
            [](const Activation& a) { return describe_activation(a.kind); },
            [](const Pool& p) { return std::string(p.kind == Pool::Kind::max ? "max pool" : "average pool"); },
            [](const AddValues&) { return std::string("add values"); },
            [](const Concat&) { return std::string("concatenate"); },
            [](const Reshape&) { return std::string("reshape"); },
            [](const Permute&) { return std::string("permute"); },
            [](const Softmax&) { return std::string("softmax"); },
            [](const Bucketize&) { return std::string("bucketize"); },
        },
        op);
}

}  // namespace bitline
