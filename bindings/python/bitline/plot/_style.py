"""What all pictures share."""

from __future__ import annotations

from matplotlib import pyplot
from matplotlib.axes import Axes

from .. import _bitline

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY = "#CC79A7", "#56B4E9", "#666666"
SERIES = [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]
MARKERS = "os^DvP"

MICRO = 1e6  # S -> µS


def axes(ax: Axes | None, width: float = 6.4, height: float = 4.0) -> Axes:
    """`ax`, or that of a new figure; without the frame's upper and right side."""
    if ax is None:
        ax = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def layer_name(mapping: _bitline.Mapping, layer: int | str) -> str:
    return layer if isinstance(layer, str) else mapping.layers[layer].name


def duration(seconds: float) -> str:
    """In the largest unit of which there is one at least: "1 h", "2.5 d"."""
    for unit, length in (("y", 365.25 * 86400), ("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def age_of(chip: _bitline.Chip) -> str:
    return "as programmed" if chip.time == 0 else f"{duration(chip.time)} after programming"
