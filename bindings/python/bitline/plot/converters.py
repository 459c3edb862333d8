"""Pictures of analog-to-digital converters: what they are used for, and how far from equal their steps are."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import _bitline
from ._style import BLUE, GREY, VERMILION, axes, layer_name

MOST_BARS = 256


def _range_of(chip: _bitline.Chip, layer: int | str) -> _bitline.AdcRange:
    names = [one.name for one in chip.mapping.layers]
    return chip.adc_ranges[names.index(layer) if isinstance(layer, str) else layer]


def codes(chip: _bitline.Chip, layer: int | str, x: Any, *, ax: Axes | None = None) -> Axes:
    """Histogram of the codes that a layer's converters give while samples `x` run through the chip, over their range.

    The upper axis says what a code stands for; the text, how many sums lay beyond the range.

    >>> network = bl.read_network("digits_cnn.onnx")
    >>> chip = bl.program(bl.map_network(network, bl.Architecture.preset("isaac")))
    >>> plot.codes(chip, "conv2", bl.open_dataset("digits.h5").read(0, 4)).get_xlabel()
    'code'
    """
    ax = axes(ax)
    counted = chip.count_codes(layer, x)
    adc = _range_of(chip, layer)
    width = max(1, -(-len(counted["code"]) // MOST_BARS))
    starts = np.arange(0, len(counted["code"]), width)
    bars = np.add.reduceat(counted["count"], starts)
    edges = np.append(counted["code"][starts], counted["code"][-1] + 1) - 0.5
    ax.stairs(bars, edges, fill=True, color=BLUE)
    ax.set_yscale("log")
    ax.set_ylim(0.8, 4 * max(1, bars.max()))
    for end in (adc.lo, adc.hi):
        ax.axvline(end, color=VERMILION, linewidth=1.2, linestyle="--")
    total = counted["count"].sum()
    share = counted["clipped"] / max(1, total)
    text = f"range {adc.lo} … {adc.hi} ({adc.policy})\nclipped: {100 * share:.3g} % of {total:,} conversions"
    plate = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    ax.text(0.99, 0.97, text, transform=ax.transAxes, ha="right", va="top", bbox=plate)
    ax.set(xlabel="code", ylabel="conversions" if width == 1 else f"conversions per {width} codes")
    if not adc.thresholds and adc.bits > 1:
        upper = ax.secondary_xaxis("top", (lambda code: np.multiply(code, adc.step), lambda level: np.divide(level, adc.step)))
        upper.set_xlabel("column sum, levels")
    ax.set_title(f"{layer_name(chip.mapping, layer)}: {adc.bits} bit, {adc.step:.3g} levels per code")
    return ax


def _errors(transitions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """INL and DNL in LSB, (converters x transitions) and one less: a straight line through the first and the last
    transition of each converter takes its offset and gain away (IEEE Std 1241)."""
    count = transitions.shape[1]
    if count < 3:
        raise _bitline.ConfigError(f"linearity needs a converter of 4 codes at least; these have {count + 1}")
    lsb = (transitions[:, -1:] - transitions[:, :1]) / (count - 1)
    inl = (transitions - transitions[:, :1]) / lsb - np.arange(count)
    return inl, np.diff(transitions) / lsb - 1


def linearity(
    chip: _bitline.Chip, layer: int | str, array: int = 0, *, ax: tuple[Axes, Axes] | None = None
) -> tuple[Axes, Axes]:
    """INL and DNL of an array's converters over the code, offset and gain taken away; the worst one stands out.

    >>> network = bl.read_network("digits_cnn.onnx")
    >>> chip = bl.Architecture.preset("isaac", adc={"type": "flash", "resistor_sigma": 0.02})
    >>> above, below = plot.linearity(bl.program(bl.map_network(network, chip)), "conv2")
    >>> above.get_ylabel(), below.get_ylabel()
    ('INL, LSB', 'DNL, LSB')
    """
    if ax is None:
        drawn = pyplot.subplots(2, 1, sharex=True, figsize=(6.4, 5.0), layout="constrained")[1]
        ax = (drawn[0], drawn[1])
    adc = _range_of(chip, layer)
    errors = _errors(chip.transitions(layer, array))
    for panel, error, name in zip(ax, errors, ("INL", "DNL"), strict=True):
        axes(panel)
        code = adc.lo + 1 + np.arange(error.shape[1])
        worst = int(np.abs(error).max(axis=1).argmax())
        for one in np.delete(error, worst, axis=0):
            panel.plot(code, one, color=BLUE, alpha=0.35, linewidth=0.8)
        label = f"largest: {np.abs(error[worst]).max():.2g} LSB"
        panel.plot(code, error[worst], color=VERMILION, linewidth=1.4, label=label)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.margins(x=0.01)
        panel.set_ylabel(f"{name}, LSB")
        panel.legend(frameon=False, loc="upper right")
    ax[1].set_xlabel("code")
    converters = f"{len(errors[0])} converters" if len(errors[0]) > 1 else "1 converter"
    ax[0].set_title(f"{layer_name(chip.mapping, layer)}, array {array}: {converters} of {adc.bits} bit")
    return ax


def transfer(
    chip: _bitline.Chip, layer: int | str, array: int = 0, converter: int = 0, *, ax: Axes | None = None
) -> Axes:
    """Code of one converter over the column sum, and what equal steps without offset would give.

    >>> network = bl.read_network("digits_cnn.onnx")
    >>> chip = bl.program(bl.map_network(network, bl.Architecture.preset("isaac", adc={"bits": 4, "range": "fixed"})))
    >>> plot.transfer(chip, "conv2").get_xlabel()
    'column sum, levels'
    """
    ax = axes(ax)
    adc = _range_of(chip, layer)
    transitions = chip.transitions(layer, array)
    if not 0 <= converter < len(transitions):
        raise _bitline.ConfigError(f"converter = {converter} violates 0 <= converter < {len(transitions)}")
    own = transitions[converter]
    ideal = (np.arange(adc.lo, adc.hi) + 0.5) * adc.step
    code = np.arange(adc.lo, adc.hi + 1) if len(own) == adc.hi - adc.lo else np.array([adc.lo, adc.hi])
    margin = max(adc.step, 0.05 * (own[-1] - own[0]))
    if len(ideal) == len(own):
        ax.stairs(code, [ideal[0] - margin, *ideal, ideal[-1] + margin], baseline=None, color=GREY, linewidth=1,
                  linestyle="--", label="equal steps")
    ax.stairs(code, [own[0] - margin, *own, own[-1] + margin], baseline=None, color=BLUE, linewidth=1.6,
              label=f"converter {converter}")
    ax.set(xlabel="column sum, levels", ylabel="code")
    ax.set_title(f"{layer_name(chip.mapping, layer)}, array {array}: {adc.bits} bit, {adc.policy}")
    ax.legend(frameon=False, loc="upper left")
    return ax
