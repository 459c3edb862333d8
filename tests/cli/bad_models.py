"""ONNX models that are wrong in one respect each. `MODELS[name]()` gives the file's bytes."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODELS = {}


def model(function):
    MODELS[function.__name__] = function
    return function


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def pack(nodes, constants, shape=("N", 1, 8, 8), output=("N", 10), opset=13, extra=(), metadata=None, **graph):
    """Bytes of a model with one input `x` and one output `y`."""
    inputs = graph.get("inputs", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)])
    outputs = graph.get("outputs", [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)])
    proto = helper.make_model(
        helper.make_graph(nodes, "bad", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", opset), *extra],
    )
    proto.ir_version = 8
    if metadata:
        helper.set_model_props(proto, metadata)
    return proto.SerializeToString()


def conv(weights, shape=("N", 1, 8, 8), **attributes):
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="first", **attributes)
    constants = [weights if isinstance(weights, TensorProto) else tensor("w", weights)]
    return pack([node], constants, shape, output=("N", None, None, None))


def dense(weights, **options):
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "w"], ["y"], name="last"),
    ]
    return pack(nodes, [tensor("w", weights)], **options)


def quantized(scale=0.1, zero=0, zero_type=np.uint8, weight_scale=0.1):
    """QDQ around a fully connected layer."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], name="flat"),
        helper.make_node("QuantizeLinear", ["flat", "s", "z"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], name="weights"),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="last"),
    ]
    constants = [
        tensor("s", scale),
        tensor("z", zero, zero_type),
        tensor("wq", np.ones((64, 10)), np.int8),
        tensor("ws", weight_scale),
        tensor("wz", 0, np.int8),
    ]
    return pack(nodes, constants)


def qonnx(bits, scale=0.1):
    node = helper.make_node("Quant", ["x", "s", "z", "b"], ["y"], "quant", domain="qonnx.custom_op.general", signed=1,
                            narrow=0, rounding_mode="ROUND")
    constants = [tensor("s", scale), tensor("z", 0.0), tensor("b", bits)]
    return pack([node], constants, output=("N", 1, 8, 8), extra=[helper.make_opsetid("qonnx.custom_op.general", 1)])


@model
def unknown_operator():
    return pack([helper.make_node("Frobnicate", ["x"], ["y"], name="odd one")], [])


@model
def unknown_domain():
    node = helper.make_node("Blur", ["x"], ["y"], name="blur7", domain="com.example")
    return pack([node], [], extra=[helper.make_opsetid("com.example", 1)])


@model
def recurrent():
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="memory", hidden_size=4)
    return pack([node], [tensor("w", np.ones((1, 16, 8))), tensor("r", np.ones((1, 16, 4)))])


@model
def nan_weight():
    weights = np.ones((64, 10))
    weights[3, 4] = np.nan
    return dense(weights)


@model
def infinite_weight():
    weights = np.ones((4, 1, 3, 3))
    weights[2, 0, 1, 1] = np.inf
    return conv(weights)


@model
def nan_bias():
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="first")
    return pack([node], [tensor("w", np.ones((2, 1, 3, 3))), tensor("b", [0, np.nan])], output=("N", 2, 6, 6))


@model
def zero_outputs():
    return conv(np.ones((0, 1, 3, 3)))


@model
def zero_sized_kernel():
    return conv(np.ones((4, 1, 0, 3)))


@model
def zero_sized_input():
    return conv(np.ones((4, 1, 3, 3)), shape=("N", 1, 0, 8))


@model
def negative_input_size():
    return conv(np.ones((4, 1, 3, 3)), shape=("N", 1, -8, 8))


@model
def unknown_input_size():
    return conv(np.ones((4, 1, 3, 3)), shape=("N", 1, "height", "width"))


@model
def wrong_channels():
    return conv(np.ones((4, 3, 3, 3)))


@model
def kernel_beyond_input():
    return conv(np.ones((4, 1, 11, 11)))


@model
def stride_zero():
    return conv(np.ones((4, 1, 3, 3)), strides=[0, 1])


@model
def negative_pads():
    return conv(np.ones((4, 1, 3, 3)), pads=[-1, 0, 0, 0])


@model
def huge_pads():
    return conv(np.ones((4, 1, 3, 3)), pads=[2**62, 2**62, 2**62, 2**62])


@model
def huge_dilation():
    return conv(np.ones((4, 1, 3, 3)), dilations=[2**62, 1])


@model
def odd_groups():
    return conv(np.ones((4, 1, 3, 3)), group=3)


@model
def zero_groups():
    return conv(np.ones((4, 1, 3, 3)), group=0)


@model
def missing_tensor():
    return pack([helper.make_node("Conv", ["x", "nowhere"], ["y"], name="first")], [])


@model
def cycle():
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="one"),
        helper.make_node("Add", ["a", "a"], ["b"], name="two"),
        helper.make_node("Relu", ["b"], ["y"], name="three"),
    ]
    return pack(nodes, [], output=("N", 1, 8, 8))


@model
def same_output_twice():
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="one"), helper.make_node("Relu", ["x"], ["y"], name="two")]
    return pack(nodes, [], output=("N", 1, 8, 8))


@model
def no_output():
    return pack([helper.make_node("Relu", ["x"], ["y"], name="one")], [], outputs=[])


@model
def no_input():
    return pack([helper.make_node("Relu", ["x"], ["y"], name="one")], [], inputs=[])


@model
def two_inputs():
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("N", 4)) for name in ("x", "x2")]
    return pack([helper.make_node("Add", ["x", "x2"], ["y"], name="one")], [], inputs=inputs, output=("N", 4))


@model
def short_raw_data():
    weights = tensor("w", np.ones((4, 1, 3, 3)))
    weights.raw_data = weights.raw_data[:-5]
    return conv(weights)


@model
def huge_shape_without_data():
    return conv(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**31, 2**31, 2**31, 2**31]))


@model
def negative_shape():
    return conv(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, -1, 3, 3]))


@model
def text_weights():
    return conv(TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"hello"]))


@model
def external_weights():
    weights = tensor("w", np.ones((4, 1, 3, 3)))
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../etc/passwd")
    return conv(weights)


@model
def old_opset():
    return pack([helper.make_node("Relu", ["x"], ["y"], name="one")], [], opset=6, output=("N", 1, 8, 8))


@model
def wrong_inner_size():
    return dense(np.ones((63, 10)))


@model
def impossible_reshape():
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"], name="fold")]
    return pack(nodes, [tensor("shape", [0, 7, 7], np.int64)])


@model
def zero_scale():
    return quantized(scale=0.0)


@model
def negative_scale():
    return quantized(scale=-0.5)


@model
def nan_scale():
    return quantized(scale=np.nan)


@model
def infinite_weight_scale():
    return quantized(weight_scale=np.inf)


@model
def wrong_zero_point_type():
    return quantized(zero_type=np.float32)


@model
def zero_bits():
    return qonnx(0.0)


@model
def forty_bits():
    return qonnx(40.0)


@model
def half_a_bit():
    return qonnx(2.5)


@model
def foreign_preprocess():
    relu = helper.make_node("Relu", ["x"], ["y"], name="one")
    return pack([relu], [], output=("N", 1, 8, 8), metadata={"bitline.preprocess": "scale=banana"})


@model
def negative_variance():
    node = helper.make_node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"], name="norm")
    constants = [tensor("g", [1]), tensor("b", [0]), tensor("m", [0]), tensor("v", [-1])]
    return pack([node], constants, output=("N", 1, 8, 8))


@model
def division_by_zero():
    node = helper.make_node("Div", ["x", "halves"], ["y"], name="halve")
    return pack([node], [tensor("halves", [0])], output=("N", 1, 8, 8))


@model
def no_nodes():
    return onnx.ModelProto(ir_version=8).SerializeToString()
