"""From a converted model to a Network."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import _bitline
from ._layers import CrossbarLayer, WeightCodes
from ._model import _replace, crossbar_layers

_QONNX = "qonnx.custom_op.general"


class _Quant(torch.autograd.Function):
    """QONNX's Quant: clip(round(x / scale + zero point)) in the graph that is exported; in PyTorch x itself."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, bits: Tensor, signed: int, narrow: int
    ) -> Tensor:
        return x.clone()

    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, zero_point: Any, bits: Any, signed: int, narrow: int) -> Any:
        options = {"signed_i": signed, "narrow_i": narrow, "rounding_mode_s": "ROUND"}
        return g.op(f"{_QONNX}::Quant", x, scale, zero_point, bits, **options).setType(x.type())


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float32)


class _Exported(nn.Module):
    """A crossbar layer as its quantizers and its product."""

    def __init__(self, layer: CrossbarLayer) -> None:
        super().__init__()
        self.layer = (layer,)  # no module of this one: the exporter takes what a state dict holds for tensors
        self.scale = WeightCodes.of(layer.weight, layer.crossbar.weight_bits).scale.detach()

    def forward(self, x: Tensor) -> Tensor:
        (layer,) = self.layer
        inputs = layer.quantizer()
        zero, bits = _number(inputs.zero_point), _number(inputs.bits)
        x_q = _Quant.apply(x, _number(inputs.scale), zero, bits, 0, 0)
        scale = self.scale.view(-1, *[1] * (layer.weight.dim() - 1))
        w_q = _Quant.apply(layer.weight, scale, _number(0), _number(layer.crossbar.weight_bits), 1, 1)
        return layer._product(x_q, w_q)


def to_network(model: nn.Module, sample: Tensor) -> _bitline.Network:
    """The whole model as a Network with the integers of its layers, for `bl.map_network` and `bl.simulate`.

    sample: an input of the model, with a first axis of samples. Goes through torch.onnx, which needs the package `onnx`
    (``pip install bitline[onnx]``); operators that Bitline does not know are refused by name.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError("to_network needs the package onnx: pip install bitline[onnx]") from error
    target = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    made: dict[nn.Module, nn.Module] = {layer: _Exported(layer) for layer in crossbar_layers(target).values()}
    target = _replace(target, made)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of itself
        path = Path(folder) / f"{type(model).__name__}.onnx"
        torch.onnx.export(
            target,
            (sample.detach().cpu(),),
            str(path),
            dynamo=False,
            opset_version=17,
            custom_opsets={_QONNX: 1},
            input_names=["input"],
            output_names=["output"],
        )
        return _bitline.read_onnx(path)
