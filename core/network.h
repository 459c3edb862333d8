#pragma once

// A network is a checked graph of layers. A value that flows along an edge holds either integer codes with a quantizer
// (x = (q - zero_point) * scale) or real numbers (float32). An operator that needs real numbers reads codes through
// that relation; an operator that only moves or compares numbers (max pooling, reshape, permute, concatenation of
// equally quantized values) keeps the codes.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bitline {

using Shape = std::vector<int64_t>;  // sizes per sample, without the batch: {features}, {channels, height, width}, ...

int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "3x32x32"

/// Integer codes and what they stand for: x = (q - zero_point) * scale.
struct Quantizer {
    enum class Kind {
        uniform,  // every integer of [code_min, code_max]
        bipolar,  // -1 and +1 only
    };
    Kind kind = Kind::uniform;
    std::vector<float> scale;         // one entry, or one per slice along `axis`; > 0
    std::vector<int32_t> zero_point;  // same length as scale
    int axis = 0;                     // weights: 0 is the output channel. Activations are quantized per tensor.
    int bits = 8;                     // 1 <= bits <= 16
    bool is_signed = true;
    bool narrow = false;  // signed: leaves out the lowest code; unsigned: leaves out the highest (as in QONNX)

    int32_t code_min() const;
    int32_t code_max() const;
    bool per_tensor() const { return scale.size() == 1; }
    bool operator==(const Quantizer&) const = default;
};

/// Rounding of x / scale to an integer. QONNX calls them ROUND, DOWN, FLOOR, CEIL, HALF_UP, HALF_DOWN and UP; its
/// HALF_UP and HALF_DOWN go by magnitude (away from zero, toward zero), so half_up and half_away are the same.
enum class Rounding { half_even, toward_zero, floor, ceil, half_up, half_down, half_away, away_from_zero };

// ---------------------------------------------------------------------------------------------- operators

/// Where a kernel window lies. Fully connected layers are the case with every size 1.
struct Window {
    int64_t kernel_h = 1, kernel_w = 1;
    int64_t stride_h = 1, stride_w = 1;
    int64_t dilation_h = 1, dilation_w = 1;
    int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
    bool operator==(const Window&) const = default;
};

/// Output size along one axis: floor((in + pad_a + pad_b - dilation*(kernel-1) - 1) / stride) + 1.
int64_t window_output(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads);

/// What follows the integer sum acc of a quantized layer. All arithmetic is float32 in the order printed here, rounded
/// to nearest even at each step; no fused multiply-add.
struct ScaleOutput {           // real output: y = float(acc) * scale[c], then y + bias[c] where a bias is given
    std::vector<float> scale;  // (out_channels), s_x * s_w[c] in float32
    std::vector<float> bias;   // (out_channels) or empty: a bias that is no whole multiple of s_x * s_w
    bool operator==(const ScaleOutput&) const = default;
};
struct RequantizeOutput {           // codes, ONNX operator form: q = clip(rne(float(acc) * multiplier[c]) + zero_point)
    std::vector<float> multiplier;  // (out_channels), s_x * s_w[c] / s_y in float32, product first
    bool operator==(const RequantizeOutput&) const = default;
};
struct ThresholdOutput {             // codes: q = code_min + number of steps crossed, for a rising channel
    std::vector<int64_t> threshold;  // (out_channels x levels-1), ascending in the level. Rising: a step is crossed
                                     // where acc >= threshold; falling: where acc <= threshold.
    std::vector<int8_t> falling;     // (out_channels), 1 where the codes fall as acc rises
    std::vector<int32_t> codes;      // (levels) the code of each level, ascending
    bool operator==(const ThresholdOutput&) const = default;
};

/// Convolution or fully connected layer: the one kind of layer that a crossbar takes.
/// Quantized: acc = sum (q_x - z_x)(q_w - z_w) + bias_codes, exact; the output follows `output`.
/// Real (weights given in `real_weights`): y = sum x w + real_bias in float32.
struct MatVec {
    bool is_convolution = false;
    int64_t in_channels = 0, out_channels = 0, groups = 1;
    Window window;

    std::vector<int32_t> codes;  // (out_channels x in_channels/groups x kernel_h x kernel_w), empty for a real layer
    Quantizer weight;            // per tensor or per output channel (axis 0)
    std::vector<int64_t> bias_codes;  // (out_channels) or empty, in units of s_x * s_w[c]

    std::vector<float> real_weights;  // same order as codes; empty for a quantized layer
    std::vector<float> real_bias;     // (out_channels) or empty; only with real_weights

    std::variant<ScaleOutput, RequantizeOutput, ThresholdOutput> output;

    bool quantized_weights() const { return !codes.empty(); }
    int64_t rows() const { return in_channels / groups * window.kernel_h * window.kernel_w; }  // per group
    bool operator==(const MatVec&) const = default;
};

/// codes = clip(round(x / scale) + zero_point). With `zero_point_inside` (QONNX) the sum is rounded: round(x/s + z).
struct Quantize {
    Quantizer to;
    Rounding rounding = Rounding::half_even;
    bool zero_point_inside = false;
    bool operator==(const Quantize&) const = default;
};

/// Drops low bits (QONNX Trunc): q = round_to(((x / scale) + zero_point) / 2^(in_bits - out_bits)) on `to`.
struct Truncate {
    Quantizer to;
    float input_scale = 1;
    int32_t input_zero_point = 0;
    int shift = 0;
    Rounding rounding = Rounding::floor;
    bool operator==(const Truncate&) const = default;
};

/// code = codes[number of thresholds t with x >= t]: quantizers with steps of any width, and single bits of them. NaN
/// crosses no threshold.
struct Bucketize {
    std::vector<float> threshold;  // ascending, finite; at least one
    std::vector<int32_t> codes;    // threshold.size() + 1, codes of `to`
    Quantizer to;
    bool operator==(const Bucketize&) const = default;
};

/// x op constant, float32. The constant has one entry, one per channel (per-sample axis 0), or one per element.
struct Arithmetic {
    enum class Kind { add, subtract, subtract_from, multiply, divide, divide_into, power } kind = Kind::add;
    std::vector<float> constant;
    bool operator==(const Arithmetic&) const = default;
};

/// y = x * a + b with a = gamma / sqrt(variance + epsilon), b = beta - mean * a, float32 (ONNX Runtime's order).
struct BatchNorm {
    std::vector<float> gamma, beta, mean, variance;  // (channels)
    float epsilon = 1e-5F;
    bool operator==(const BatchNorm&) const = default;
};

struct Activation {
    enum class Kind { relu, clip, sign, sigmoid, tanh } kind = Kind::relu;
    float low = 0, high = 0;  // clip only
    bool operator==(const Activation&) const = default;
};

struct Pool {
    enum class Kind { max, average } kind = Kind::max;
    Window window;
    bool count_padding = false;  // average: divide by the window's full size
    bool operator==(const Pool&) const = default;
};

struct AddValues {  // two values of equal shape, float32
    bool operator==(const AddValues&) const = default;
};
struct Concat {
    int64_t axis = 0;  // per-sample axis
    bool operator==(const Concat&) const = default;
};
struct Reshape {  // flatten, squeeze, reshape: the order of the elements stays
    bool operator==(const Reshape&) const = default;
};
struct Permute {
    std::vector<int64_t> order;  // output axis i is input axis order[i], per-sample axes
    bool operator==(const Permute&) const = default;
};
struct Softmax {
    int64_t axis = -1;  // per-sample axis; ONNX before opset 13: over all axes from `axis` on
    bool flatten_from_axis = false;
    bool operator==(const Softmax&) const = default;
};

using Operator = std::variant<MatVec, Quantize, Truncate, Arithmetic, BatchNorm, Activation, Pool, AddValues, Concat,
                              Reshape, Permute, Softmax, Bucketize>;

// ---------------------------------------------------------------------------------------------- graph

struct Value {
    std::string name;  // in a network read from ONNX, the tensor's name there
    Shape shape;
    std::optional<Quantizer> quantizer;  // set: integer codes; not set: real numbers
    bool operator==(const Value&) const = default;
};

struct Node {
    std::string name;
    std::string origin;       // the operators of the source file that it stands for, e.g. "Conv+BatchNormalization"
    std::vector<int> inputs;  // indices into Network::values
    int output = -1;          // index into Network::values
    Operator op;
    bool operator==(const Node&) const = default;
};

/// How raw samples become the network's input: (x * scale - mean[c]) / std[c].
struct Preprocess {
    float scale = 1;
    std::vector<float> mean{0.0F}, std{1.0F};  // one entry or one per channel; std > 0
    bool operator==(const Preprocess&) const = default;
};

struct Network {
    std::string name;
    std::vector<Value> values;
    std::vector<Node> nodes;                      // in an order in which every node comes after its inputs
    int input = -1;                               // value index
    int output = -1;                              // value index
    std::optional<Preprocess> preprocess;         // carried by the model (ONNX metadata `bitline.preprocess`)
    std::map<std::string, std::string> metadata;  // other metadata, kept as it came
    bool operator==(const Network&) const = default;
};

/// Checks every invariant that this header states (indices, order, shapes, sizes, finite numbers, code ranges).
/// Throws FormatError that names the node and the violated relation.
void validate(const Network& network);

/// Shape of the output of `op` for inputs of the given shapes. `wanted` is what Reshape takes its target from.
/// Throws FormatError with the violated relation.
Shape infer_shape(const Operator& op, const std::vector<Shape>& inputs, const Shape& wanted);

/// A MatVec that multiplies integer codes by integer codes: what `map_network` puts on crossbars.
bool is_mappable(const Network& network, const Node& node);

/// Output positions per sample of a MatVec: out_h * out_w (1 for a fully connected layer).
int64_t output_positions(const Network& network, const Node& node);

int64_t multiply_accumulates(const Network& network, const Node& node);

/// "fully connected", "convolution", "depthwise convolution", "grouped convolution", "max pool", ...
std::string describe_kind(const Operator& op);

}  // namespace bitline
