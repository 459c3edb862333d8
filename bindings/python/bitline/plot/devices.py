"""Pictures of memory cells as such: over time, and over the pulses that write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .. import _bitline
from ._style import BLUE, GREY, MARKERS, MICRO, SERIES, VERMILION, axes


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
    ax = axes(ax)
    wanted = np.logspace(0, 7, 29) if ages is None else np.asarray(ages, float)
    if not (wanted > 0).all():
        raise _bitline.ConfigError("ages of a fan stand on a logarithmic axis and violate age > 0")
    states = device.sample_states(list(wanted), bits=bits, cells=cells, temperature=temperature, seed=seed)
    shades = pyplot.get_cmap("cividis")(np.linspace(0, 0.9, len(states["target"])))
    for state, shade in enumerate(shades):
        columns = {name: MICRO * states[name][:, state] for name in ("low", "median", "high")}
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
    """Conductance after each of `up` and then `down` pulses: devices with their spread and noise, and the
    nominal one."""
    ax = axes(ax)
    if devices:
        for curve in MICRO * device.pulses(up, down, devices=devices, seed=seed):
            ax.plot(curve, color=BLUE, alpha=0.35, linewidth=0.8)
        ax.plot([], [], color=BLUE, alpha=0.6, label=f"{devices} devices")
    ax.plot(MICRO * device.pulses(up, down)[0], color=VERMILION, linewidth=2, label="nominal device")
    ax.axvline(up, color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel=f"pulses ({up} up, then {down} down)", ylabel="conductance, µS", title=device.name or "cells under pulses")
    ax.legend(frameon=False)
    return ax


def pulse_fit(fit: _bitline.PulseFit, *, ax: Axes | None = None) -> Axes:
    """Measured conductances over the pulses, and the fitted law's mean curve for each device.

    >>> plot.pulse_fit(bl.fit_pulses("../devices/pulses.csv")).get_ylabel()
    'conductance, µS'
    """
    ax = axes(ax)
    for number, trace in enumerate(fit.traces):
        color = SERIES[number % len(SERIES)]
        marker = MARKERS[number % len(MARKERS)]
        label = f"device {trace['device']}" if trace["device"] else "device"
        measured = MICRO * trace["measured"]
        ax.plot(trace["pulse"], measured, marker, color=color, markersize=2.5, alpha=0.5, label=label)
        ax.plot(trace["pulse"], MICRO * trace["fitted"], color="black", linewidth=1.4)
    ax.plot([], [], color="black", linewidth=1.4, label=f"{fit.law} law")
    ax.set(xlabel="pulse", ylabel="conductance, µS", title=f"measured and fitted, R² = {fit.r_squared:.4f}")
    ax.legend(frameon=False, markerscale=2)
    return ax
