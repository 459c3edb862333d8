#!/usr/bin/env python3
"""Trains the digits network in PyTorch and exports it as ONNX, quantized (QDQ) and float.

    python train.py [FOLDER]

1. Float training with batch norm; the batch norms are then folded into the convolutions -> digits_float.onnx
2. Quantization-aware training from there: weights int8, symmetric, one scale per output channel; activations uint8, one
   scale per tensor; biases int32 in units of s_x * s_w; straight-through gradients -> digits_cnn.onnx
3. ONNX Runtime, graph optimizations off, must give the accuracy that PyTorch gave.

Needs torch, onnx, onnxruntime, numpy and scikit-learn; half a minute on one core. One version of PyTorch on one machine
writes the same bytes again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

from make_digits import load_split

SEED = 1
FLOAT_EPOCHS, QUANTIZED_EPOCHS, BATCH = 60, 20, 32
PIXEL_MAX = 16  # grey levels 0 .. 16; the network sees pixel / 16
OPSET = 13
WEIGHT_MAX, ACTIVATION_MAX = 127, 255
RANGE_QUANTILE = 0.9995  # of a layer's float outputs: what its uint8 range covers


@dataclass(frozen=True)
class Layer:
    """One convolution (3 x 3, padding 1) or the fully connected layer; ReLU after all but the last."""

    name: str
    kind: str  # "conv" or "fc"
    inputs: int
    outputs: int
    pool: bool = False  # 2 x 2 max pooling behind the ReLU
    relu: bool = True


LAYERS = [
    Layer("conv1", "conv", 1, 16),
    Layer("conv2", "conv", 16, 32, pool=True),
    Layer("conv3", "conv", 32, 32, pool=True),
    Layer("fc", "fc", 128, 10, relu=False),
]


def product(layer, x, weight, bias):
    """The layer's matrix product."""
    if layer.kind == "conv":
        return F.conv2d(x, weight, bias, padding=1)
    return F.linear(x.flatten(1), weight, bias)


# ------------------------------------------------------------------------------------------------ float training


class FloatNet(torch.nn.Module):
    """The network while it is trained in float: a batch norm behind every convolution."""

    def __init__(self):
        super().__init__()
        self.products = torch.nn.ModuleList(
            torch.nn.Conv2d(a.inputs, a.outputs, 3, padding=1, bias=False)
            if a.kind == "conv"
            else torch.nn.Linear(a.inputs, a.outputs)
            for a in LAYERS
        )
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm2d(a.outputs) for a in LAYERS if a.kind == "conv")

    def forward(self, x):
        for index, layer in enumerate(LAYERS):
            x = product(layer, x, self.products[index].weight, self.products[index].bias)
            x = self.norms[index](x) if layer.kind == "conv" else x
            x = x.relu() if layer.relu else x
            x = F.max_pool2d(x, 2) if layer.pool else x
        return x

    def folded(self):
        """(weight, bias) per layer with the batch norms folded in."""
        parameters = []
        for index, layer in enumerate(LAYERS):
            weight, bias = self.products[index].weight.detach(), self.products[index].bias
            if layer.kind == "conv":
                norm = self.norms[index]
                gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
                weight, bias = weight * gain.reshape(-1, 1, 1, 1), norm.bias - norm.running_mean * gain
            parameters.append((weight.clone(), bias.detach().clone()))
        return parameters


def forward_float(parameters, x, keep=None):
    """The folded float network; `keep` collects each layer's output."""
    for layer, (weight, bias) in zip(LAYERS, parameters):
        x = product(layer, x, weight, bias)
        x = x.relu() if layer.relu else x
        if keep is not None:
            keep.append(x)
        x = F.max_pool2d(x, 2) if layer.pool else x
    return x


def jitter(x, generator):
    """Augmentation: every image moves by -1, 0 or 1 pixel along each axis; paper comes in at the edge."""
    padded = F.pad(x, (1, 1, 1, 1))
    shifts = torch.randint(0, 3, (len(x), 2), generator=generator).tolist()
    return torch.stack([image[:, dy : dy + 8, dx : dx + 8] for image, (dy, dx) in zip(padded, shifts)])


def train(forward, parameters, x, y, epochs, rate):
    """Adam with a cosine schedule over shuffled, jittered batches."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(parameters, lr=rate, weight_decay=1e-5)
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for first in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            optimizer.zero_grad()
            F.cross_entropy(forward(jitter(x[batch], generator)), y[batch]).backward()
            optimizer.step()
            schedule.step()


# ------------------------------------------------------------------------------------------------ quantized training


def round_through(x):
    """Round to nearest even; the gradient passes straight through."""
    return x + (torch.round(x) - x).detach()


def weight_scale(weight):
    """One scale per output channel: the largest weight becomes code 127."""
    return weight.detach().abs().flatten(1).amax(1) / WEIGHT_MAX


def fake_codes(x, scale, low, high):
    """Codes of x as float numbers: clip(round(x / scale))."""
    return round_through(x / scale).clamp(low, high)


def forward_quantized(parameters, scales, x):
    """The network as the integers will compute it. scales[i] belongs to layer i's input."""
    x = fake_codes(x, scales[0], 0, ACTIVATION_MAX) * scales[0]
    for index, (layer, (weight, bias)) in enumerate(zip(LAYERS, parameters)):
        scale = weight_scale(weight)
        column = scale.reshape(-1, *[1] * (weight.dim() - 1))
        unit = scales[index] * scale
        weight = fake_codes(weight, column, -WEIGHT_MAX, WEIGHT_MAX) * column
        x = product(layer, x, weight, round_through(bias / unit) * unit)
        if layer.relu:
            x = fake_codes(x.relu(), scales[index + 1], 0, ACTIVATION_MAX) * scales[index + 1]
        x = F.max_pool2d(x, 2) if layer.pool else x
    return x


def activation_scales(parameters, x):
    """Scale of every layer's input: the pixel's own step first, then from the float network's outputs."""
    outputs = []
    with torch.no_grad():
        forward_float(parameters, x, outputs)
    ranges = [np.quantile(a.numpy(), RANGE_QUANTILE) for a in outputs[:-1]]
    return [torch.tensor(1 / PIXEL_MAX)] + [torch.tensor(r / ACTIVATION_MAX, dtype=torch.float32) for r in ranges]


# ------------------------------------------------------------------------------------------------ export


class Graph:
    """Collects the nodes and initializers of an ONNX model."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def quantize(self, x, name, scale):
        """x -> QuantizeLinear -> DequantizeLinear, uint8 with zero point 0."""
        grid = [self.constant(f"{name}_scale", np.float32(scale)), self.constant(f"{name}_zero_point", np.uint8(0))]
        return self.dequantize(self.node("QuantizeLinear", [x, *grid], f"{name}_codes"), name, grid)

    def dequantize(self, codes, name, grid, **attributes):
        return self.node("DequantizeLinear", [codes, *grid], f"{name}_dequantized", **attributes)

    def stored(self, name, codes, scale):
        """Integer codes as an initializer behind a DequantizeLinear, one scale per output channel."""
        self.constant(f"{name}_codes", codes)
        zeros = np.zeros(len(scale), codes.dtype)
        grid = [self.constant(f"{name}_scale", scale), self.constant(f"{name}_zero_point", zeros)]
        return self.dequantize(f"{name}_codes", name, grid, axis=0)

    def multiply(self, layer, x, weight, bias):
        if layer.kind == "conv":
            return self.node("Conv", [x, weight, bias], layer.name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        return self.node("Gemm", [self.node("Flatten", [x], f"{layer.name}_input"), weight, bias], layer.name, transB=1)

    def pool(self, layer, x):
        return self.node("MaxPool", [x], f"{layer.name}_pool", kernel_shape=[2, 2], strides=[2, 2])

    def save(self, name, path):
        """Renames the last node's output to `logits` and writes the model."""
        self.nodes[-1].output[0] = "logits"
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
        graph = helper.make_graph(self.nodes, name, [image], [logits], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="bitline digits")
        model.ir_version = 7  # the first that knows opset 13
        helper.set_model_props(model, {"bitline.preprocess": f"scale=1/{PIXEL_MAX},mean=0,std=1"})
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def export_float(parameters, path):
    graph, x = Graph(), "image"
    for layer, (weight, bias) in zip(LAYERS, parameters):
        weight = graph.constant(f"{layer.name}_weight", weight.numpy())
        bias = graph.constant(f"{layer.name}_bias", bias.numpy())
        x = graph.multiply(layer, x, weight, bias)
        x = graph.node("Relu", [x], f"{layer.name}_relu") if layer.relu else x
        x = graph.pool(layer, x) if layer.pool else x
    graph.save("digits_float", path)


def integers(weight, bias, input_scale):
    """(weight codes int8, their scales, bias codes int32, their scales), float32 arithmetic as while training."""
    scale = weight_scale(weight)
    codes = fake_codes(weight.detach(), scale.reshape(-1, *[1] * (weight.dim() - 1)), -WEIGHT_MAX, WEIGHT_MAX)
    unit = input_scale * scale
    bias_codes = torch.round(bias.detach() / unit)
    return codes.numpy().astype(np.int8), scale.numpy(), bias_codes.numpy().astype(np.int32), unit.numpy()


def export_quantized(parameters, scales, path):
    graph = Graph()
    x = graph.quantize("image", "image", scales[0])
    for index, (layer, (weight, bias)) in enumerate(zip(LAYERS, parameters)):
        codes, scale, bias_codes, unit = integers(weight, bias, scales[index])
        weight = graph.stored(f"{layer.name}_weight", codes, scale)
        bias = graph.stored(f"{layer.name}_bias", bias_codes, unit)
        x = graph.multiply(layer, x, weight, bias)
        if layer.relu:
            x = graph.quantize(graph.node("Relu", [x], f"{layer.name}_relu"), f"{layer.name}_relu", scales[index + 1])
        if layer.pool:
            x = graph.quantize(graph.pool(layer, x), f"{layer.name}_pool", scales[index + 1])
    graph.save("digits_cnn", path)


# ------------------------------------------------------------------------------------------------ the run


def accuracy(logits, labels):
    return float((np.argmax(logits, 1) == labels).mean())


def run_onnx(path, x):
    """Logits from ONNX Runtime, every node computed as it is written."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return model.run(None, {"image": x})[0]


def report(name, trained, path, x, labels):
    """Prints both accuracies and insists that they are equal."""
    exported = accuracy(run_onnx(path, x), labels)
    print(f"{name}: {trained:.2%} in PyTorch, {exported:.2%} in ONNX Runtime from {path.name}", flush=True)
    if exported != trained:
        sys.exit(f"{path}: the exported network differs from the trained one")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    x_train, x_test, y_train, y_test = load_split()
    x, x_test = (torch.from_numpy(a.astype(np.float32) / PIXEL_MAX) for a in (x_train, x_test))
    y = torch.from_numpy(y_train.astype(np.int64))

    net = FloatNet()
    train(net, net.parameters(), x, y, FLOAT_EPOCHS, rate=2e-3)
    parameters = net.eval().folded()
    export_float(parameters, folder / "digits_float.onnx")
    with torch.no_grad():
        trained = accuracy(forward_float(parameters, x_test).numpy(), y_test)
    report("float", trained, folder / "digits_float.onnx", x_test.numpy(), y_test)

    scales = activation_scales(parameters, x)
    leaves = [tensor.requires_grad_() for pair in parameters for tensor in pair]
    train(lambda batch: forward_quantized(parameters, scales, batch), leaves, x, y, QUANTIZED_EPOCHS, rate=2e-4)
    export_quantized(parameters, scales, folder / "digits_cnn.onnx")
    with torch.no_grad():
        trained = accuracy(forward_quantized(parameters, scales, x_test).numpy(), y_test)
    report("8 bit", trained, folder / "digits_cnn.onnx", x_test.numpy(), y_test)


if __name__ == "__main__":
    main()
