"""Pictures of the cells of one array."""

from __future__ import annotations

import numpy as np
from matplotlib import colors
from matplotlib.axes import Axes

from .. import _bitline
from ._style import BLUE, MICRO, ORANGE, VERMILION, age_of, axes, layer_name

SINGLE, PAIRS = "conductance, µS", "conductance of pairs, G+ − G−, µS"


def conductances(chip: _bitline.Chip, layer: int | str, array: int = 0, *, ax: Axes | None = None) -> Axes:
    """Map of an array: what each cell is; of pairs, their difference.

    >>> network = bl.read_network("digits_cnn.onnx")
    >>> chip = bl.program_ideal(bl.map_network(network, bl.Architecture.preset("default")))
    >>> plot.conductances(chip, "conv2").get_ylabel()
    'word line'
    """
    ax = axes(ax)
    ax.spines[:].set_visible(True)
    siemens = MICRO * chip.conductances(layer, array)
    largest = float(np.abs(siemens).max()) or 1.0
    pairs = bool((siemens < 0).any())
    norm = colors.Normalize(-largest if pairs else 0.0, largest)
    image = ax.imshow(siemens, cmap="PuOr" if pairs else "cividis", norm=norm, aspect="auto", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label=PAIRS if pairs else SINGLE)
    ax.set(xlabel="column", ylabel="word line")
    ax.set_title(f"{layer_name(chip.mapping, layer)}, array {array}, {age_of(chip)}")
    return ax


def levels(chip: _bitline.Chip, layer: int | str, array: int = 0, *, bins: int = 120, ax: Axes | None = None) -> Axes:
    """Histogram of an array's conductances before and after: wanted levels, as programmed, and at the chip's age."""
    ax = axes(ax)
    targets = MICRO * _bitline.program_ideal(chip.mapping).conductances(layer, array).ravel()
    found = {age_of(chip): MICRO * chip.conductances(layer, array).ravel()}
    if chip.time > 0:
        found = {"as programmed": MICRO * chip.age(0).conductances(layer, array).ravel(), **found}
    edges = np.histogram_bin_edges(np.concatenate([targets, *found.values()]), bins)
    for (label, siemens), color in zip(found.items(), (BLUE, ORANGE), strict=False):
        counts = np.histogram(siemens, edges)[0]
        ax.stairs(counts, edges, fill=True, color=color, alpha=0.45)
        ax.stairs(counts, edges, color=color, linewidth=1.2, label=label)
    values, counts = np.unique(targets, return_counts=True)
    ax.vlines(values, 0.8, counts, color=VERMILION, linewidth=1.2)
    ax.plot(values, counts, "o", color=VERMILION, markersize=4, label="wanted")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.8)
    pairs = bool((targets < 0).any())
    ax.set(xlabel=PAIRS if pairs else SINGLE, ylabel="pairs of cells" if pairs else "cells")
    ax.set_title(f"{layer_name(chip.mapping, layer)}, array {array}")
    ax.legend(frameon=False)
    return ax
