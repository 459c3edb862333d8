"""Small graphs with QONNX's quantizers: every rounding mode with signed, narrow and zero point, on values and weights."""

import numpy as np
from operator_cases import Case

CASES = {}


def case(name, shape, **options):
    def register(build):
        assert name not in CASES, name
        CASES[name] = Case(build, shape, batch=1, ties=True, **options)
        return build

    return register


ROUNDINGS = ["ROUND", "HALF_EVEN", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
FORMS = {  # bits, signed, narrow, zero point
    "bipolar": (1, 1, 1, 0),
    "zero_one": (1, 0, 0, 0),
    "ternary": (2, 1, 1, 0),
    "three_bits_shifted": (3, 1, 0, 1),
    "four_bits_unsigned": (4, 0, 0, 5),
    "four_bits_unsigned_narrow": (4, 0, 1, 0),
    "eight_bits_shifted": (8, 1, 0, -7),
    "sixteen_bits": (16, 1, 0, 0),
}
for _rounding in ROUNDINGS:
    for _name, (_bits, _signed, _narrow, _zero_point) in FORMS.items():
        _form = {"bits": _bits, "signed": _signed, "narrow": _narrow, "rounding": _rounding}

        @case(f"quant_{_name}_{_rounding}", (40,))
        def _quant(g, form=_form, zero_point=_zero_point):
            scale = 0.25 if form["bits"] < 16 else 2.0**-10
            return g.node("Relu", [g.quant("x", scale, zero_point, **form)])

        @case(f"layer_{_name}_{_rounding}", (40,), layers=1)
        def _layer(g, form=_form, zero_point=_zero_point):
            x = g.quant("x", 0.5, 0, 4)
            scale = g.positive(1, 6) if form["bits"] > 1 else 0.5
            weights = g.quant(g.constant(g.normal(40, 6)), scale, zero_point, **form)
            y = g.batch_norm(g.node("MatMul", [x, weights]), 6)
            return g.quant(y, 0.25, zero_point, **{**form, "bits": min(form["bits"], 8)})


for _i in range(4):

    @case(f"bipolar_network_{_i}", (40,), layers=1)
    def _bipolar(g):
        weights = g.node("BipolarQuant", [g.normal(6, 40), g.positive(6, 1)])
        x = g.node("BipolarQuant", ["x", np.float32(0.5)])
        y = g.node("MatMul", [x, g.node("Transpose", [weights], perm=[1, 0])])
        y = g.node("Mul", [g.node("Sub", [y, g.normal(6)]), g.normal(1, 6)])
        return g.node("BipolarQuant", [y, np.float32(2)])

    @case(f"conv_network_{_i}", (3, 6, 6), layers=1)
    def _conv(g):
        weights = g.quant(g.constant(g.normal(4, 3, 3, 3)), g.positive(4, 1, 1, 1), 0, 3, narrow=1)
        x = g.quant("x", 0.25, 0, 3, signed=0)
        y = g.node("Conv", [x, weights, g.normal(4)], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        y = g.quant(g.node("Relu", [g.node("Mul", [y, g.normal(1, 4, 1, 1)])]), 0.5, 0, 4, signed=0)
        return g.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])


@case("bipolar_of_zero", (40,))
def _(g):
    below = g.node("Mul", [g.node("Relu", ["x"]), np.float32(-1)])  # about half of them zero
    return g.node("BipolarQuant", [below, np.float32(0.75)])


@case("undeclared_domain", (40,), layers=1)
def _(g):
    g.declares_domains = False
    weights = g.node("BipolarQuant", [g.normal(40, 6), np.float32(1)])
    return g.node("MatMul", [g.quant("x", 0.5, 0, 4), weights])


@case("domain_of_brevitas", (40,), layers=1)
def _(g):
    weights = g.node("BipolarQuant", [g.normal(40, 6), np.float32(1)], domain="onnx.brevitas")
    return g.node("MatMul", [g.node("BipolarQuant", ["x", np.float32(1)], domain="onnx.brevitas"), weights])


for _rounding in ("FLOOR", "ROUND", "CEIL"):
    for _bits, _kept in [(6, 4), (8, 3), (8, 8)]:

        @case(f"trunc_{_bits}_to_{_kept}_{_rounding}", (40,))
        def _trunc(g, bits=_bits, kept=_kept, rounding=_rounding):
            numbers = [np.float32(0.125), np.float32(0), np.float32(bits), np.float32(kept)]
            return g.node("Trunc", [g.quant("x", 0.125, 0, bits), *numbers], rounding_mode=rounding)
