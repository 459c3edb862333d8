"""Training, with its progress shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm.auto import tqdm

from . import _bitline
from ._simulate import shows_progress


def train(
    model: _bitline.Network | str | os.PathLike[str],
    data: Any,
    test: Any,
    *,
    epochs: int = 20,
    batch: int = 64,
    optimizer: str = "adam",
    rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float = 0,
    gradient_norm: float | None = None,
    schedule: str = "cosine",
    warmup: float = 0,
    loss: str | None = None,
    label_smoothing: float | None = None,
    teacher: _bitline.Network | str | os.PathLike[str] | None = None,
    temperature: float | None = None,
    teacher_weight: float | None = None,
    augment: str = "none",
    freeze_batch_norm: int | None = None,
    seed: int = 0,
    preprocess: str | None = None,
    classes: int | None = None,
    width: float | None = None,
    bias: bool | None = None,
    affine: bool | None = None,
    batch_norm: bool | None = None,
    dropout: float | None = None,
    method: str | None = None,
    weight_bits: int | None = None,
    input_bits: int | None = None,
    gradient_bits: int | None = None,
    first_last_bits: int | str | None = None,
    layer_bits: Mapping[str, tuple[int, int]] | None = None,
    fold_batch_norm: bool = False,
    hardware: str | None = None,
    hardware_after: int | None = None,
    weight_noise: float | None = None,
    output_noise: float | None = None,
    arch: _bitline.Architecture | str | None = None,
    device: str | None = None,
    age: Sequence[float] | str | None = None,
    chip_temperature: float | None = None,
    fixed_chip: bool = False,
    calibration: int | None = None,
    calibrate_every: int | None = None,
    learn_adc_ranges: bool = False,
    chip_trials: int | None = None,
    chip_limit: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    resume: str | os.PathLike[str] | None = None,
    initial: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> _bitline.TrainResult:
    """Trains a network, in float or as a `method` quantizes it, on request with a chip in the loop.

    The same options and seed give the same bits as ``bitline train``, for any number of threads; each has the name that
    it has there, and None stands for its default.

    model: a name of `list_networks`, a YAML file of layers, or a float network to go on from (a Network, .onnx, .h5).
    data, test: labelled samples to train on and to test on after every epoch, as `simulate` takes them.
    method: one of `list_methods`; `weight_bits` and `input_bits` within its range, `layer_bits` {"conv2": (4, 8)}.
    hardware: what training meets: "noise" (relative to ranges), "device" (the cells of a fresh chip at every step) or
    "full" (the whole chip simulation). arch: the chip, in the loop and at the end; age: of the chips at the end, s.
    checkpoint: file that keeps the state every so many epochs, and when interrupted (Ctrl-C); resume: goes on from one
    with the same bits; initial: begins with what it has learned.
    progress: a bar; unless given, on a terminal and in notebooks.

    >>> result = bl.train("resnet20", "digits_calibration.h5", "digits.h5", epochs=1, width=0.25, seed=1)
    >>> result.network.output_shape, len(result.epochs)
    ((10,), 1)
    >>> bl.train("resnet20", "digits_calibration.h5", "digits.h5", weight_bits=4)
    Traceback (most recent call last):
        ...
    bitline.ConfigError: weight_bits has no effect without method (bitline list methods)
    """
    options = {
        "epochs": epochs,
        "batch": batch,
        "optimizer": optimizer,
        "rate": rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "gradient_norm": gradient_norm,
        "schedule": schedule,
        "warmup": warmup,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "temperature": temperature,
        "teacher_weight": teacher_weight,
        "augment": augment,
        "freeze_batch_norm": freeze_batch_norm,
        "seed": seed,
        "preprocess": preprocess,
        "classes": classes,
        "width": width,
        "bias": bias,
        "affine": affine,
        "batch_norm": batch_norm,
        "dropout": dropout,
        "method": method,
        "weight_bits": weight_bits,
        "input_bits": input_bits,
        "gradient_bits": gradient_bits,
        "first_last_bits": first_last_bits,
        "layer_bits": dict(layer_bits) if layer_bits is not None else None,
        "fold_batch_norm": fold_batch_norm,
        "hardware": hardware,
        "hardware_after": hardware_after,
        "weight_noise": weight_noise,
        "output_noise": output_noise,
        "arch": arch,
        "device": device,
        "age": age,
        "chip_temperature": chip_temperature,
        "fixed_chip": fixed_chip,
        "calibration": calibration,
        "calibrate_every": calibrate_every,
        "learn_adc_ranges": learn_adc_ranges,
        "chip_trials": chip_trials,
        "chip_limit": chip_limit,
    }
    shown = shows_progress(progress)
    with tqdm(disable=not shown, leave=False) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_description(stage, refresh=False)
            bar.update(done - bar.n)

        def keep(epoch: _bitline.EpochResult) -> None:
            text = f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.4f}"
            bar.write(f"{text}  train {epoch.accuracy:.2%}  test {epoch.test_accuracy:.2%}  {epoch.seconds:.1f} s")

        return _bitline.train(
            model,
            data,
            test,
            options,
            teacher=teacher,
            checkpoint=None if checkpoint is None else os.fspath(checkpoint),
            every=every,
            resume=None if resume is None else os.fspath(resume),
            initial=None if initial is None else os.fspath(initial),
            progress=show if shown else None,
            on_epoch=keep if shown else None,
        )
