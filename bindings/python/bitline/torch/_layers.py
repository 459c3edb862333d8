"""Layers whose products are those of a crossbar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import _bitline

STRENGTHS = ("noise", "device", "full")


@dataclass(frozen=True)
class Crossbar:
    """What a layer is converted to; the same for all of a model but for number and bits."""

    architecture: _bitline.Architecture
    number: int  # of the layer within the model
    weight_bits: int
    input_bits: int
    hardware: str | None  # one of STRENGTHS; None: training meets the quantizers only
    seed: int
    weight_noise: float  # of strength noise: deviation over the largest |w|
    ages: tuple[float, float]  # s; strengths device and full draw one for every step
    calibration_samples: int


class _Instead(torch.autograd.Function):
    """`value` forward; backward the gradient goes to `x`, times `passed` where that is given (straight-through)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, passed: Tensor | None) -> Tensor:
        ctx.passed = passed
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        (gradient,) = gradients
        return (gradient if ctx.passed is None else gradient * ctx.passed), None, None


@dataclass(frozen=True)
class InputQuantizer:
    """Codes 0 .. 2^bits - 1 of x / scale + zero_point, rounded half to even in float32."""

    scale: float
    zero_point: int
    bits: int

    @staticmethod
    def of_range(low: float, high: float, bits: int) -> InputQuantizer:
        """Zero has a code of its own; without negative numbers it is code 0."""
        low, high, levels = min(low, 0.0), max(high, 0.0), 2**bits - 1
        scale = float(np.float32((high - low) / levels))
        if not scale > np.finfo(np.float32).tiny:
            return InputQuantizer(1.0, 0, bits)
        return InputQuantizer(scale, min(round(-low / scale), levels), bits)

    def codes(self, x: Tensor) -> Tensor:
        unbounded = torch.round(x / torch.tensor(self.scale, dtype=x.dtype, device=x.device) + self.zero_point)
        return unbounded.clamp(0, 2**self.bits - 1)

    def __call__(self, x: Tensor) -> Tensor:
        """What the codes stand for. The gradient passes where nothing was clipped."""
        codes = self.codes(x.detach())
        inside = (x.detach() >= (0 - self.zero_point - 0.5) * self.scale) & (
            x.detach() <= (2**self.bits - 0.5 - self.zero_point) * self.scale
        )
        passed: Tensor = _Instead.apply(x, (codes - self.zero_point) * self.scale, inside.to(x.dtype))
        return passed


@dataclass(frozen=True)
class WeightCodes:
    """Symmetric codes, one scale per output: w = codes * scale."""

    codes: Tensor  # float32 of whole numbers, shape of the weights
    scale: Tensor  # (outputs)

    @staticmethod
    def of(weight: Tensor, bits: int) -> WeightCodes:
        w = weight.detach().float()
        limit = 2 ** (bits - 1) - 1
        largest = w.abs().flatten(1).amax(1)
        scale = torch.where(largest > limit * torch.finfo(torch.float32).tiny, largest / limit, torch.ones_like(largest))
        codes = torch.round(w / scale.view(-1, *[1] * (w.dim() - 1))).clamp(-limit, limit)
        return WeightCodes(codes, scale)

    def values(self) -> Tensor:
        return self.codes * self.scale.view(-1, *[1] * (self.codes.dim() - 1))


class CrossbarLayer(nn.Module):
    """A layer on a simulated chip: what Linear, Conv1d and Conv2d become. Made by `bitline.torch.convert`.

    Parameters are those of the layer that it replaces, under the same names. In ``train()`` it multiplies as the
    model's `hardware` says, in ``eval()`` it is the chip number `trial` of the seed, `seconds` after programming; a chip
    is programmed anew where the weights have changed. Everything beside the weights travels in the state dict.
    """

    weight: Tensor
    bias: Tensor | None
    crossbar: Crossbar

    # --- what kinds of layers differ in

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        """The layer in PyTorch, with other weights."""
        raise NotImplementedError

    def _window(self) -> dict[str, Any]:
        """Stride, padding, dilation and groups as `layer_network` takes them."""
        return {}

    def _to_samples(self, x: Tensor) -> Tensor:
        """Along the first axis, each as the chip's layer takes it."""
        raise NotImplementedError

    def _from_samples(self, y: Tensor, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _check_shape(self, x: Tensor) -> None:
        raise NotImplementedError

    def _smallest_input(self) -> tuple[int, ...]:
        """A sample with a single product."""
        raise NotImplementedError

    # --- state

    def _start(self, crossbar: Crossbar) -> None:
        self.crossbar = crossbar
        self._range: tuple[float, float] | None = None  # of the inputs
        self._samples: Tensor | None = None  # inputs for converters' ranges and compensation
        self._step = 0  # of training
        self._reads = 0  # samples that the chip in use has seen
        self._trial, self._seconds, self._temperature = 0, 0.0, 300.0
        self._calibrating = False
        self._made: tuple[Any, ...] | None = None  # the latest chip with what it was made from

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}  # a chip is made again, the same

    def get_extra_state(self) -> dict[str, Any]:
        """What state_dict() holds beside the weights: range of the inputs, calibration, and which chip at which age."""
        return {
            "range": self._range,
            "samples": self._samples,
            "step": self._step,
            "reads": self._reads,
            "trial": self._trial,
            "seconds": self._seconds,
            "temperature": self._temperature,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Takes what `get_extra_state` gave."""
        given = state["range"]
        self._range = None if given is None else (float(given[0]), float(given[1]))
        self._samples = state["samples"]
        self._step, self._reads = int(state["step"]), int(state["reads"])
        self._trial, self._seconds = int(state["trial"]), float(state["seconds"])
        self._temperature = float(state["temperature"])
        self._made = None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """The state dict of the model as it was before `convert` will do: everything else stays as it is."""
        key = prefix + "_extra_state"
        if key not in state_dict:
            state_dict[key] = self.get_extra_state()
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def extra_repr(self) -> str:
        """PyTorch's line on the layer, and the chip."""
        plain: str = super().extra_repr()
        c = self.crossbar
        hardware = c.hardware or "none"
        return f"{plain}, on {c.architecture.name}, bits={c.weight_bits}/{c.input_bits}, hardware={hardware}"

    # --- chips

    @property
    def seed(self) -> int:
        """Of this layer's chips and noise: another one for each layer of a model."""
        return _bitline.chip_seed(self.crossbar.seed, self.crossbar.number)

    def quantizer(self) -> InputQuantizer:
        """Of the inputs, as calibrated."""
        if self._range is None:
            raise _bitline.RunError(
                "the range of a crossbar layer's inputs is not known yet: call bitline.torch.calibrate(model, batches), "
                "or train first"
            )
        return InputQuantizer.of_range(*self._range, self.crossbar.input_bits)

    def network(self, sample_shape: tuple[int, ...] | None = None) -> _bitline.Network:
        """The layer's integers for inputs of a shape (of the smallest unless given)."""
        inputs = self.quantizer() if self._range is not None else InputQuantizer(1.0, 0, self.crossbar.input_bits)
        weights = WeightCodes.of(self.weight, self.crossbar.weight_bits)
        codes = weights.codes.cpu().numpy().astype(np.int32)
        return _bitline.layer_network(
            codes[:, :, None, :] if codes.ndim == 3 else codes,
            weights.scale.cpu().numpy(),
            inputs.scale,
            list(sample_shape or self._smallest_input()),
            bias=None if self.bias is None else self.bias.detach().float().cpu().numpy(),
            weight_bits=self.crossbar.weight_bits,
            input_bits=self.crossbar.input_bits,
            input_zero_point=inputs.zero_point,
            **self._window(),
        )

    def _program(self, network: _bitline.Network, architecture: _bitline.Architecture, **chip: Any) -> _bitline.Chip:
        mapping = _bitline.map_network(network, architecture, check_fit=False)
        if not _bitline.needs_calibration(architecture):
            return _bitline.program(mapping, **chip)
        samples = None if self._samples is None else self._to_samples(self._samples).numpy()
        if samples is None or samples.shape[1:] != network.input_shape:
            raise _bitline.RunError(
                f"the converters want samples of the layer's inputs of shape {network.input_shape}: call "
                "bitline.torch.calibrate(model, batches) with such batches"
            )
        count = min(len(samples), self.crossbar.calibration_samples)
        return _bitline.program(mapping, calibration=samples, calibration_samples=count, **chip)

    def chip(self, sample_shape: tuple[int, ...] | None = None) -> _bitline.Chip:
        """The chip that ``eval()`` runs on."""
        network = self.network(sample_shape)
        wanted = (network, self._trial, self._seconds, self._temperature)
        if self._made is None or self._made[1:] != wanted:
            conditions = {"time": self._seconds, "temperature": self._temperature}
            made = self._program(
                network, self.crossbar.architecture, seed=self.seed, trial=self._trial, **conditions
            )
            self._made = (made, *wanted)
        chip: _bitline.Chip = self._made[0]
        return chip

    def _training_chip(self, network: _bitline.Network, architecture: _bitline.Architecture) -> _bitline.Chip:
        return self._program(
            network,
            architecture,
            seed=_bitline.chip_seed(self.seed, self._step),
            time=_bitline.draw_age(self.seed, self._step, *self.crossbar.ages),
            temperature=self._temperature,
        )

    # --- passes

    def forward(self, x: Tensor) -> Tensor:
        """In train() hardware-aware, in eval() on the simulated chip."""
        self._check(x)
        if self._calibrating:
            self._observe(x)
            return self._product(x, self.weight)
        if not self.training:
            return self._on_chip(x)
        self._adapt(x)
        y = self._train(x)
        self._step += 1
        return y

    def exact(self, x: Tensor) -> Tensor:
        """What perfect cells behind perfect converters would give: the integers in software."""
        self._check(x)
        samples = self._to_samples(x.detach()).float().cpu()
        y = self.network(tuple(samples.shape[1:])).run(samples.numpy())
        return self._from_samples(torch.from_numpy(y).to(x), x)

    def _check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise _bitline.ConfigError(f"inputs of type {x.dtype} violate real numbers")
        self._check_shape(x)
        if x.numel() == 0:
            raise _bitline.ConfigError(f"inputs of shape {tuple(x.shape)} hold no numbers")
        if not bool(torch.isfinite(x.detach()).all()):
            raise _bitline.ConfigError("the inputs of a crossbar layer hold NaN or infinity")

    def _observe(self, x: Tensor) -> None:
        low, high = (float(v) for v in torch.aminmax(x.detach()))
        self._range = (low, high) if self._range is None else (min(low, self._range[0]), max(high, self._range[1]))
        if not _bitline.needs_calibration(self.crossbar.architecture):
            return
        before = 0 if self._samples is None else len(self._to_samples(self._samples))
        if before < self.crossbar.calibration_samples:
            samples = self._to_samples(x.detach()).float().cpu()[: self.crossbar.calibration_samples - before]
            kept = self._from_kept(samples)
            self._samples = kept if self._samples is None else torch.cat([self._samples, kept])

    def _from_kept(self, samples: Tensor) -> Tensor:
        """Samples for the chip as inputs of the layer."""
        return samples

    def _adapt(self, x: Tensor) -> None:
        """The first batch sets the inputs' range, later ones move it by a twentieth, as running statistics do."""
        low, high = (float(v) for v in torch.aminmax(x.detach()))
        if self._range is not None:
            low, high = (0.95 * old + 0.05 * new for old, new in zip(self._range, (low, high), strict=True))
        self._range = (low, high)
        if _bitline.needs_calibration(self.crossbar.architecture):
            samples = self._to_samples(x.detach())[: self.crossbar.calibration_samples]
            self._samples = self._from_kept(samples.float().cpu().clone())

    def weight_noise(self, step: int) -> Tensor:
        """What strength noise adds to the quantized weights in a step: normal, relative to the largest |w|."""
        weights = WeightCodes.of(self.weight, self.crossbar.weight_bits).values()
        drawn = _bitline.weight_noise(weights.numel(), self.crossbar.seed, step, self.crossbar.number)
        noise = torch.from_numpy(drawn).view_as(weights).to(weights)
        return noise * (self.crossbar.weight_noise * weights.abs().max())

    def _train(self, x: Tensor) -> Tensor:
        x_q = self.quantizer()(x)
        weights = WeightCodes.of(self.weight, self.crossbar.weight_bits)
        w_q = _Instead.apply(self.weight, weights.values().to(self.weight), None)
        hardware = self.crossbar.hardware
        if hardware == "noise":
            return self._product(x_q, w_q + self.weight_noise(self._step).to(w_q))
        if hardware == "device":
            return self._on_cells(x_q, w_q, weights)
        if hardware == "full":
            return self._whole_chip(x, self._product(x_q, w_q))
        return self._product(x_q, w_q)

    def _on_cells(self, x_q: Tensor, w_q: Tensor, weights: WeightCodes) -> Tensor:
        """By what the cells of a freshly programmed chip multiply; converters resolve everything."""
        lossless = _bitline.with_lossless_converters(self.crossbar.architecture)
        made, offset = self._training_chip(self.network(), lossless).effective_weights(0)
        scale = weights.scale.view(-1, *[1] * (w_q.dim() - 1))
        cells = torch.from_numpy(made).view_as(w_q).to(weights.scale) * scale
        y = self._product(x_q, _Instead.apply(w_q, cells.to(w_q), None))
        shift = torch.from_numpy(offset).to(weights.scale) * weights.scale * self.quantizer().scale
        return y + self._over_outputs(shift.to(y), y)

    def _over_outputs(self, values: Tensor, y: Tensor) -> Tensor:
        """One number per output, to be added to y."""
        return values

    def _whole_chip(self, x: Tensor, surrogate: Tensor) -> Tensor:
        """The chip's own results; gradients pass but for the share that converters clipped."""
        samples = self._to_samples(x.detach()).float().cpu().numpy()
        chip = self._training_chip(self.network(samples.shape[1:]), self.crossbar.architecture)
        value = self._from_samples(torch.from_numpy(chip.run(samples)).to(surrogate), x)
        clipped = self._from_samples(torch.from_numpy(chip.clipped_share(samples, 0)).to(surrogate), x)
        y: Tensor = _Instead.apply(surrogate, value, 1 - clipped)
        return y

    def _on_chip(self, x: Tensor) -> Tensor:
        samples = self._to_samples(x.detach()).float().cpu().numpy()
        chip = self.chip(samples.shape[1:])
        if self._reads + len(samples) > 2**32:  # noise is numbered in 32 bits
            self._reads = 0
        y = self._from_samples(torch.from_numpy(chip.run(samples, first_sample=self._reads)).to(x), x)
        self._reads += len(samples)
        if not torch.is_grad_enabled() or not (x.requires_grad or self.weight.requires_grad):
            return y
        weights = WeightCodes.of(self.weight, self.crossbar.weight_bits)
        w_q = _Instead.apply(self.weight, weights.values().to(self.weight), None)
        passed: Tensor = _Instead.apply(self._product(self.quantizer()(x), w_q), y, None)
        return passed


class CrossbarLinear(CrossbarLayer, nn.Linear):  # type: ignore[misc]  # bias, which both have
    """A fully connected layer on a simulated chip; see `CrossbarLayer`."""

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        return nn.functional.linear(x, weight, self.bias)

    def _to_samples(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.in_features)

    def _from_samples(self, y: Tensor, x: Tensor) -> Tensor:
        return y.reshape(*x.shape[:-1], self.out_features)

    def _check_shape(self, x: Tensor) -> None:
        if x.dim() < 1 or x.shape[-1] != self.in_features:
            raise _bitline.ConfigError(f"inputs of shape {tuple(x.shape)} violate (..., {self.in_features})")

    def _smallest_input(self) -> tuple[int, ...]:
        return (self.in_features,)


class _CrossbarConv(CrossbarLayer, nn.modules.conv._ConvNd):
    """Convolutions over one or two axes."""

    _axes: int

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        y: Tensor = self._conv_forward(x, weight, self.bias)  # type: ignore[operator]
        return y

    def _pads(self) -> list[tuple[int, int]]:
        """Before and after, along every axis; `same` puts the odd one behind, as PyTorch does."""
        if self.padding == "valid":
            return [(0, 0)] * self._axes
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(total // 2, total - total // 2) for total in totals]
        return [(int(p), int(p)) for p in self.padding]

    def _window(self) -> dict[str, Any]:
        (top, bottom), (left, right) = ([(0, 0)] + self._pads())[-2:]
        return {
            "stride": (1, *self.stride)[-2:],
            "dilation": (1, *self.dilation)[-2:],
            "padding": (top, left, bottom, right),
            "groups": self.groups,
        }

    def _to_samples(self, x: Tensor) -> Tensor:
        batched = x if x.dim() == self._axes + 2 else x[None]
        return batched[:, :, None] if self._axes == 1 else batched

    def _from_samples(self, y: Tensor, x: Tensor) -> Tensor:
        made = y[:, :, 0] if self._axes == 1 else y
        return made if x.dim() == self._axes + 2 else made[0]

    def _from_kept(self, samples: Tensor) -> Tensor:
        return samples[:, :, 0] if self._axes == 1 else samples

    def _over_outputs(self, values: Tensor, y: Tensor) -> Tensor:
        return values.view(-1, *[1] * self._axes)

    def _check_shape(self, x: Tensor) -> None:
        batched = x.dim() == self._axes + 2
        sizes = ", length" if self._axes == 1 else ", height, width"
        if (not batched and x.dim() != self._axes + 1) or x.shape[1 if batched else 0] != self.in_channels:
            raise _bitline.ConfigError(
                f"inputs of shape {tuple(x.shape)} violate (samples, {self.in_channels}{sizes})"
            )

    def _smallest_input(self) -> tuple[int, ...]:
        sizes = [
            max(d * (k - 1) + 1 - sum(pads), 1)
            for d, k, pads in zip(self.dilation, self.kernel_size, self._pads(), strict=True)
        ]
        return (self.in_channels, *([1] + sizes)[-2:])


class CrossbarConv1d(_CrossbarConv, nn.Conv1d):
    """A convolution over one axis on a simulated chip; see `CrossbarLayer`."""

    _axes = 1


class CrossbarConv2d(_CrossbarConv, nn.Conv2d):
    """A convolution over two axes on a simulated chip; see `CrossbarLayer`."""

    _axes = 2


# Attributes that `CrossbarLayer` adds to those of the layer that it replaces.
OF_CROSSBARS = (
    "crossbar",
    "_range",
    "_samples",
    "_step",
    "_reads",
    "_trial",
    "_seconds",
    "_temperature",
    "_calibrating",
    "_made",
)

KINDS: dict[type[nn.Module], type[CrossbarLayer]] = {
    nn.Linear: CrossbarLinear,
    nn.Conv1d: CrossbarConv1d,
    nn.Conv2d: CrossbarConv2d,
}
