"""Builds small ONNX graphs for tests."""

import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

QONNX_DOMAIN = "qonnx.custom_op.general"
QONNX_OPERATORS = {"Quant", "BipolarQuant", "Trunc", "IntQuant"}


class Graph:
    """A graph with one input "x" of `shape` per sample; its random numbers depend on its name only."""

    def __init__(self, name, shape, opset=13, batch="N", element=TensorProto.FLOAT):
        self.name, self.shape, self.opset, self.batch, self.element = name, shape, opset, batch, element
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.nodes, self.constants, self.domains = [], [], []
        self.constants_as_inputs = False
        self.declares_domains = True

    def constant(self, value, dtype=np.float32):
        """Name of a new initializer; `value` is converted unless it is a TensorProto or an array of another kind."""
        name = f"c{len(self.constants)}"
        if isinstance(value, TensorProto):
            value.name = name
            self.constants.append(value)
        else:
            kept = isinstance(value, (np.ndarray, np.generic)) and value.dtype != np.float64
            self.constants.append(numpy_helper.from_array(np.asarray(value, None if kept else dtype), name))
        return name

    def node(self, operator, inputs, domain=None, **attributes):
        """Name of the node's first output. Inputs: names, or values that become initializers."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = f"t{len(self.nodes)}"
        if domain is None:
            domain = QONNX_DOMAIN if operator in QONNX_OPERATORS else ""
        if domain and domain not in self.domains:
            self.domains.append(domain)
        made = helper.make_node(operator, names, [output], name=f"{operator}{len(self.nodes)}", domain=domain)
        made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(made)
        return output

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def positive(self, *shape):
        return (np.abs(self.random.standard_normal(shape)) + 0.1).astype(np.float32)

    def whole(self, low, high, shape, dtype):
        """Random integers of low .. high."""
        return self.random.integers(low, high + 1, shape).astype(dtype)

    def quantized(self, value, scale=0.05, zero_point=np.uint8(110), domain=""):
        """QuantizeLinear and DequantizeLinear."""
        scale, zero_point = self.constant(np.float32(scale)), self.constant(zero_point)
        codes = self.node("QuantizeLinear", [value, scale, zero_point], domain=domain)
        return self.node("DequantizeLinear", [codes, scale, zero_point], domain=domain)

    def weights(self, shape, axis=None, dtype=np.int8, zero_point=0):
        """Random codes of the whole range with DequantizeLinear, per tensor or per slice of an axis."""
        info = np.iinfo(dtype)
        codes = self.whole(info.min, info.max, shape, dtype)
        if axis is None:
            return self.node("DequantizeLinear", [codes, np.float32(0.01), dtype(zero_point)])
        slices = shape[axis]
        scale = (self.random.random(slices) * 0.01 + 0.001).astype(np.float32)
        return self.node("DequantizeLinear", [codes, scale, np.full(slices, zero_point, dtype)], axis=axis)

    def quant(self, value, scale, zero_point, bits, signed=1, narrow=0, rounding="ROUND"):
        """QONNX's Quant."""
        constants = [np.asarray(scale, np.float32), np.asarray(zero_point, np.float32), np.float32(bits)]
        return self.node("Quant", [value, *constants], signed=signed, narrow=narrow, rounding_mode=rounding)

    def batch_norm(self, value, channels, signs=True):
        gamma = self.normal(channels) if signs else self.positive(channels)
        rest = [self.normal(channels), self.normal(channels), self.positive(channels)]
        return self.node("BatchNormalization", [value, gamma, *rest])

    def save(self, path, output, output_shape=None):
        inputs = [helper.make_tensor_value_info("x", self.element, [self.batch, *self.shape])]
        if self.constants_as_inputs:
            inputs += [helper.make_tensor_value_info(c.name, c.data_type, c.dims) for c in self.constants]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)]
        graph = helper.make_graph(self.nodes, self.name, inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        if self.declares_domains:
            opsets += [helper.make_opsetid(domain, 1) for domain in self.domains]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10 if self.opset >= 19 else 8
        save(model, path)

    def input_samples(self, samples):
        """Random inputs, as the graph's own type."""
        if self.element == TensorProto.UINT8:
            return self.whole(0, 255, (samples, *self.shape), np.uint8)
        if self.element == TensorProto.INT8:
            return self.whole(-128, 127, (samples, *self.shape), np.int8)
        return 1.5 * self.normal(samples, *self.shape)
