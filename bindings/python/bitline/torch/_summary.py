"""What became of a model's layers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from .. import _bitline
from ._layers import CrossbarLayer, CrossbarLinear
from ._model import crossbar_layers, in_eval, restore

_COLUMNS = ("layer", "kind", "weights", "arrays", "w bit", "in bit", "gap")


@dataclass(frozen=True)
class AnalogSummary:
    """Layers of a converted model, as a table in text and in notebooks."""

    layers: list[dict[str, Any]]  # name, kind, weights (shape), arrays, weight_bits, input_bits, sqnr_db
    real: float | None = None  # accuracy of the float model on the samples given
    chip: float | None = None  # of the chips

    @property
    def arrays(self) -> int:
        """Of the whole model."""
        return sum(layer["arrays"] for layer in self.layers)

    @property
    def gap(self) -> float | None:
        """Accuracy lost from float to chip; None without labels."""
        return None if self.real is None or self.chip is None else self.real - self.chip

    def _rows(self) -> list[list[str]]:
        def gap(db: float | None) -> str:
            return "-" if db is None else "exact" if db == float("inf") else f"{db:.1f} dB"

        return [
            [
                layer["name"] or "(model)",
                layer["kind"],
                "x".join(map(str, layer["weights"])),
                str(layer["arrays"]),
                str(layer["weight_bits"]),
                str(layer["input_bits"]),
                gap(layer["sqnr_db"]),
            ]
            for layer in self.layers
        ]

    def _total(self) -> str:
        if self.real is None or self.chip is None:
            return ""
        return f"accuracy: float {self.real:.2%}, chip {self.chip:.2%}, gap {100 * (self.real - self.chip):.2f} points"

    def __str__(self) -> str:
        table = [list(_COLUMNS), *self._rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join(lines + [self._total()]).rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        total = f"<p>{escape(self._total())}</p>" if self._total() else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{total}"


def _row(name: str, layer: CrossbarLayer, sqnr: float | None) -> dict[str, Any]:
    mapping = _bitline.map_network(layer.network(), layer.crossbar.architecture, check_fit=False)
    groups = getattr(layer, "groups", 1)
    return {
        "name": name,
        "kind": "linear" if isinstance(layer, CrossbarLinear) else "conv" if groups == 1 else f"conv/{groups}",
        "weights": tuple(layer.weight.shape),
        "arrays": mapping.arrays,
        "weight_bits": layer.crossbar.weight_bits,
        "input_bits": layer.crossbar.input_bits,
        "sqnr_db": sqnr,
    }


class _Meter:
    """Compares what a layer gives with its exact integers, over all calls."""

    def __init__(self) -> None:
        self.signal = self.error = 0.0

    def __call__(self, layer: CrossbarLayer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        exact = layer.exact(inputs[0]).double()
        self.signal += float((exact**2).sum())
        self.error += float(((output.double() - exact) ** 2).sum())

    def db(self) -> float | None:
        if self.signal == 0:
            return None
        return float("inf") if self.error == 0 else 10 * float(torch.log10(torch.tensor(self.signal / self.error)))


def _accuracy(outputs: Tensor, labels: Tensor) -> float:
    return float((outputs.argmax(1) == labels).double().mean())


def analog_summary(model: nn.Module, sample: Any = None) -> AnalogSummary:
    """Layers on crossbars with their arrays, bits and gap.

    sample: inputs x, for the gap of each layer: the signal to error ratio of its chip over its exact integers, fed by
    the chips before it. With labels, (x, y), also what the whole model loses from float to chip.
    """
    layers = crossbar_layers(model)
    meters = {name: _Meter() for name in layers}
    real = chip = None
    if sample is not None:
        x, y = sample if isinstance(sample, (tuple, list)) else (sample, None)
        reads = [layer._reads for layer in layers.values()]
        hooks = [layer.register_forward_hook(meters[name]) for name, layer in layers.items()]
        try:
            with in_eval(model):
                outputs = model(x)
        finally:
            for hook in hooks:
                hook.remove()
            for layer, before in zip(layers.values(), reads, strict=True):
                layer._reads = before
        if y is not None:
            plain = restore(model).eval()
            with torch.no_grad():
                real, chip = _accuracy(plain(x), y), _accuracy(outputs, y)
    rows = [_row(name, layer, meters[name].db() if sample is not None else None) for name, layer in layers.items()]
    return AnalogSummary(rows, real, chip)
