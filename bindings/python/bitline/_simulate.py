"""The main job, with its progress shown."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from tqdm import TqdmWarning

from . import _bitline

with warnings.catch_warnings():
    warnings.simplefilter("ignore", TqdmWarning)  # a notebook without ipywidgets gets a bar of text instead
    from tqdm.auto import tqdm


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def shows_progress(progress: bool | None) -> bool:
    """Unless asked for or not: on a terminal and in notebooks."""
    return progress if progress is not None else sys.stderr.isatty() or _in_notebook()


def simulate(
    mapping: _bitline.Mapping,
    data: Any,
    *,
    preprocess: str | None = None,
    float_network: _bitline.Network | None = None,
    calibration: Any = None,
    trials: int = 1,
    seed: int = 0,
    ages: Sequence[float] = (0,),
    temperature: float = 300,
    ideal_chip: bool = True,
    calibration_samples: int = 64,
    progress: bool | None = None,
) -> _bitline.SimulationResult:
    """What chips do to a network's accuracy: `trials` chips of a seed, each read at every age.

    The same seed gives the same bits as ``bitline simulate``, for any number of threads and any kernel.

    data: labelled samples, a Dataset, a pair of arrays (x, y) or text such as "test.h5" (see `open_dataset`).
    preprocess: how raw samples become the network's input; the model's own unless given.
    float_network: for the accuracy before quantization.
    calibration: data whose first samples set calibrated converter ranges, the first of `data` unless given.
    ages: s since programming, rising. temperature: K, of every read.
    ideal_chip: also run perfect cells behind lossless converters, which equal the software to the bit.
    progress: a bar; unless given, on a terminal and in notebooks.

    >>> mapping = bl.map_network(bl.read_network("digits_cnn.onnx"), bl.Architecture.preset("isaac"))
    >>> result = bl.simulate(mapping, bl.open_dataset("digits.h5", limit=100))
    >>> result.ideal_unequal
    0
    """
    shown = shows_progress(progress)
    with tqdm(disable=not shown, unit=" samples", leave=False) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_description(stage, refresh=False)
            bar.update(done - bar.n)

        return _bitline.simulate(
            mapping,
            data,
            preprocess=preprocess,
            float_network=float_network,
            calibration=calibration,
            trials=trials,
            seed=seed,
            ages=list(ages),
            temperature=temperature,
            ideal_chip=ideal_chip,
            calibration_samples=calibration_samples,
            progress=show if shown else None,
        )
