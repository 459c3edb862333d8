// Windows over images: convolution geometry, pooling and padding.

#include <algorithm>

#include "core/onnx/reader_axes.h"
#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

constexpr int64_t kLargestSize = int64_t(1) << 31;  // keeps every product of two sizes inside int64

/// An attribute with one entry per spatial axis, as {height, width}; a sequence {C, L} is an image of height 1.
std::pair<int64_t, int64_t> per_axis(const NodeView& node, const std::string& name, std::vector<int64_t> values,
                                     size_t axes, int64_t least) {
    if (values.empty()) values.assign(axes, 1);
    if (values.size() != axes)
        node.fail("{} {} has not one entry per spatial axis ({})", name, dims_text(values), axes);
    for (const int64_t v : values)
        if (v < least || v > kLargestSize)
            node.fail("{} {} violates {} <= entry <= 2^31", name, dims_text(values), least);
    if (axes == 1) return {1, values[0]};
    return {values[0], values[1]};
}

/// Pads of auto_pad SAME: the output has ceil(in / stride) positions; an odd pad is larger at the end (SAME_UPPER) or
/// at the beginning (SAME_LOWER).
std::pair<int64_t, int64_t> same_pads(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, bool upper) {
    const int64_t out = (in + stride - 1) / stride;
    const int64_t total = std::max<int64_t>(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - in);
    const int64_t small = total / 2, large = total - small;
    return upper ? std::pair{small, large} : std::pair{large, small};
}

void read_explicit_pads(const NodeView& node, size_t axes, Window* w) {
    std::vector<int64_t> pads = node.integers("pads", std::vector<int64_t>(2 * axes, 0));
    if (pads.size() != 2 * axes) node.fail("pads {} violates two entries per spatial axis ({})", dims_text(pads), axes);
    for (const int64_t p : pads)
        if (p < 0 || p > kLargestSize) node.fail("pads {} violates 0 <= pad <= 2^31", dims_text(pads));
    if (axes == 1) pads = {0, pads[0], 0, pads[1]};
    w->pad_top = pads[0];
    w->pad_left = pads[1];
    w->pad_bottom = pads[2];
    w->pad_right = pads[3];
}

size_t spatial_axes(const Shape& shape) { return shape.size() - 1; }

void read_pads(const NodeView& node, const Shape& shape, const Shape& image, Window* w) {
    const std::string mode = node.text("auto_pad", "NOTSET");
    if (mode == "NOTSET" || mode.empty()) return read_explicit_pads(node, spatial_axes(shape), w);
    if (mode == "VALID") return;
    if (mode != "SAME_UPPER" && mode != "SAME_LOWER") node.fail("auto_pad '{}' is not known", mode);
    const bool upper = mode == "SAME_UPPER";
    std::tie(w->pad_top, w->pad_bottom) = same_pads(image[1], w->kernel_h, w->stride_h, w->dilation_h, upper);
    std::tie(w->pad_left, w->pad_right) = same_pads(image[2], w->kernel_w, w->stride_w, w->dilation_w, upper);
}

/// ceil_mode rounds the number of positions up; accepted where there is nothing to round.
void require_floor_mode(const NodeView& node, const Shape& image, const Window& w) {
    if (node.integer("ceil_mode", 0) == 0) return;
    const int64_t room_h = image[1] + w.pad_top + w.pad_bottom - w.dilation_h * (w.kernel_h - 1) - 1;
    const int64_t room_w = image[2] + w.pad_left + w.pad_right - w.dilation_w * (w.kernel_w - 1) - 1;
    if (room_h % w.stride_h != 0 || room_w % w.stride_w != 0)
        node.fail("ceil_mode adds windows that reach over the edge of {}; pad the image instead", to_string(image));
}

/// Pool over an image value, made known in the shape that ONNX gives it.
void emit_pool(Importer& state, const NodeView& node, const Data& data, const Pool& op, bool keeps_codes) {
    Data inner = data;
    inner.margin = {};
    if (!keeps_codes) {
        inner.value = numeric_value(state, node, inner);
        inner.changes.clear();
    }
    const int value = shaped_value(state, node, inner, image_shape(node, data.shape));
    const auto quantizer = keeps_codes ? state.network.values[size_t(value)].quantizer : std::nullopt;
    Data out = data;
    out.margin = {};
    out.value = add_node(state, node, op, {value}, node.output(), quantizer);
    if (!keeps_codes) {
        out.changes.clear();
        out.scale = 1;
    }
    const Shape& shape = value_of(state, out).shape;
    out.shape = data.shape.size() == 2 ? Shape{shape[0], shape[2]} : shape;
    set_output(state, node, out);
}

}  // namespace

Shape image_shape(const NodeView& node, const Shape& shape) {
    if (shape.size() == 2) return {shape[0], 1, shape[1]};
    if (shape.size() == 3) return shape;
    node.fail("input of shape {} per sample; channels with one or two spatial axes are read", to_string(shape));
}

Window read_window(const NodeView& node, const Shape& shape, const std::vector<int64_t>& kernel, const Margin& margin) {
    Shape image = image_shape(node, shape);
    image[1] += margin.top + margin.bottom;
    image[2] += margin.left + margin.right;
    const size_t axes = spatial_axes(shape);
    Window w;
    std::tie(w.kernel_h, w.kernel_w) = per_axis(node, "kernel_shape", kernel, axes, 1);
    std::tie(w.stride_h, w.stride_w) = per_axis(node, "strides", node.integers("strides"), axes, 1);
    std::tie(w.dilation_h, w.dilation_w) = per_axis(node, "dilations", node.integers("dilations"), axes, 1);
    if (w.kernel_h > kLargestSize / w.dilation_h || w.kernel_w > kLargestSize / w.dilation_w)
        node.fail("kernel {} x dilation {} violates extent <= 2^31", dims_text(kernel), w.dilation_h);
    read_pads(node, shape, image, &w);
    require_floor_mode(node, image, w);
    w.pad_top += margin.top;
    w.pad_left += margin.left;
    w.pad_bottom += margin.bottom;
    w.pad_right += margin.right;
    return w;
}

void import_max_pool(Importer& state, const NodeView& node) {
    if (node.proto().output_size() > 1 && !node.proto().output(1).empty())
        node.fail("its second output, the indices, is not read");
    if (!node.has("kernel_shape")) node.fail("attribute 'kernel_shape' is missing");
    const Data data = data_input(state, node, 0);
    require_no_margin(node, data);
    const Window window = read_window(node, data.shape, node.integers("kernel_shape"), {});
    emit_pool(state, node, data, Pool{Pool::Kind::max, window, false}, true);
}

void import_average_pool(Importer& state, const NodeView& node) {
    if (!node.has("kernel_shape")) node.fail("attribute 'kernel_shape' is missing");
    const Data data = data_input(state, node, 0);
    require_real(state, node, data);
    const Window own = read_window(node, data.shape, node.integers("kernel_shape"), {});
    const Window window = read_window(node, data.shape, node.integers("kernel_shape"), data.margin);
    bool count_padding = node.integer("count_include_pad", 0) != 0;
    if (data.margin != Margin{}) {
        // The zeros of a Pad count as elements, the pool's own padding may not: one of the two is expressed.
        const bool padded = own.pad_top != 0 || own.pad_left != 0 || own.pad_bottom != 0 || own.pad_right != 0;
        if (padded && !count_padding) node.fail("follows a Pad and has uncounted padding of its own");
        count_padding = true;
    }
    emit_pool(state, node, data, Pool{Pool::Kind::average, window, count_padding}, false);
}

void import_global_pool(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    require_no_margin(node, data);
    const Shape image = image_shape(node, data.shape);
    Window window;
    window.kernel_h = image[1];
    window.kernel_w = image[2];
    const bool average = node.type() == "GlobalAveragePool";
    if (average) require_real(state, node, data);
    emit_pool(state, node, data, Pool{average ? Pool::Kind::average : Pool::Kind::max, window, false}, !average);
}

namespace {

/// Pads for every axis of the tensor, batch included: all beginnings, then all ends.
std::vector<int64_t> read_all_pads(const Importer& state, const NodeView& node, int64_t rank) {
    std::vector<int64_t> given;
    if (node.has("pads")) {
        given = node.integers("pads");
    } else {
        const Tensor& tensor = constant_input(state, node, 1, "pads");
        if (!is_integer(tensor.type)) node.fail("pads '{}' are no integers", tensor.name);
        given = tensor.whole;
    }
    const Tensor* axes = optional_constant(state, node, 3, "axes");
    const int64_t count = axes != nullptr ? axes->count() : rank;
    if (static_cast<int64_t>(given.size()) != 2 * count)
        node.fail("{} pads violate two for each of {} axes", given.size(), count);
    std::vector<int64_t> pads(static_cast<size_t>(2 * rank), 0);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t axis =
            axes != nullptr && is_integer(axes->type) ? normalized_axis(node, axes->whole[size_t(i)], rank) : i;
        pads[size_t(axis)] = given[size_t(i)];
        pads[size_t(axis + rank)] = given[size_t(i + count)];
    }
    for (const int64_t p : pads)
        if (p < 0 || p > kLargestSize) node.fail("pads {} violates 0 <= pad <= 2^31", dims_text(pads));
    return pads;
}

/// Value of the padding; codes are padded with their zero point, so that it stands for 0.
void require_zero_padding(const Importer& state, const NodeView& node, const Data& data) {
    if (node.text("mode", "constant") != "constant")
        node.fail("mode '{}'; only 'constant' is read", node.text("mode", ""));
    double value = node.real("value", 0);
    if (const Tensor* tensor = optional_constant(state, node, 2, "constant value"))
        value = is_integer(tensor->type) ? static_cast<double>(tensor->whole[0]) : tensor->real[0];
    const int32_t zero = data.integer() && has_codes(state, data) ? value_of(state, data).quantizer->zero_point[0] : 0;
    if (value != zero) node.fail("pads with {}, where only zeros ({}) are read", value, zero);
}

}  // namespace

void import_pad(Importer& state, const NodeView& node) {
    Data data = data_input(state, node, 0);
    require_no_margin(node, data);
    const auto rank = static_cast<int64_t>(data.shape.size()) + 1;
    const std::vector<int64_t> pads = read_all_pads(state, node, rank);
    if (std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; })) return set_output(state, node, data);
    require_zero_padding(state, node, data);
    image_shape(node, data.shape);
    for (const int64_t axis : {int64_t(0), int64_t(1), rank, rank + 1})
        if (pads[size_t(axis)] != 0) node.fail("pads the batch or the channels; only spatial axes are read");
    if (rank == 4) {
        data.margin = {pads[2], pads[3], pads[6], pads[7]};
    } else {
        data.margin = {0, pads[2], 0, pads[5]};
    }
    set_output(state, node, data);
}

}  // namespace bitline::reader
