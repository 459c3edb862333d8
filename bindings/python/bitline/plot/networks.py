"""Pictures of networks: where their weights lie, and what quantizers make of numbers."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .. import _bitline
from ._style import BLUE, GREY, SERIES, axes

MOST_NAMES = 14
NUMBERS = 2001


def _box(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _places(count: int, per_core: int) -> tuple[NDArray[np.float64], list[list[tuple[float, float]]]]:
    """Upper left corner of every array of size 1 x 1, (count x 2), and the outlines of the cores."""
    pitch = 1.15
    size = per_core or count
    across = int(np.ceil(np.sqrt(1.8 * size)))
    down = -(-size // across)
    cores = -(-count // size)
    cores_across = int(np.ceil(np.sqrt(1.6 * cores * down / across)))
    core_width, core_height = across * pitch + 0.45, down * pitch + 0.45
    number = np.arange(count)
    core, within = number // size, number % size
    x = core % cores_across * core_width + within % across * pitch
    y = core // cores_across * core_height + within // across * pitch
    margin = 0.5 * (pitch - 1) + 0.1
    outlines = [
        _box(c % cores_across * core_width - margin, c // cores_across * core_height - margin,
             core_width - 0.45 - pitch + 1 + 2 * margin, core_height - 0.45 - pitch + 1 + 2 * margin)
        for c in range(cores if per_core else 0)
    ]
    return np.stack([x, y], axis=1), outlines


def placement(mapping: _bitline.Mapping, *, ax: Axes | None = None) -> Axes:
    """Every array of the chip, and how much of it which layer fills: word lines from above, bit lines from the left.

    Arrays stand in the order in which layers take them; a frame holds those of a core, where cores have a size.

    >>> network = bl.read_network("digits_cnn.onnx")
    >>> ax = plot.placement(bl.map_network(network, bl.Architecture.preset("isaac")))
    >>> [text.get_text() for text in ax.get_legend().get_texts()][1]
    'conv2: 2 arrays, 56 % of their cells'
    """
    keys = mapping.architecture.to_dict()
    rows, cols = int(keys["array.rows"]), int(keys["array.cols"])
    per_core = int(keys.get("chip.arrays_per_core", 0))
    layers = mapping.layers
    arrays = [(number, array) for number, layer in enumerate(layers) for array in layer.arrays]
    if not arrays:
        raise _bitline.ConfigError("no layer of the network is mapped: there are no arrays to draw")
    corners, cores = _places(len(arrays), per_core)
    width, height = np.ptp(corners, axis=0) + 1.6
    ax = axes(ax, 8.0, min(6.0, 0.7 + max(1.2, 4.6 * height / width)))
    ax.add_collection(PolyCollection(cores, facecolors="none", edgecolors=GREY, linewidths=0.8))
    ax.add_collection(PolyCollection([_box(x, y, 1, 1) for x, y in corners], facecolors="#F2F2F2", edgecolors="none"))
    shades = SERIES if len(layers) <= len(SERIES) else pyplot.get_cmap("cividis")(np.linspace(0, 1, len(layers)))
    boxes = [
        _box(x, y, array.bit_lines / cols, array.word_lines / rows)
        for (x, y), (_, array) in zip(corners, arrays, strict=True)
    ]
    ax.add_collection(PolyCollection(boxes, facecolors=[shades[number] for number, _ in arrays], edgecolors="none"))
    labels = [f"{one.name}: {one.array_count} array{'s' * (one.array_count > 1)}, "
              f"{100 * one.utilisation:.0f} % of {'their' if one.array_count > 1 else 'its'} cells" for one in layers]
    handles = [Patch(color=shades[number], label=label) for number, label in enumerate(labels)]
    if len(handles) > MOST_NAMES:
        half = MOST_NAMES // 2
        left_out = Patch(color="none", label=f"… {len(handles) - 2 * half} layers more …")
        handles = [*handles[:half], left_out, *handles[-half:]]
    ax.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ax.set_xlim(corners[:, 0].min() - 0.3, corners[:, 0].max() + 1.3)
    ax.set_ylim(corners[:, 1].max() + 1.3, corners[:, 1].min() - 0.3)
    ax.set_aspect("equal")
    ax.set_axis_off()
    size = f"{mapping.arrays} arrays of {rows} × {cols} cells"
    ax.set_title(f"{mapping.network.name} on {mapping.architecture.name}: {size}", loc="left")
    return ax


def quantizer(
    method: str, of: str = "weights", *, bits: int | None = None, x: Any = None, ax: Axes | None = None
) -> Axes:
    """What a training method makes of weights or of a layer's inputs: the staircase, and how the numbers are spread.

    x: numbers that the quantizer starts from; unless given, standard normal ones, for inputs behind a ReLU unless the
    method takes their signs.

    >>> plot.quantizer("lsq", bits=2).get_xlabel()
    'weight'
    """
    ax = axes(ax, 4.8, 4.2)
    if x is None:
        normal = NormalDist()
        x = np.array([normal.inv_cdf((i + 0.5) / NUMBERS) for i in range(NUMBERS)])
        signs = all(entry["input_bits"][2] == 1 for entry in _bitline.list_methods() if entry["name"] == method)
        if of == "inputs" and not signs:
            x = np.maximum(x, 0)
    numbers = np.sort(np.asarray(x, np.float32).ravel())
    values = _bitline.fake_quantize(numbers, method, of, bits=bits)
    name = of.removesuffix("s")
    ax.plot(numbers, numbers, color=GREY, linewidth=1, linestyle="--", label="not quantized")
    ax.step(numbers, values, where="mid", color=BLUE, linewidth=1.8, label=f"{method}, {len(np.unique(values))} levels")
    spread = numbers[numbers != 0] if numbers.any() else numbers  # a ReLU's zeros would hide the rest
    counts, edges = np.histogram(spread, min(60, max(1, len(spread) // 20)))
    low, high = ax.get_ylim()
    ax.stairs(low + 0.18 * (high - low) * counts / counts.max(), edges, baseline=low, fill=True, color=GREY, alpha=0.25,
              label="spread of the numbers")
    ax.set_ylim(low, high)
    ax.set(xlabel=name, ylabel=f"{name}, quantized")
    ax.legend(frameon=False, loc="upper left")
    return ax
