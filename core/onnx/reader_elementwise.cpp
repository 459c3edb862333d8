// Operators that work element by element: arithmetic, batch normalization, activations, softmax.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

// ---------------------------------------------------------------------------------------------- constants

float as_real(const Tensor& tensor, size_t i) {
    return is_integer(tensor.type) ? static_cast<float>(tensor.whole[i]) : tensor.real[i];
}

/// Whole numbers become float32 where the network computes with them.
void require_exact(const NodeView& node, const Tensor& tensor) {
    constexpr int64_t kLargest = int64_t(1) << 24;
    for (const int64_t v : tensor.whole)
        if (v > kLargest || v < -kLargest) node.fail("constant {} exceeds 2^24, float32's exact range", v);
}

/// For each element of a sample, the entry of the constant that ONNX's broadcasting pairs with it.
std::vector<size_t> broadcast_to_sample(const NodeView& node, const Tensor& constant, const Shape& sample) {
    Dims dims = constant.dims;
    if (dims.size() > sample.size() + 1)
        node.fail("'{}' of shape {} has more axes than the value {} with its batch", constant.name, dims_text(dims),
                  to_string(sample));
    dims.insert(dims.begin(), sample.size() + 1 - dims.size(), 1);
    if (dims[0] != 1) node.fail("'{}' differs from sample to sample", constant.name);
    checked_count(sample, kMaxFoldedElements, node.label());
    std::vector<size_t> index{0};
    for (size_t a = 0; a < sample.size(); ++a) {
        const int64_t own = dims[a + 1];
        if (own != 1 && own != sample[a])
            node.fail("'{}' of shape {} does not broadcast to the value {}", constant.name, dims_text(constant.dims),
                      to_string(sample));
        std::vector<size_t> longer;
        longer.reserve(index.size() * size_t(sample[a]));
        for (const size_t base : index)
            for (int64_t i = 0; i < sample[a]; ++i) longer.push_back(base * size_t(own) + size_t(own == 1 ? 0 : i));
        index = std::move(longer);
    }
    return index;
}

/// The constant with one entry, one per channel of the value, or one per element: the fewest that say the same.
std::vector<float> sample_constant(const NodeView& node, const Tensor& constant, const Shape& onnx_shape,
                                   const Shape& value_shape) {
    if (constant.has_batch()) node.fail("computes with the batch size");
    if (constant.count() == 1 && constant.dims.size() <= onnx_shape.size() + 1) return {as_real(constant, 0)};
    const std::vector<size_t> index = broadcast_to_sample(node, constant, onnx_shape);
    const size_t channels = value_shape.empty() ? 1 : size_t(value_shape[0]), inner = index.size() / channels;
    bool per_channel = true;
    for (size_t i = 0; i < index.size() && per_channel; ++i) per_channel = index[i] == index[i / inner * inner];
    std::vector<float> out;
    for (size_t i = 0; i < index.size(); i += per_channel ? inner : 1) out.push_back(as_real(constant, index[i]));
    return out;
}

Arithmetic::Kind arithmetic_kind(const NodeView& node, bool constant_first) {
    const std::string& type = node.type();
    if (type == "Add") return Arithmetic::Kind::add;
    if (type == "Mul") return Arithmetic::Kind::multiply;
    if (type == "Sub") return constant_first ? Arithmetic::Kind::subtract_from : Arithmetic::Kind::subtract;
    if (type == "Div") return constant_first ? Arithmetic::Kind::divide_into : Arithmetic::Kind::divide;
    if (constant_first) node.fail("raises a constant to a power that depends on the network's input");
    return Arithmetic::Kind::power;
}

// ---------------------------------------------------------------------------------------------- with a constant

/// A positive factor on codes only changes their scale.
bool change_scale(Importer& state, const NodeView& node, Data data, const Arithmetic& op) {
    const bool multiply = op.kind == Arithmetic::Kind::multiply;
    if (data.changes.size() >= kMostScaleChanges) return false;
    if (!has_codes(state, data) || data.integer() || op.constant.size() != 1 || op.constant[0] <= 0 ||
        (!multiply && op.kind != Arithmetic::Kind::divide))
        return false;
    const float scale = multiply ? data.scale * op.constant[0] : data.scale / op.constant[0];
    if (!std::isfinite(scale) || scale <= 0) return false;
    const std::string name = node.proto().name().empty() ? node.type() + " " + node.output() : node.proto().name();
    data.changes.push_back({name, node.output(), node.type(), op});
    data.scale = scale;
    set_output(state, node, data);
    return true;
}

const Node* producer(const Importer& state, int value) {
    const auto& nodes = state.network.nodes;
    const auto found = std::find_if(nodes.rbegin(), nodes.rend(), [&](const Node& n) { return n.output == value; });
    return found == nodes.rend() ? nullptr : &*found;
}

/// An addition of one constant per channel to a layer that has no bias yet is its bias: the sums of ConvInteger and
/// MatMulInteger take whole numbers, real layers real ones. The layer is added anew; where nothing else reads the first
/// one, it is dropped in the end.
bool add_as_bias(Importer& state, const NodeView& node, const Data& data, const Tensor& constant,
                 const Arithmetic& op) {
    const Node* source = producer(state, data.value);
    if (op.kind != Arithmetic::Kind::add || source == nullptr || data.margin != Margin{}) return false;
    const auto* found = std::get_if<MatVec>(&source->op);
    if (found == nullptr) return false;
    const auto channels = static_cast<size_t>(found->out_channels);
    if (op.constant.size() != 1 && op.constant.size() != channels) return false;
    MatVec layer = *found;
    spend(state, node, layer.codes.size() + layer.real_weights.size());
    const auto spread = [&](auto entries) {
        if (entries.size() == 1) entries.assign(channels, entries[0]);
        return entries;
    };
    if (data.integer() && layer.quantized_weights() && layer.bias_codes.empty() &&
        constant.count() == static_cast<int64_t>(op.constant.size())) {
        layer.bias_codes = spread(constant.whole);
    } else if (!data.integer() && !layer.real_weights.empty() && layer.real_bias.empty()) {
        layer.real_bias = spread(op.constant);
    } else {
        return false;
    }
    const std::string name = source->name, origin = source->origin + "+" + node.type();
    Data out = data;
    out.value = add_node(state, node, layer, source->inputs, node.output());
    state.network.nodes.back().name = name;
    state.network.nodes.back().origin = origin;
    set_output(state, node, out);
    return true;
}

void import_with_constant(Importer& state, const NodeView& node, int constant_input_index) {
    const Data data = data_input(state, node, 1 - constant_input_index);
    const Tensor& constant = constant_input(state, node, constant_input_index, "operand");
    const Arithmetic::Kind kind = arithmetic_kind(node, constant_input_index == 0);
    require_real(state, node, data);
    if (data.integer() != is_integer(constant.type) && kind != Arithmetic::Kind::power)
        node.fail("'{}' and its other operand have different types", constant.name);
    if (data.integer() && kind == Arithmetic::Kind::divide) node.fail("divides whole numbers");
    if (kind == Arithmetic::Kind::divide && std::count(constant.real.begin(), constant.real.end(), 0.0F) > 0)
        node.fail("divides by '{}', which holds a zero", constant.name);
    const Arithmetic op{kind, sample_constant(node, constant, data.shape, value_of(state, data).shape)};
    spend(state, node, op.constant.size());
    if (change_scale(state, node, data, op) || add_as_bias(state, node, data, constant, op)) return;
    require_exact(node, constant);
    Data out = emit(state, node, op, {numeric_value(state, node, data)}, data.shape);
    out.type = data.type;
    set_output(state, node, out);
}

// ---------------------------------------------------------------------------------------------- of two values

void import_of_two(Importer& state, const NodeView& node) {
    const Data a = data_input(state, node, 0), b = data_input(state, node, 1);
    if (node.type() != "Add" && node.type() != "Sub")
        node.fail("combines two values of the network; Add and Sub of two values are read");
    if (a.shape != b.shape)
        node.fail("values of shapes {} and {} per sample; equal shapes are read", to_string(a.shape),
                  to_string(b.shape));
    if (a.type != b.type) node.fail("its operands have different types");
    int first = numeric_value(state, node, a), second = numeric_value(state, node, b);
    if (state.network.values[size_t(first)].shape != state.network.values[size_t(second)].shape) {
        first = shaped_numeric_value(state, node, a);
        second = shaped_numeric_value(state, node, b);
    }
    if (node.type() == "Sub")  // a - b = a + (-1 * b), exact
        second = add_node(state, node, Arithmetic{Arithmetic::Kind::multiply, {-1.0F}}, {second},
                          node.output() + "_negated");
    Data out = emit(state, node, AddValues{}, {first, second}, a.shape);
    out.type = a.type;
    set_output(state, node, out);
}

std::vector<float> channel_vector(const Importer& state, const NodeView& node, int input, const char* what,
                                  int64_t channels) {
    const Tensor& tensor = constant_input(state, node, input, what);
    if (is_integer(tensor.type) || tensor.count() != channels)
        node.fail("{} '{}' of shape {} violates one float entry per channel ({})", what, tensor.name,
                  dims_text(tensor.dims), channels);
    return tensor.real;
}

void emit_activation(Importer& state, const NodeView& node, const Activation& op,
                     const std::optional<Quantizer>& codes) {
    const Data data = data_input(state, node, 0);
    Data out = emit(state, node, op, {numeric_value(state, node, data)}, data.shape, codes);
    if (!codes) out.type = data.type;
    set_output(state, node, out);
}

float clip_bound(const Importer& state, const NodeView& node, int input, const std::string& name, float otherwise) {
    if (node.opset() < 11) return node.real(name, otherwise);
    const Tensor* bound = optional_constant(state, node, input, name);
    if (bound == nullptr) return otherwise;
    if (bound->count() != 1) node.fail("{} '{}' is no single number", name, bound->name);
    return as_real(*bound, 0);
}

}  // namespace

void import_arithmetic(Importer& state, const NodeView& node) {
    if (is_constant(state, node, 0)) return import_with_constant(state, node, 0);
    if (is_constant(state, node, 1)) return import_with_constant(state, node, 1);
    import_of_two(state, node);
}

void import_batch_norm(Importer& state, const NodeView& node) {
    if (node.integer("training_mode", 0) != 0) node.fail("training_mode = 1; export the network for inference");
    if (node.integer("spatial", 1) == 0) node.fail("spatial = 0; statistics per channel are read");
    const Data data = data_input(state, node, 0);
    const int64_t channels = data.shape.empty() ? 1 : data.shape[0];
    BatchNorm op;
    op.gamma = channel_vector(state, node, 1, "scale", channels);
    op.beta = channel_vector(state, node, 2, "bias", channels);
    op.mean = channel_vector(state, node, 3, "mean", channels);
    op.variance = channel_vector(state, node, 4, "variance", channels);
    op.epsilon = node.real("epsilon", 1e-5F);
    for (const float v : op.variance)
        if (!(v + op.epsilon > 0))
            node.fail("variance {} with epsilon {} violates variance + epsilon > 0", v, op.epsilon);
    const bool same_channels = value_of(state, data).shape[0] == channels;
    emit(state, node, op, {same_channels ? numeric_value(state, node, data) : shaped_numeric_value(state, node, data)},
         data.shape);
}

void import_activation(Importer& state, const NodeView& node) {
    const std::string& type = node.type();
    if (type == "Relu") return emit_activation(state, node, {Activation::Kind::relu}, std::nullopt);
    if (type == "Sigmoid") return emit_activation(state, node, {Activation::Kind::sigmoid}, std::nullopt);
    if (type == "Tanh") return emit_activation(state, node, {Activation::Kind::tanh}, std::nullopt);
    Quantizer ternary;  // the codes -1, 0, +1 of Sign stand for themselves
    ternary.scale = {1.0F};
    ternary.zero_point = {0};
    ternary.bits = 2;
    ternary.narrow = true;
    emit_activation(state, node, {Activation::Kind::sign}, ternary);
}

void import_clip(Importer& state, const NodeView& node) {
    constexpr float kLargest = std::numeric_limits<float>::max();
    const float low = clip_bound(state, node, 1, "min", -kLargest), high = clip_bound(state, node, 2, "max", kLargest);
    if (low > high) node.fail("min = {} violates min <= max = {}", low, high);
    if (low == -kLargest && high == kLargest) return set_output(state, node, data_input(state, node, 0));
    emit_activation(state, node, {Activation::Kind::clip, low, high}, std::nullopt);
}

/// A comparison with one number: the codes 0 and 1, which stand for themselves.
void import_greater_or_equal(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    require_real(state, node, data);
    require_no_margin(node, data);
    const Tensor& bound = constant_input(state, node, 1, "bound");
    if (is_integer(bound.type) || bound.count() != 1 || !std::isfinite(bound.real[0]))
        node.fail("bound '{}' violates one finite number", bound.name);
    Bucketize op{{bound.real[0]}, {0, 1}, {}};
    op.to.scale = {1.0F};
    op.to.zero_point = {0};
    op.to.bits = 1;
    op.to.is_signed = false;
    Data out = emit(state, node, op, {shaped_numeric_value(state, node, data)}, data.shape, op.to);
    out.type = ElementType::boolean;
    set_output(state, node, out);
}

void import_softmax(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const bool flattens = node.opset() < 13;  // until then: one softmax over all axes from `axis` on
    const auto rank = static_cast<int64_t>(data.shape.size()) + 1;
    const int64_t axis = normalized_axis(node, node.integer("axis", flattens ? 1 : -1), rank);
    if (axis == 0) node.fail("axis 0 is the batch; a softmax over samples is not read");
    const Softmax op{axis - 1, flattens && axis + 1 < rank};
    emit(state, node, op, {shaped_numeric_value(state, node, data)}, data.shape);
}

}  // namespace bitline::reader
