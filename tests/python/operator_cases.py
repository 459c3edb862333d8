"""Small graphs, one for each operator and combination of attributes that the reader takes, but quantized layers."""

from dataclasses import dataclass
from typing import Callable

import numpy as np
from onnx import TensorProto


@dataclass(frozen=True)
class Case:
    build: Callable  # Graph -> name of the output
    shape: tuple  # of one sample of "x"
    opset: int = 13
    batch: object = "N"
    element: int = TensorProto.FLOAT
    layers: int = 0  # that crossbars take
    step: float = 0  # scale of the output's codes where it is quantized: results may differ by one step
    ties: bool = False  # every third input number is a multiple of 1/8


CASES = {}


def case(name, shape, **options):
    """Registers the function below it, which builds the graph."""

    def register(build):
        assert name not in CASES, name
        CASES[name] = Case(build, shape, **options)
        return build

    return register


# ------------------------------------------------------------------------------------------- windows

WINDOWS = {
    "plain": {},
    "strides": {"strides": [2, 1]},
    "asymmetric_pads": {"pads": [1, 0, 2, 1]},
    "same_upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same_lower": {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
    "valid": {"auto_pad": "VALID"},
    "dilations": {"dilations": [2, 1], "pads": [1, 1, 1, 1]},
    "kernel_shape": {"kernel_shape": [3, 2], "pads": [0, 1, 0, 1], "strides": [3, 2]},
}
for _name, _window in WINDOWS.items():

    @case(f"conv_{_name}", (4, 9, 8))
    def _conv(g, window=_window):
        return g.node("Conv", ["x", g.normal(6, 4, 3, 2), g.normal(6)], **window)

    @case(f"conv_groups_{_name}", (4, 9, 8))
    def _conv_groups(g, window=_window):
        return g.node("Conv", ["x", g.normal(6, 2, 3, 2)], group=2, **window)


@case("conv_depthwise", (4, 9, 8))
def _(g):
    return g.node("Conv", ["x", g.normal(8, 1, 3, 3), g.normal(8)], group=4, pads=[1, 1, 1, 1])


@case("conv_one_dimension", (3, 11))
def _(g):
    y = g.node("Conv", ["x", g.normal(5, 3, 3), g.normal(5)], pads=[1, 0], strides=[2])
    y = g.node("MaxPool", [g.batch_norm(y, 5)], kernel_shape=[2])
    return g.node("Flatten", [y])


@case("pad_before_conv", (2, 8, 6))
def _(g):
    y = g.node("Pad", ["x", np.array([0, 0, 1, 2, 0, 0, 0, 1])])
    return g.node("Conv", [y, g.normal(3, 2, 3, 3)], pads=[1, 1, 1, 1])


POOLS = {
    "plain": {"kernel_shape": [2, 2]},
    "asymmetric_pads": {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]},
    "same_upper": {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same_lower": {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "strides": [1, 2]},
    "valid": {"kernel_shape": [3, 2], "auto_pad": "VALID", "strides": [2, 2]},
}
for _name, _pool in POOLS.items():

    @case(f"max_pool_{_name}", (2, 8, 6), opset=11)
    def _max_pool(g, pool=_pool):
        return g.node("MaxPool", ["x"], **pool)

    for _count in (0, 1):

        @case(f"average_pool_{_name}_count_{_count}", (2, 8, 6), opset=11)
        def _average_pool(g, pool=_pool, count=_count):
            return g.node("AveragePool", ["x"], count_include_pad=count, **pool)


@case("max_pool_dilations", (2, 8, 6))
def _(g):
    return g.node("MaxPool", ["x"], kernel_shape=[2, 2], dilations=[2, 3])


@case("global_pools", (2, 8, 6), opset=7)
def _(g):
    return g.node("Concat", [g.node("GlobalAveragePool", ["x"]), g.node("GlobalMaxPool", ["x"])], axis=1)


# ----------------------------------------------------------------------------------------- products


@case("gemm", (7,), opset=7)
def _(g):
    return g.node("Gemm", ["x", g.normal(7, 5), g.normal(5)])


@case("gemm_scaled", (7,))
def _(g):
    return g.node("Gemm", ["x", g.normal(7, 5), g.normal(1, 5)], alpha=0.5, beta=2.0)


@case("gemm_transposed", (7,), opset=9)
def _(g):
    return g.node("Gemm", ["x", g.normal(5, 7), np.float32(0.25)], transB=1, alpha=-2.0)


@case("gemm_without_bias", (7,), opset=11)
def _(g):
    return g.node("Gemm", ["x", g.normal(5, 7)], transB=1)


@case("matmul_then_bias", (7,), opset=7)
def _(g):
    y = g.node("MatMul", ["x", g.normal(7, 5)])
    return g.node("Add", [g.normal(5), y])


# -------------------------------------------------------------------------------------- arithmetic

CONSTANTS = {"scalar": (), "one": (1,), "per_channel": (4, 1, 1), "per_element": (4, 3, 2), "with_batch": (1, 4, 1, 1)}
for _operator in ("Add", "Sub", "Mul", "Div"):
    for _name, _shape in CONSTANTS.items():

        @case(f"{_operator}_{_name}", (4, 3, 2), opset=7)
        def _arithmetic(g, operator=_operator, shape=_shape):
            left = g.node(operator, ["x", g.positive(*shape)])
            return g.node("Relu", [left])

        @case(f"{_operator}_{_name}_first", (4, 3, 2), opset=14)
        def _arithmetic_first(g, operator=_operator, shape=_shape):
            return g.node(operator, [g.positive(*shape), g.node("Add", [g.node("Relu", ["x"]), np.float32(0.5)])])


for _exponent in (2.0, 0.5, 3.0, -1.0):

    @case(f"pow_{_exponent}", (4, 3, 2))
    def _pow(g, exponent=_exponent):
        return g.node("Pow", [g.node("Add", [g.node("Relu", ["x"]), np.float32(0.5)]), np.float32(exponent)])


@case("constants_are_folded", (6,), opset=9)
def _(g):
    root = g.node("Pow", [g.positive(1), np.float32(0.5)])
    scale = g.node("Div", [g.node("Mul", [g.normal(6), np.float32(3)]), root])
    shift = g.node("Sub", [np.float32(0), g.node("Add", [scale, g.normal(6)])])
    return g.node("Add", [g.node("Mul", ["x", scale]), shift])


@case("residual", (4, 6, 6))
def _(g):
    y = g.node("Conv", ["x", g.normal(4, 4, 3, 3)], pads=[1, 1, 1, 1])
    return g.node("Relu", [g.node("Add", [y, "x"])])


for _opset in (7, 9, 13, 15):

    @case(f"batch_norm_opset_{_opset}", (4, 3, 2), opset=_opset)
    def _batch_norm(g):
        return g.batch_norm("x", 4)


@case("batch_norm_vector", (6,))
def _(g):
    return g.node("BatchNormalization", ["x", *(g.positive(6) for _ in range(4))], epsilon=1e-3)


# --------------------------------------------------------------------------------------- functions


@case("clip_attributes", (4, 3), opset=7)
def _(g):
    return g.node("Clip", ["x"], min=-0.5, max=0.25)


@case("clip_inputs", (4, 3), opset=11)
def _(g):
    return g.node("Clip", [g.node("Clip", ["x", np.float32(-0.4)]), "", np.float32(0.3)])


@case("relu6", (4, 3), opset=7)
def _(g):
    return g.node("Clip", [g.node("Mul", ["x", np.float32(4)])], min=0.0, max=6.0)


@case("sign_of_zero", (4, 3), opset=9)
def _(g):
    return g.node("Sign", [g.node("Relu", ["x"])])


@case("sigmoid_tanh", (4, 3))
def _(g):
    return g.node("Sigmoid", [g.node("Tanh", ["x"])])


for _opset, _axes in {7: [None, 1, 2], 11: [1, 2, -1], 13: [None, 1, 2, -1]}.items():
    for _axis in _axes:

        @case(f"softmax_opset_{_opset}_axis_{_axis}", (3, 4), opset=_opset)
        def _softmax(g, axis=_axis):
            return g.node("Softmax", ["x"], **({} if axis is None else {"axis": axis}))


@case("identity_dropout", (3, 4))
def _(g):
    return g.node("Identity", [g.node("Dropout", [g.node("Relu", ["x"])])])


@case("dropout_with_ratio", (3, 4), opset=7)
def _(g):
    return g.node("Relu", [g.node("Dropout", ["x"], ratio=0.3)])


# ------------------------------------------------------------------------------------------ shapes

for _i, _target in enumerate([[0, -1], [-1, 48], [0, 0, -1], [0, 4, 3, 4], [-1, 3, 16]]):

    @case(f"reshape_{_i}", (3, 4, 4))
    def _reshape(g, target=_target):
        return g.node("Reshape", [g.node("Relu", ["x"]), np.array(target)])


@case("reshape_computed", (3, 4, 4), opset=9)
def _(g):
    batch = g.node("Gather", [g.node("Shape", ["x"]), np.int64(0)], axis=0)
    target = g.node("Concat", [g.node("Unsqueeze", [batch], axes=[0]), np.array([-1])], axis=0)
    return g.node("Relu", [g.node("Reshape", ["x", target])])


@case("reshape_of_products", (3, 4, 4), opset=13)
def _(g):
    shape = g.node("Shape", ["x"])
    batch = g.node("Slice", [shape, np.array([0]), np.array([1])])
    channels = g.node("Gather", [shape, np.int64(1)])
    pixels = g.node("Mul", [channels, np.int64(16)])
    target = g.node("Concat", [batch, g.node("Unsqueeze", [pixels, np.array([0])])], axis=0)
    return g.node("Relu", [g.node("Reshape", ["x", g.node("Cast", [target], to=TensorProto.INT64)])])


@case("reshape_static_batch", (3, 4, 4), batch=1)
def _(g):
    return g.node("Gemm", [g.node("Reshape", ["x", np.array([1, 48])]), g.normal(48, 3)])


@case("flatten", (3, 4, 4), opset=7)
def _(g):
    return g.node("Gemm", [g.node("Flatten", ["x"], axis=1), g.normal(48, 3), g.normal(3)])


@case("squeeze_attributes", (1, 5, 1), opset=11)
def _(g):
    y = g.node("Squeeze", ["x"], axes=[1, -1])
    return g.node("Relu", [g.node("Unsqueeze", [y], axes=[1])])


@case("squeeze_inputs", (5, 1, 1), opset=13)
def _(g):
    y = g.node("Squeeze", ["x", np.array([2, 3])])
    return g.node("Relu", [g.node("Unsqueeze", [y, np.array([-1])])])


@case("channels_last", (5, 6, 3))
def _(g):
    y = g.node("Conv", [g.node("Transpose", ["x"], perm=[0, 3, 1, 2]), g.normal(4, 3, 3, 3)])
    return g.node("Flatten", [g.node("Transpose", [y], perm=[0, 2, 3, 1])])


@case("transposed_weights", (6,))
def _(g):
    return g.node("MatMul", ["x", g.node("Transpose", [g.normal(4, 6)], perm=[1, 0])])


@case("concat", (3, 4, 4))
def _(g):
    pooled = g.node("MaxPool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return g.node("Concat", ["x", pooled, g.node("Relu", ["x"])], axis=1)


@case("concat_width", (3, 4, 4))
def _(g):
    return g.node("Concat", ["x", g.node("Relu", ["x"])], axis=-1)


# ------------------------------------------------------------------------------------ forms of files


@case("initializers_are_inputs", (3, 6, 6), opset=7)
def _(g):
    g.constants_as_inputs = True
    y = g.node("Conv", ["x", g.normal(4, 3, 3, 3), g.normal(4)])
    return g.node("Relu", [g.batch_norm(y, 4)])


for _opset in (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21):

    @case(f"network_opset_{_opset}", (3, 8, 8), opset=_opset, batch=1 if _opset % 2 else "N")
    def _network(g):
        y = g.node("Relu", [g.node("Conv", ["x", g.normal(4, 3, 3, 3), g.normal(4)], pads=[1, 1, 1, 1])])
        y = g.node("AveragePool", [g.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])], kernel_shape=[2, 2])
        y = g.node("Dropout", [g.node("Flatten", [y])])
        return g.node("Softmax", [g.node("Gemm", [y, g.normal(36, 5), g.normal(5)])], axis=1)
