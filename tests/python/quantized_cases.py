"""Small quantized graphs: QDQ, operator form and codes as inputs, in every combination that the reader takes."""

import numpy as np
from onnx import TensorProto, helper
from operator_cases import WINDOWS, Case

CASES = {}


def case(name, shape, **options):
    def register(build):
        assert name not in CASES, name
        CASES[name] = Case(build, shape, **{"layers": 1, **options})
        return build

    return register


# --------------------------------------------------------------------------------------------- QDQ

for _name, _window in WINDOWS.items():

    @case(f"qdq_conv_{_name}", (4, 9, 8))
    def _conv(g, window=_window):
        return g.node("Conv", [g.quantized("x"), g.weights((6, 4, 3, 2), axis=0), g.normal(6)], **window)

    @case(f"qdq_conv_groups_{_name}", (4, 9, 8), step=0.1)
    def _conv_groups(g, window=_window):
        weights = g.weights((6, 2, 3, 2), dtype=np.uint8, zero_point=99)
        y = g.node("Conv", [g.quantized("x", 0.05, np.int8(-11)), weights, g.normal(6)], group=2, **window)
        return g.quantized(g.node("Relu", [y]), 0.1, np.uint8(0))


@case("qdq_conv_depthwise", (4, 9, 8))
def _(g):
    return g.node("Conv", [g.quantized("x"), g.weights((8, 1, 3, 3), axis=0)], group=4, pads=[1, 1, 1, 1])


@case("qdq_conv_one_dimension", (3, 11), step=0.05)
def _(g):
    y = g.node("Conv", [g.quantized("x", 0.02, np.uint8(100)), g.weights((5, 3, 3), axis=0)], pads=[1, 0])
    return g.quantized(g.node("Relu", [g.batch_norm(y, 5)]), 0.05, np.uint8(3))


for _name, (_type, _zero_point) in {
    "uint8": (np.uint8, 128),
    "uint8_lowest": (np.uint8, 0),
    "uint8_highest": (np.uint8, 255),
    "int8": (np.int8, 0),
    "int8_lowest": (np.int8, -128),
    "int8_shifted": (np.int8, 7),
}.items():

    @case(f"qdq_input_{_name}", (12,), opset=10)
    def _input(g, zero_point=_type(_zero_point)):
        return g.node("MatMul", [g.quantized("x", 0.02, zero_point), g.weights((12, 9))])

    @case(f"qdq_weights_{_name}", (12,))
    def _weights(g, dtype=_type, zero_point=_zero_point):
        return g.node("MatMul", [g.quantized("x"), g.weights((12, 9), axis=1, dtype=dtype, zero_point=zero_point)])

    @case(f"qdq_output_{_name}", (12,), step=0.2)
    def _output(g, zero_point=_type(_zero_point)):
        y = g.node("MatMul", [g.quantized("x"), g.weights((12, 9), axis=1)])
        return g.quantized(y, 0.2, zero_point)


@case("qdq_gemm", (7,))
def _(g):
    inputs = [g.quantized("x"), g.weights((5, 7), axis=0), np.float32(0.25)]
    return g.node("Gemm", inputs, transB=1, alpha=0.5, beta=2.0)


@case("qdq_gemm_integer_bias", (7,))
def _(g):
    bias = g.node("DequantizeLinear", [g.whole(-900, 900, 5, np.int32), np.float32(0.05 * 0.01), np.int32(0)])
    return g.node("Gemm", [g.quantized("x"), g.weights((5, 7)), bias], transB=1)


@case("qdq_scale_along_rows_stays_real", (7,), layers=0)
def _(g):
    return g.node("MatMul", [g.quantized("x"), g.weights((7, 5), axis=0)])


@case("qdq_matmul_then_bias", (7,), opset=10)
def _(g):
    return g.node("Add", [g.normal(1, 5), g.node("MatMul", [g.quantized("x"), g.weights((7, 5))])])


@case("qdq_float_weights_are_quantized", (7,))
def _(g):
    return g.node("MatMul", [g.quantized("x"), g.quantized(g.constant(g.normal(7, 5)), 0.02, np.int8(0))])


@case("qdq_residual", (3, 4, 4), step=0.08)
def _(g):
    x = g.quantized("x")
    y = g.node("Conv", [x, g.weights((3, 3, 3, 3), axis=0)], pads=[1, 1, 1, 1])
    y = g.quantized(g.node("Relu", [y]), 0.07, np.uint8(0))
    return g.quantized(g.node("Add", [x, y]), 0.08, np.uint8(60))


@case("qdq_pools", (4, 6, 6), step=0.05)
def _(g):
    y = g.node("MaxPool", [g.quantized("x")], kernel_shape=[2, 2])
    y = g.node("Conv", [y, g.weights((4, 4, 3, 3))])
    y = g.quantized(g.node("Relu", [y]), 0.05, np.uint8(0))
    return g.quantized(g.node("GlobalAveragePool", [y]), 0.05, np.uint8(0))


@case("qdq_average_pool_feeds_a_layer", (4, 6, 6))
def _(g):
    y = g.node("AveragePool", [g.quantized("x")], kernel_shape=[2, 2], strides=[2, 2])
    return g.node("Conv", [g.quantized(y, 0.031, np.uint8(120)), g.weights((4, 4, 3, 3))])  # 0.031: no ties


@case("qdq_concat_feeds_a_layer", (3, 4, 4))
def _(g):
    x = g.quantized("x")
    y = g.node("Concat", [x, g.node("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1])], axis=1)
    return g.node("Conv", [y, g.weights((2, 6, 1, 1), axis=0)])


@case("qdq_pad_feeds_a_layer", (2, 8, 6))
def _(g):
    y = g.quantized(g.node("Pad", ["x", np.array([0, 0, 1, 2, 0, 0, 0, 1])]), 0.05, np.uint8(77))
    return g.node("Conv", [y, g.weights((3, 2, 3, 3), axis=0)], pads=[1, 1, 1, 1])


@case("qdq_scale_changes", (6,))
def _(g):
    x = g.node("Div", [g.node("Mul", [g.quantized("x"), np.float32(0.25)]), np.float32(3)])
    return g.node("Add", [x, g.node("MatMul", [x, g.weights((6, 6))])])


@case("qdq_flatten_reshape", (3, 4, 4))
def _(g):
    y = g.node("Reshape", [g.quantized("x"), np.array([0, 16, 3])])
    return g.node("Gemm", [g.node("Flatten", [y]), g.weights((48, 5))])


for _i, _scale in enumerate([0.02, 0.05, 0.1, 0.3]):

    @case(f"qdq_batch_norm_becomes_thresholds_{_i}", (9,), step=_scale)
    def _thresholds(g, scale=_scale):
        y = g.batch_norm(g.node("MatMul", [g.quantized("x", 0.02, np.int8(-3)), g.weights((9, 40), axis=1)]), 40)
        return g.quantized(g.node("Clip", [y, np.float32(-1), np.float32(2)]), scale, np.int8(5))

    @case(f"sign_network_{_i}", (9,), layers=2)
    def _signs(g):
        first, second = (g.quantized(g.constant(g.normal(*shape)), 1, np.int8(0)) for shape in [(9, 40), (40, 3)])
        y = g.node("MatMul", [g.node("Sign", ["x"]), g.node("Sign", [first])])
        return g.node("MatMul", [g.node("Sign", [g.batch_norm(y, 40)]), second])


# --------------------------------------------------------------------------------- other bit widths


for _name, _type in {"int16": np.int16, "uint16": np.uint16}.items():

    @case(f"qdq_{_name}", (7,), opset=21)
    def _sixteen(g, dtype=_type):
        x = g.quantized("x", 0.001, dtype(5000))
        return g.node("MatMul", [x, g.weights((7, 5), axis=1, dtype=dtype)])

    @case(f"qdq_{_name}_microsoft", (7,), opset=13)
    def _microsoft(g, dtype=_type):
        return g.node("MatMul", [g.quantized("x", 0.001, dtype(5000), domain="com.microsoft"), g.weights((7, 5))])


for _name, _type, _low in [("int4", TensorProto.INT4, -8), ("uint4", TensorProto.UINT4, 0)]:

    @case(f"qdq_{_name}_weights", (7,), opset=21)
    def _four(g, element=_type, low=_low):
        codes = g.whole(low, low + 15, 35, np.int64)  # an odd number: half a byte is left over
        tensor = helper.make_tensor("codes", element, (7, 5), codes)
        return g.node("MatMul", [g.quantized("x"), g.node("DequantizeLinear", [tensor, np.float32(0.02)])])


# ------------------------------------------------------------------------------------- operator form

# ONNX Runtime's kernels for 8-bit products saturate pairs of products at 16 bits on some processors; weights of 7 bits
# stay clear of that.
SMALL = (-63, 63)


def _codes(g, scale, zero_point):
    scale, zero_point = g.constant(np.float32(scale)), g.constant(zero_point)
    return g.node("QuantizeLinear", ["x", scale, zero_point]), scale, zero_point


@case("qlinear_conv_per_channel", (2, 8, 6), step=0.05)
def _(g):
    out = [g.constant(np.float32(0.05)), g.constant(np.uint8(100))]
    scale = (g.random.random(5) * 0.01 + 0.001).astype(np.float32)
    weights = [g.whole(*SMALL, (5, 2, 3, 3), np.int8), scale, np.zeros(5, np.int8)]
    inputs = [*_codes(g, 0.03, np.uint8(120)), *weights, *out, g.whole(-500, 500, 5, np.int32)]
    y = g.node("QLinearConv", inputs, pads=[1, 0, 1, 1], strides=[2, 1])
    return g.node("DequantizeLinear", [y, *out])


@case("qlinear_conv_per_tensor", (4, 8, 6), opset=10, step=0.1)
def _(g):
    out = [g.constant(np.float32(0.1)), g.constant(np.uint8(128))]
    weights = [g.whole(0, 127, (6, 2, 3, 3), np.uint8), np.float32(0.01), np.uint8(60)]
    y = g.node("QLinearConv", [*_codes(g, 0.03, np.uint8(120)), *weights, *out], group=2, auto_pad="SAME_UPPER")
    return g.node("DequantizeLinear", [y, *out])


@case("qlinear_matmul", (7,), opset=10, step=0.05)
def _(g):
    out = [g.constant(np.float32(0.05)), g.constant(np.uint8(100))]
    weights = [g.whole(0, 255, (7, 5), np.uint8), np.float32(0.004), np.uint8(128)]
    y = g.node("QLinearMatMul", [*_codes(g, 0.03, np.uint8(120)), *weights, *out])
    return g.node("DequantizeLinear", [y, *out])


@case("qlinear_matmul_int8", (7,), opset=21, step=0.05)
def _(g):
    out = [g.constant(np.float32(0.05)), g.constant(np.int8(-10))]
    weights = [g.whole(*SMALL, (7, 5), np.int8), np.float32(0.01), np.int8(0)]
    y = g.node("QLinearMatMul", [*_codes(g, 0.03, np.int8(12)), *weights, *out])
    return g.node("DequantizeLinear", [y, *out])


@case("conv_integer", (2, 8, 6), opset=10)
def _(g):
    codes, _, zero_point = _codes(g, 0.03, np.uint8(120))
    weights = [g.whole(0, 255, (5, 2, 3, 3), np.uint8), zero_point, np.uint8(3)]
    y = g.node("ConvInteger", [codes, *weights], pads=[1, 1, 0, 0])
    y = g.node("Cast", [y], to=TensorProto.FLOAT)
    return g.node("Mul", [y, np.float32(0.001)])


@case("conv_integer_then_bias", (2, 8, 6), opset=14)
def _(g):
    codes, _, zero_point = _codes(g, 0.03, np.uint8(120))
    y = g.node("ConvInteger", [codes, g.whole(0, 255, (5, 2, 3, 3), np.uint8), zero_point])
    y = g.node("Add", [y, g.whole(-500, 500, (1, 5, 1, 1), np.int32)])
    return g.node("Mul", [g.node("Cast", [y], to=TensorProto.FLOAT), np.float32(0.001)])


@case("matmul_integer", (7,), opset=10)
def _(g):
    codes, _, zero_point = _codes(g, 0.03, np.uint8(120))
    y = g.node("MatMulInteger", [codes, g.whole(*SMALL, (7, 5), np.int8), zero_point])
    return g.node("Mul", [g.node("Cast", [y], to=TensorProto.FLOAT), np.float32(0.001)])


@case("matmul_integer_zero_point_of_weights", (7,), opset=10)
def _(g):
    codes, _, zero_point = _codes(g, 0.03, np.uint8(120))
    y = g.node("MatMulInteger", [codes, g.whole(0, 255, (7, 5), np.uint8), zero_point, np.uint8(100)])
    y = g.node("Mul", [g.node("Cast", [y], to=TensorProto.FLOAT), g.positive(5)])
    return g.node("Add", [y, g.normal(5)])


# ------------------------------------------------------------------------------------ codes as inputs


@case("codes_as_input", (2, 5, 5), element=TensorProto.UINT8)
def _(g):
    x = g.node("DequantizeLinear", ["x", np.float32(0.02), np.uint8(7)])
    return g.node("Conv", [x, g.weights((3, 2, 3, 3), axis=0)])


@case("signed_codes_as_input", (6,), element=TensorProto.INT8)
def _(g):
    return g.node("MatMul", [g.node("DequantizeLinear", ["x", np.float32(0.02), np.int8(-7)]), g.weights((6, 4))])


@case("codes_into_conv_integer", (2, 5, 5), element=TensorProto.UINT8)
def _(g):
    y = g.node("ConvInteger", ["x", g.whole(0, 255, (5, 2, 3, 3), np.uint8), np.uint8(7)])
    return g.node("Cast", [y], to=TensorProto.FLOAT)


@case("pixels_cast_and_quantized", (2, 5, 5), element=TensorProto.UINT8)
def _(g):
    x = g.node("Div", [g.node("Cast", ["x"], to=TensorProto.FLOAT), np.float32(255)])
    return g.node("Conv", [g.quantized(x, 1 / 255, np.uint8(0)), g.weights((2, 2, 3, 3))])


@case("qdq_static_batch_and_listed_initializers", (3, 6, 6), batch=1, opset=10, step=0.1)
def _(g):
    g.constants_as_inputs = True
    y = g.node("Conv", [g.quantized("x"), g.weights((4, 3, 3, 3))])
    return g.quantized(g.node("Relu", [y]), 0.1, np.uint8(0))
