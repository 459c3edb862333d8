#pragma once

// The state of one import: what every ONNX tensor is known to be, and the network that grows from it.

#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/network.h"
#include "core/onnx/reader_node.h"
#include "core/onnx/reader_tensor.h"

namespace bitline::reader {

/// Multiplication or division of codes by one positive constant. It only changes their scale, so it becomes a node of
/// the network only where real numbers are asked for.
struct ScaleChange {
    std::string node, output;
    std::string origin;
    Arithmetic op;
};

/// Zeros around an image, from a Pad node; the convolution or pool that follows takes them into its window.
struct Margin {
    int64_t top = 0, left = 0, bottom = 0, right = 0;
    bool operator==(const Margin&) const = default;
};

inline constexpr size_t kMostScaleChanges = 16;

/// An ONNX tensor that depends on the network's input.
struct Data {
    int value = -1;  // index into Network::values
    Shape shape;     // per sample, as ONNX sees it; the value may have another one with the same elements
    ElementType type = ElementType::float32;  // ONNX's. Integer: the entries are the codes of the value, or whole
                                              // numbers that the value holds as real ones. Float: the entries are real,
                                              // (code - zero_point) * scale where the value has codes.
    std::vector<ScaleChange> changes;         // at most kMostScaleChanges
    float scale = 1;                          // of the codes, after `changes`
    Margin margin;                            // not yet part of `shape`

    bool integer() const { return is_integer(type); }
};

using Known = std::variant<std::shared_ptr<const Tensor>, Data>;

struct Importer {
    int opset = 0;
    int64_t batch = -1;  // declared batch size of the graph input, -1 where it is a symbol
    Network network;
    std::unordered_map<std::string, Known> known;
    int64_t budget = 0;  // numbers that may still be made of the file's: a small file cannot fill the memory
};

// ---------------------------------------------------------------------------------------------- what is known

const Known& known_input(const Importer& state, const NodeView& node, int i);
bool is_constant(const Importer& state, const NodeView& node, int i);  // false where the input is not given

/// The constant at input i. Throws FormatError where it depends on the network's input; `what` names its role.
const Tensor& constant_input(const Importer& state, const NodeView& node, int i, const std::string& what);
const Tensor* optional_constant(const Importer& state, const NodeView& node, int i, const std::string& what);

/// The tensor at input i, which must depend on the network's input.
Data data_input(const Importer& state, const NodeView& node, int i);

void set_output(Importer& state, const NodeView& node, Known known);
void set_constant(Importer& state, const NodeView& node, Tensor tensor);

// ---------------------------------------------------------------------------------------------- growing the network

const Value& value_of(const Importer& state, const Data& data);
bool has_codes(const Importer& state, const Data& data);
/// Quantizer of the codes with the scale that `data` gives them.
Quantizer effective_quantizer(const Importer& state, const Data& data);

int add_value(Importer& state, const std::string& name, Shape shape, std::optional<Quantizer> quantizer);

/// Appends a node that gives `output`, named after the ONNX node; the output's shape follows from infer_shape (`wanted`
/// for Reshape).
int add_node(Importer& state, const NodeView& node, Operator op, std::vector<int> inputs, const std::string& output,
             std::optional<Quantizer> quantizer = std::nullopt, const Shape& wanted = {});

/// Appends a node for the ONNX node's own output and makes it known with the given ONNX shape.
Data emit(Importer& state, const NodeView& node, Operator op, std::vector<int> inputs, Shape onnx_shape,
          std::optional<Quantizer> quantizer = std::nullopt);

/// Value that holds `data` as real numbers or unscaled codes, in any shape with the same elements: scale changes become
/// nodes. Throws where a margin is open, and where `data` are integer codes that stand for themselves.
int numeric_value(Importer& state, const NodeView& node, const Data& data);

/// Value that holds the codes of `data` in the shape that ONNX sees; scale changes stay pending.
int shaped_value(Importer& state, const NodeView& node, const Data& data, const Shape& shape);

/// numeric_value in the shape that ONNX sees.
int shaped_numeric_value(Importer& state, const NodeView& node, const Data& data);

/// Takes `count` numbers from the budget; throws where it is used up.
void spend(Importer& state, const NodeView& node, size_t count);

/// Throws where `data` carry the zeros of a Pad.
void require_no_margin(const NodeView& node, const Data& data);

/// Throws where `data` are whole numbers, on which real arithmetic is not meant.
void require_real(const Importer& state, const NodeView& node, const Data& data);

/// The one scale of a value of the network: every entry the same and > 0.
float scalar_scale(const NodeView& node, const Tensor& tensor);
void require_positive(const NodeView& node, const Tensor& scale);

/// `axis` counted from the end where negative; throws outside of the rank.
int64_t normalized_axis(const NodeView& node, int64_t axis, int64_t rank);

}  // namespace bitline::reader
