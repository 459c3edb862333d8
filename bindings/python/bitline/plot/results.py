"""Pictures of what chips do to a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .. import _bitline
from ._style import BLUE, GREY, MARKERS, SERIES, VERMILION, axes


def sqnr(result: _bitline.ChipResult, *, ax: Axes | None = None) -> Axes:
    """Signal over error of every layer's sums; layers without any error are named."""
    names = [layer.name for layer in result.layers]
    ax = axes(ax, height=1.2 + 0.32 * len(names))
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
    """Another series of `ax`: a band of one standard deviation, bars for 95 % confidence of the mean."""
    series = len(ax.containers)
    color, marker = SERIES[series % len(SERIES)], MARKERS[series % len(MARKERS)]
    mean = 100 * np.array([one.accuracy_mean for one in results])
    deviation = 100 * np.array([one.accuracy_std or 0 for one in results])
    interval = 100 * np.array([one.accuracy_ci95 or 0 for one in results])
    if deviation.any():
        low, high = np.maximum(mean - deviation, 0), np.minimum(mean + deviation, 100)
        ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    error = np.stack([np.minimum(interval, mean), np.minimum(interval, 100 - mean)]) if interval.any() else None
    ax.errorbar(x, mean, error, color=color, marker=marker, markersize=4, capsize=3, label=label)


def _label_of(results: Sequence[_bitline.ChipResult]) -> str:
    trials = len(results[0].trials)
    return "one chip" if trials == 1 else f"mean of {trials} chips; band: std, bars: 95 % of the mean"


def _finish_accuracy(ax: Axes, software: float) -> Axes:
    """The software's accuracy, once for every value that series of the same axes were compared with."""
    label = f"software, {software:.2%}"
    if label not in (line.get_label() for line in ax.lines):
        ax.axhline(100 * software, color="black", linestyle="--", linewidth=1, label=label)
    ax.set_ylabel("accuracy, %")
    ax.legend(frameon=False)
    return ax


def accuracy(result: _bitline.SimulationResult, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """Accuracy over the ages of a simulation. A fresh chip (0 s) stands left of the logarithmic axis' first decade.

    Drawn again into the same `ax`, another series with the `label` given.
    """
    ax = axes(ax)
    known = [(age.age, age.chip) for age in result.ages if age.chip is not None]
    later = [age for age, _ in known if age > 0]
    fresh = min(later) / 10 if later else 0.1
    x = np.array([age or fresh for age, _ in known])
    chips = [chip for _, chip in known]
    first = not ax.containers
    _draw_accuracy(ax, x, chips, label or _label_of(chips))
    ax.set_xscale("log")
    if known[0][0] == 0 and first:
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
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy over a swept parameter: one result for each value. `name`: of the axis, with its unit.

    Drawn again into the same `ax`, another series with the `label` given.
    """
    if len(values) != len(results) or not results:
        raise _bitline.ConfigError(f"{len(results)} results for {len(values)} values; one for each is wanted")
    ax = axes(ax)
    x = np.asarray(values, float)
    _draw_accuracy(ax, x, results, label or _label_of(results))
    if (x == np.round(x)).all():
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel(name)
    return _finish_accuracy(ax, results[0].software_accuracy)
