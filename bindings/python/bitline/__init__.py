"""Bitline simulates neural networks on in-memory-computing crossbars.

>>> network = bl.read_network("digits_cnn.onnx")
>>> chip = bl.Architecture.preset("default", device="pcm-nandakumar2019")
>>> result = bl.simulate(bl.map_network(network, chip), "digits.h5", trials=3, ages=[0, 3600], progress=False)
>>> result.software_accuracy > 0.95
True
>>> [age.age for age in result.ages]
[0.0, 3600.0]
"""

from ._bitline import (
    AdcRange,
    AgeResult,
    Architecture,
    Chip,
    ChipResult,
    ConfigError,
    Dataset,
    Device,
    FormatError,
    InputError,
    LayerResult,
    MappedLayer,
    Mapping,
    Network,
    RunError,
    SimulationResult,
    TrialResult,
    __version__,
    describe_keys,
    kernel,
    list_architectures,
    list_devices,
    map_network,
    open_dataset,
    program,
    program_ideal,
    quantize,
    read_hdf5,
    read_network,
    read_onnx,
    set_threads,
    software_accuracy,
    threads,
    write_hdf5,
    write_onnx,
)
from ._simulate import simulate

__all__ = [
    "AdcRange",
    "AgeResult",
    "Architecture",
    "Chip",
    "ChipResult",
    "ConfigError",
    "Dataset",
    "Device",
    "FormatError",
    "InputError",
    "LayerResult",
    "MappedLayer",
    "Mapping",
    "Network",
    "RunError",
    "SimulationResult",
    "TrialResult",
    "__version__",
    "describe_keys",
    "kernel",
    "list_architectures",
    "list_devices",
    "map_network",
    "open_dataset",
    "program",
    "program_ideal",
    "quantize",
    "read_hdf5",
    "read_network",
    "read_onnx",
    "set_threads",
    "simulate",
    "software_accuracy",
    "threads",
    "write_hdf5",
    "write_onnx",
]
