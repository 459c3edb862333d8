"""Whole models: converted, calibrated, programmed, aged, and back."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .. import _bitline
from ._layers import KINDS, OF_CROSSBARS, STRENGTHS, Crossbar, CrossbarLayer

ModelT = TypeVar("ModelT", bound=nn.Module)


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise _bitline.ConfigError(f"{name} = {value} violates {low} <= {name} <= {high}")


def crossbar_layers(model: nn.Module) -> dict[str, CrossbarLayer]:
    """By name, in the order of the model's modules."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, CrossbarLayer)}
    if not layers:
        raise _bitline.ConfigError("the model has no crossbar layers: call bitline.torch.convert first")
    return layers


def _check_layer(name: str, layer: Any) -> None:
    if isinstance(layer.weight, nn.parameter.UninitializedParameter):
        raise _bitline.ConfigError(f"layer {name}: its shape is not known yet; run the model once before")
    if layer.weight.dtype != torch.float32:
        raise _bitline.ConfigError(f"layer {name}: weights of type {layer.weight.dtype} violate torch.float32")
    if getattr(layer, "padding_mode", "zeros") != "zeros":
        raise _bitline.ConfigError(
            f"layer {name}: padding_mode = {layer.padding_mode!r} violates 'zeros', the only one that crossbars know; "
            f"leave it out with skip=[{name!r}]"
        )


def _replace(model: nn.Module, made: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """The model with some of its modules in the place of others, wherever they stand."""
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):
            if child is not None and child in made:
                module._modules[name] = made[child]
    return made.get(model, model)


def _of_class(layer: nn.Module, kind: Any) -> Any:
    """The same parameters, buffers, options and hooks in another class."""
    made = kind.__new__(kind)
    made.__dict__.update(layer.__dict__)
    return made


def _bits_of(
    name: str, layer_bits: Mapping[str, tuple[int, int]], weight_bits: int, input_bits: int
) -> tuple[int, int]:
    weights, inputs = layer_bits.get(name, (weight_bits, input_bits))
    _require("weight_bits", weights, 2, 16)
    _require("input_bits", inputs, 1, 16)
    return weights, inputs


def convert(
    model: ModelT,
    architecture: _bitline.Architecture | str,
    *,
    weight_bits: int = 8,
    input_bits: int = 8,
    hardware: str | None = "noise",
    seed: int = 0,
    layer_bits: Mapping[str, tuple[int, int]] | None = None,
    skip: Iterable[str] = (),
    weight_noise: float = 0.05,
    ages: tuple[float, float] = (0.0, 0.0),
    calibration_samples: int = 64,
    inplace: bool = False,
) -> ModelT:
    """A copy of the model whose Linear, Conv1d and Conv2d layers stand on crossbars; everything else is untouched.

    Subclasses of these layers, and products that a model computes by functions, stay as they are.

    architecture: the chip, a `bl.Architecture` or the name of one. weight_bits: 2 to 16, symmetric per output;
    input_bits: 1 to 16, unsigned with a zero point; layer_bits: {"fc": (8, 8)}, before both.
    hardware: what ``train()`` meets beside the quantizers, with straight-through gradients. "noise": normal errors of
    `weight_noise` times the largest |w|, new in every step. "device": what the cells of a freshly programmed chip
    multiply by. "full": the simulation of a fresh chip as the forward pass; gradients stop where converters clipped.
    Chips have an age drawn from `ages` (s), uniform in its logarithm. None: quantizers alone.
    seed: of all chips and noise, for each layer another; the same seed gives the same bits.
    skip: names of layers that stay digital. calibration_samples: kept by each layer where converters are calibrated.

    >>> import torch, bitline.torch as bt
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    >>> bt.convert(model, "isaac", skip=["2"])
    Sequential(
      (0): CrossbarConv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), on isaac, bits=8/8, hardware=noise)
      (1): Flatten(start_dim=1, end_dim=-1)
      (2): Linear(in_features=144, out_features=10, bias=True)
    )
    """
    if not isinstance(model, nn.Module):
        raise _bitline.ConfigError(f"model: expected a torch.nn.Module, not {type(model).__name__}")
    if hardware is not None and hardware not in STRENGTHS:
        raise _bitline.ConfigError(f"hardware = {hardware!r} is none of {', '.join(STRENGTHS)}, None")
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise _bitline.ConfigError("the model is converted already: bitline.torch.restore(model) gives it back")
    _require("weight_noise", weight_noise, 0, 10)
    _require("ages", ages[0], 0, ages[1])
    _require("ages", ages[1], 0, 1e12)
    _require("calibration_samples", calibration_samples, 1, 1000000)
    _bitline.chip_seed(seed, 0)  # refuses what no seed can be
    chip = _bitline.Architecture.preset(architecture) if isinstance(architecture, str) else architecture
    if not isinstance(chip, _bitline.Architecture):
        raise _bitline.ConfigError("architecture: expected a bitline.Architecture or the name of one")

    target = model if inplace else copy.deepcopy(model)
    skipped, special = set(skip), dict(layer_bits or {})
    named = {name: module for name, module in target.named_modules() if type(module) in KINDS}
    for name in sorted(skipped | set(special)):
        if name not in named:
            raise _bitline.ConfigError(f"no layer {name!r} can stand on crossbars; those are {', '.join(named)}")
    made: dict[nn.Module, CrossbarLayer] = {}
    for name, layer in named.items():
        if name in skipped:
            continue
        _check_layer(name, layer)
        weights, inputs = _bits_of(name, special, weight_bits, input_bits)
        made[layer] = _of_class(layer, KINDS[type(layer)])
        made[layer]._start(
            Crossbar(
                chip, len(made) - 1, weights, inputs, hardware, seed, weight_noise, (ages[0], ages[1]), calibration_samples
            )
        )
    if not made:
        raise _bitline.ConfigError("the model has no Linear, Conv1d or Conv2d layer to put on crossbars")
    return _replace(target, made)  # type: ignore[return-value]


def restore(model: nn.Module) -> nn.Module:
    """A copy as it was before `convert`, with the weights as they are now.

    >>> import torch, bitline.torch as bt
    >>> bt.restore(bt.convert(torch.nn.Linear(3, 2), "default"))
    Linear(in_features=3, out_features=2, bias=True)
    """
    target = copy.deepcopy(model)
    plain = {made: kind for kind, made in KINDS.items()}
    restored: dict[nn.Module, nn.Module] = {}
    for layer in crossbar_layers(target).values():
        back = _of_class(layer, plain[type(layer)])
        for name in OF_CROSSBARS:
            del back.__dict__[name]
        restored[layer] = back
    return _replace(target, restored)


@contextmanager
def in_eval(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode without gradients; afterwards as before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _inputs_of(batches: Any) -> Iterator[Any]:
    """Inputs of batches as a DataLoader gives them: x, (x, y), ..."""
    if isinstance(batches, Tensor):
        yield batches
        return
    for batch in batches:
        yield batch[0] if isinstance(batch, (tuple, list)) else batch


def calibrate(model: nn.Module, batches: Any) -> None:
    """Sets the ranges of all inputs from data, and keeps what converters and compensation are calibrated with.

    batches: inputs, or batches of a DataLoader: x or (x, y). The model runs on them in float, in eval mode.
    """
    layers = crossbar_layers(model)
    before = [(layer._range, layer._samples) for layer in layers.values()]
    for layer in layers.values():
        layer._calibrating, layer._range, layer._samples = True, None, None
    try:
        with in_eval(model):
            for x in _inputs_of(batches):
                model(x)
        unseen = [name for name, layer in layers.items() if layer._range is None]
        if unseen:
            raise _bitline.ConfigError(f"calibration: no sample reached {', '.join(unseen)}")
    except BaseException:
        for layer, (seen, samples) in zip(layers.values(), before, strict=True):
            layer._range, layer._samples = seen, samples
        raise
    finally:
        for layer in layers.values():
            layer._calibrating, layer._made = False, None


def program(model: nn.Module, trial: int = 0) -> None:
    """From now on ``eval()`` is chip number `trial` of the seed, freshly programmed at 300 K.

    Its reads begin anew, so that the same calls give the same bits.
    """
    _require("trial", trial, 0, 999999)
    for layer in crossbar_layers(model).values():
        layer._trial, layer._seconds, layer._temperature, layer._reads = trial, 0.0, 300.0, 0


def age(model: nn.Module, seconds: float, temperature: float = 300.0) -> None:
    """From now on ``eval()`` is the chip `seconds` after it was programmed, at `temperature` (K)."""
    _require("seconds", seconds, 0, 1e12)
    _require("temperature", temperature, 1, 2000)
    for layer in crossbar_layers(model).values():
        layer._seconds, layer._temperature, layer._reads = float(seconds), float(temperature), 0
