"""Pictures of devices, chips and results (Matplotlib).

Every function draws into `ax`, or into axes of its own, and returns them; `ax.figure.savefig` writes PNG or SVG.
Colours are those of Okabe and Ito, which people with any colour vision tell apart.

>>> import matplotlib; matplotlib.use("agg")
>>> from bitline import plot
>>> ax = plot.drift(bl.Device("pcm-nandakumar2019"), [1, 60, 3600, 86400], bits=2)
>>> ax.get_xlabel()
'time since programming, s'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _bitline

try:
    from matplotlib import colors, pyplot
    from matplotlib.axes import Axes
except ImportError as error:
    raise ImportError("bitline.plot needs Matplotlib: pip install 'bitline[plot]'") from error

BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
_MICRO = 1e6

__all__ = ["accuracy", "accuracy_over", "conductances", "drift", "levels", "pulses", "sqnr"]


def _axes(ax: Axes | None, width: float = 6.4, height: float = 4.0) -> Axes:
    if ax is not None:
        return ax
    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def _array_title(chip: _bitline.Chip, layer: int | str, array: int) -> str:
    layers = chip.mapping.layers
    name = layer if isinstance(layer, str) else layers[layer].name
    age = "fresh" if chip.time == 0 else f"{chip.time:.3g} s after programming"
    return f"{name}, array {array}, {age}"


def conductances(chip: _bitline.Chip, layer: int | str, array: int = 0, *, ax: Axes | None = None) -> Axes:
    """Map of an array: what each cell is; of pairs, their difference."""
    ax = _axes(ax)
    siemens = _MICRO * chip.conductances(layer, array)
    largest = float(np.abs(siemens).max()) or 1.0
    pairs = bool((siemens < 0).any())
    norm = colors.Normalize(-largest if pairs else 0.0, largest)
    image = ax.imshow(siemens, cmap="PuOr" if pairs else "cividis", norm=norm, aspect="auto", interpolation="nearest")
    label = "conductance of pairs, G+ − G−, µS" if pairs else "conductance, µS"
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.set(xlabel="column", ylabel="word line", title=_array_title(chip, layer, array))
    return ax


def levels(chip: _bitline.Chip, layer: int | str, array: int = 0, *, bins: int = 120, ax: Axes | None = None) -> Axes:
    """Histogram of an array's conductances, and the levels that they were to have."""
    ax = _axes(ax)
    targets = _MICRO * _bitline.program_ideal(chip.mapping).conductances(layer, array).ravel()
    found = _MICRO * chip.conductances(layer, array).ravel()
    values, counts = np.unique(targets, return_counts=True)
    edges = np.histogram_bin_edges(np.concatenate([targets, found]), bins)
    ax.hist(found, edges.tolist(), color=BLUE, label="as programmed" if chip.time == 0 else "now")
    ax.vlines(values, 0.8, counts, color=VERMILION, linewidth=1.2)
    ax.plot(values, counts, "o", color=VERMILION, markersize=4, label="wanted")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.8)
    pairs = bool((targets < 0).any())
    ax.set(xlabel="conductance of pairs, G+ − G−, µS" if pairs else "conductance, µS", ylabel="cells")
    ax.set_title(_array_title(chip, layer, array))
    ax.legend(frameon=False)
    return ax


def drift(
    device: _bitline.Device,
    ages: Sequence[float] | NDArray[Any] | None = None,
    *,
    bits: int = 2,
    cells: int = 4000,
    temperature: float = 300,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Fan of the states over time: median and the band that holds 90 % of the cells. Ages in s, above 0."""
    ax = _axes(ax)
    wanted = np.logspace(0, 7, 29) if ages is None else np.asarray(ages, float)
    if not (wanted > 0).all():
        raise _bitline.ConfigError("ages of a fan stand on a logarithmic axis and violate age > 0")
    states = device.sample_states(list(wanted), bits=bits, cells=cells, temperature=temperature, seed=seed)
    shades = pyplot.get_cmap("cividis")(np.linspace(0, 0.9, len(states["target"])))
    for state, shade in enumerate(shades):
        columns = {name: _MICRO * states[name][:, state] for name in ("low", "median", "high")}
        ax.fill_between(wanted, columns["low"], columns["high"], color=shade, alpha=0.3, linewidth=0)
        ax.plot(wanted, columns["median"], color=shade, linewidth=1.8)
    ax.set_xscale("log")
    ax.set(xlabel="time since programming, s", ylabel="conductance, µS")
    ax.set_title(f"{device.name or 'cells'}, {temperature:g} K: median, and 5 % to 95 % of the cells")
    return ax


def pulses(
    device: _bitline.Device,
    up: int = 100,
    down: int = 100,
    *,
    devices: int = 10,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Conductance after each of `up` and then `down` pulses: devices with their spread and noise, and their mean law."""
    ax = _axes(ax)
    if devices:
        for curve in _MICRO * device.pulses(up, down, devices=devices, seed=seed):
            ax.plot(curve, color=BLUE, alpha=0.35, linewidth=0.8)
        ax.plot([], [], color=BLUE, alpha=0.6, label=f"{devices} devices")
    ax.plot(_MICRO * device.pulses(up, down)[0], color=VERMILION, linewidth=2, label="mean law")
    ax.axvline(up, color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel=f"pulses ({up} up, then {down} down)", ylabel="conductance, µS", title=device.name or "cells")
    ax.legend(frameon=False)
    return ax


def sqnr(result: _bitline.ChipResult, *, ax: Axes | None = None) -> Axes:
    """Signal over error of every layer's sums; layers without any error are named."""
    names = [layer.name for layer in result.layers]
    ax = _axes(ax, height=1.2 + 0.32 * len(names))
    for place, layer in enumerate(result.layers):
        if layer.sqnr_db is None:
            ax.text(0, place, " exact", va="center", color=GREY)
        else:
            bar = ax.barh(place, layer.sqnr_db, color=BLUE if layer.sqnr_db > 0 else VERMILION)
            ax.bar_label(bar, fmt="%.1f", padding=3)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel="signal over error of the layer's sums, dB")
    return ax


def _draw_accuracy(ax: Axes, x: NDArray[Any], results: Sequence[_bitline.ChipResult], label: str) -> None:
    mean = 100 * np.array([one.accuracy_mean for one in results])
    deviation = 100 * np.array([one.accuracy_std or 0 for one in results])
    interval = 100 * np.array([one.accuracy_ci95 or 0 for one in results])
    if deviation.any():
        ax.fill_between(x, mean - deviation, np.minimum(mean + deviation, 100), color=BLUE, alpha=0.2, linewidth=0)
    error = interval if interval.any() else None
    ax.errorbar(x, mean, error, color=BLUE, marker="o", markersize=4, capsize=3, label=label)


def _label_of(results: Sequence[_bitline.ChipResult]) -> str:
    trials = len(results[0].trials)
    return "one chip" if trials == 1 else f"mean of {trials} chips; band: std, bars: 95 % of the mean"


def _finish_accuracy(ax: Axes, software: float) -> Axes:
    ax.axhline(100 * software, color=VERMILION, linestyle="--", linewidth=1.2, label=f"software, {software:.2%}")
    ax.set_ylabel("accuracy, %")
    ax.legend(frameon=False)
    return ax


def accuracy(result: _bitline.SimulationResult, *, ax: Axes | None = None) -> Axes:
    """Accuracy over the ages of a simulation. A fresh chip (0 s) stands left of the logarithmic axis' first decade."""
    ax = _axes(ax)
    known = [(age.age, age.chip) for age in result.ages if age.chip is not None]
    later = [age for age, _ in known if age > 0]
    fresh = min(later) / 10 if later else 0.1
    x = np.array([age or fresh for age, _ in known])
    _draw_accuracy(ax, x, [chip for _, chip in known], _label_of([chip for _, chip in known]))
    ax.set_xscale("log")
    if known[0][0] == 0:
        ax.axvline(fresh * 10**0.5, color=GREY, linewidth=0.8, linestyle=":")
        ax.annotate("fresh", (fresh, 0), (0, -6), ("data", "axes fraction"), "offset points", ha="center", va="top")
        decades = 10.0 ** np.arange(np.ceil(np.log10(min(later, default=1))), np.log10(max(later, default=10)) + 1)
        ax.set_xticks(decades)
        ax.minorticks_off()
    ax.set_xlabel("time since programming, s")
    return _finish_accuracy(ax, result.software_accuracy)


def accuracy_over(
    values: Sequence[float],
    results: Sequence[_bitline.SimulationResult],
    name: str,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy over a swept parameter: one result for each value. `name`: of the axis, with its unit."""
    if len(values) != len(results) or not results:
        raise _bitline.ConfigError(f"{len(results)} results for {len(values)} values; one for each is wanted")
    ax = _axes(ax)
    _draw_accuracy(ax, np.asarray(values, float), results, _label_of(results))
    ax.set_xlabel(name)
    return _finish_accuracy(ax, results[0].software_accuracy)
