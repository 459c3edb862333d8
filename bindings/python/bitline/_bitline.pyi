"""
Bitline's C++ library. Import `bitline`, which has these names and more.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import os
import typing
__all__: list[str] = ['AdcRange', 'AgeResult', 'Architecture', 'Chain', 'Chip', 'ChipResult', 'ConfigError', 'Dataset', 'Device', 'EpochResult', 'FormatError', 'InputError', 'LayerResult', 'MappedArray', 'MappedLayer', 'Mapping', 'Network', 'PulseFit', 'RunError', 'SimulationResult', 'TrainResult', 'TrialResult', 'chip_seed', 'describe_keys', 'draw_age', 'fake_quantize', 'fit_every_law', 'fit_pulses', 'kernel', 'layer_network', 'list_architectures', 'list_devices', 'list_methods', 'list_networks', 'map_network', 'needs_calibration', 'open_dataset', 'program', 'program_ideal', 'quantize', 'read_hdf5', 'read_network', 'read_onnx', 'set_threads', 'simulate', 'software_accuracy', 'threads', 'train', 'weight_noise', 'with_lossless_converters', 'write_hdf5', 'write_onnx']
class InputError(ValueError):
    """
    What was given is wrong; the message says where.
    """
class ConfigError(InputError):
    """
    An option, a key or an argument violates its stated relation.
    """
class FormatError(InputError):
    """
    A file is missing, truncated, corrupted, or holds something that cannot be read.
    """
class RunError(RuntimeError):
    """
    The run failed after its input was accepted.
    """
class Architecture:
    """
    What a chip is made of: cells, arrays, encodings, converters.
    
    Keys are changed by keyword, a section as a dictionary; `bl.describe_keys()` lists them all. `device` names the cells.
    
    >>> chip = bl.Architecture.preset("isaac", adc={"bits": 9}, array={"rows": 256})
    >>> chip.to_dict()["adc.bits"]
    '9'
    >>> bl.Architecture.preset("default", adc={"bitz": 9})
    Traceback (most recent call last):
        ...
    bitline.ConfigError: adc.bitz=9: unknown key; did you mean adc.bits?
    """
    @staticmethod
    def from_file(path: os.PathLike | str | bytes, **kwargs) -> Architecture:
        """
        A YAML file, with changes.
        """
    @staticmethod
    def from_yaml(yaml: str, **kwargs) -> Architecture:
        """
        YAML text, with changes.
        
        >>> bl.Architecture.from_yaml("base: default\\nadc:\\n  bits: 6").to_dict()["adc.bits"]
        '6'
        """
    @staticmethod
    def preset(name: str, **kwargs) -> Architecture:
        """
        One of `bl.list_architectures()`, with changes.
        """
    def __eq__(self, arg0: Architecture) -> bool:
        ...
    def __getstate__(self) -> tuple:
        ...
    def __hash__(self) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def __setstate__(self, arg0: tuple) -> None:
        ...
    def _repr_html_(self) -> str:
        ...
    def changed(self, **kwargs) -> Architecture:
        """
        The same with other values of some keys.
        
        >>> chip = bl.Architecture.preset("default")
        >>> [chip.changed(adc={"bits": bits}).to_dict()["adc.bits"] for bits in (4, 6)]
        ['4', '6']
        """
    def to_dict(self) -> dict:
        """
        The same as a dictionary of text by path.
        """
    def to_yaml(self) -> str:
        """
        Every key that has an effect, as YAML: what a run records.
        """
    @property
    def description(self) -> str:
        ...
    @property
    def hash(self) -> str:
        """
        SHA-256 of the canonical YAML, with the contents of the files that it names.
        """
    @property
    def name(self) -> str:
        ...
class Device:
    """
    A memory cell: its levels, and what writing, time and reading do to them.
    
    A name of `bl.list_devices()` or a YAML file; keys below `cell` are changed by keyword.
    
    >>> bl.Device("pcm-nandakumar2019")
    <Device pcm-nandakumar2019, 0 .. 25 uS, 2 bit>
    """
    @staticmethod
    def of(architecture: Architecture) -> Device:
        """
        The cells of an architecture.
        """
    def __init__(self, name_or_file: str, **kwargs) -> None:
        ...
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    def pulses(self, up: typing.SupportsInt | typing.SupportsIndex, down: typing.SupportsInt | typing.SupportsIndex, *, devices: typing.SupportsInt | typing.SupportsIndex = 0, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float64]:
        """
        Conductances in S, (devices x up + down + 1), after each of `up` pulses up and `down` pulses down from the
        low end. Without `devices`, the mean curve of the nominal device, (1 x up + down + 1).
        """
    def sample_states(self, ages: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [0.0], *, bits: typing.SupportsInt | typing.SupportsIndex = 3, cells: typing.SupportsInt | typing.SupportsIndex = 4000, temperature: typing.SupportsFloat | typing.SupportsIndex = 300.0, seed: typing.SupportsInt | typing.SupportsIndex = 0) -> dict:
        """
        Conductances of many cells of each of 2^bits states, at ages in s since programming.
        
        A dictionary of arrays: age (A), target (S), and (A x S) mean, deviation, low, median, high (quantiles 5 %, 50 %, 95 %
        over cells) and read_deviation (of one read), all in siemens; NaN at ages that `outside` says why the model does not
        cover.
        
        >>> states = bl.Device("pcm-nandakumar2019").sample_states([0, 3600])
        >>> states["mean"].shape
        (2, 8)
        >>> bool(states["mean"][1, -1] < states["mean"][0, -1])  # it drifts
        True
        """
    @property
    def bits(self) -> int:
        ...
    @property
    def description(self) -> str:
        ...
    @property
    def g_max(self) -> float:
        """
        S
        """
    @property
    def g_min(self) -> float:
        """
        S
        """
    @property
    def name(self) -> str:
        ...
    @property
    def source(self) -> str:
        ...
class Dataset:
    """
    Samples and labels, from arrays or files.
    
    Wherever data are wanted, an array x, a pair (x, y) and text such as "digits.h5" serve as well. Arrays of float32 in C
    order are used as they lie in memory.
    
    >>> import numpy as np
    >>> data = bl.Dataset(np.zeros((5, 64), np.float32), [3, 1, 4, 1, 5])
    >>> len(data), data.shape
    (5, (64,))
    """
    def __init__(self, x: typing.Any, y: typing.Any = None) -> None:
        ...
    def __len__(self) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def read(self, first: typing.SupportsInt | typing.SupportsIndex, count: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float32]:
        """
        Raw samples as float32, (count x shape).
        """
    @property
    def labels(self) -> numpy.typing.NDArray[numpy.int32]:
        """
        One for each sample, or none.
        """
    @property
    def shape(self) -> tuple:
        """
        Of one sample.
        """
    @property
    def spec(self) -> str:
        ...
class Network:
    """
    A checked graph of quantized layers; read-only.
    
    >>> network = bl.read_network("digits_cnn.onnx")
    >>> network.input_shape
    (1, 8, 8)
    >>> x = bl.open_dataset("digits.h5").read(0, 2)
    >>> network.run(x).shape  # the exact integer network in software
    (2, 10)
    """
    __hash__: typing.ClassVar[None] = None
    def __copy__(self) -> Network:
        ...
    def __deepcopy__(self, arg0: dict) -> Network:
        ...
    def __eq__(self, arg0: Network) -> bool:
        ...
    def __getstate__(self) -> bytes:
        ...
    def __repr__(self) -> str:
        ...
    def __setstate__(self, arg0: bytes) -> None:
        ...
    def _repr_html_(self) -> str:
        ...
    def run(self, x: typing.Any, *, preprocess: str | None = None) -> numpy.typing.NDArray[numpy.float32]:
        """
        The outputs of the network in software, float32 (samples x outputs); integer layers are exact.
        
        x: raw samples along the first axis. `preprocess`: "raw" for samples that are preprocessed already; without it, the
        network's own.
        """
    @property
    def input_shape(self) -> tuple:
        """
        Of one sample.
        """
    @property
    def layers(self) -> list:
        """
        What each layer is, dictionaries in the order of the graph.
        """
    @property
    def metadata(self) -> dict:
        ...
    @property
    def name(self) -> str:
        ...
    @property
    def output_shape(self) -> tuple:
        """
        Of one sample.
        """
    @property
    def preprocess(self) -> str | None:
        """
        How raw samples become the input, as functions take it; None where the model does not say.
        """
class MappedArray:
    """
    One array of a layer: what part of it the cells hold.
    """
    def __repr__(self) -> str:
        ...
    @property
    def active_rows(self) -> int:
        """
        Driven at a time.
        """
    @property
    def bit_lines(self) -> int:
        """
        In use; two for a column of pairs.
        """
    @property
    def columns(self) -> int:
        """
        That converters read.
        """
    @property
    def first_row(self) -> int:
        """
        Of the layer's rows; of packed groups, of the rows of all of them.
        """
    @property
    def id(self) -> int:
        """
        Number among all arrays of the chip.
        """
    @property
    def outputs(self) -> numpy.typing.NDArray[numpy.int32]:
        """
        Of the layer (or pack), one for each column that converters read; -1: reference.
        """
    @property
    def rows(self) -> int:
        """
        Of the layer, that the array holds.
        """
    @property
    def word_lines(self) -> int:
        """
        In use.
        """
class MappedLayer:
    """
    What one layer became.
    """
    def __repr__(self) -> str:
        ...
    @property
    def array_count(self) -> int:
        """
        Physical ones: a pair that is split over two arrays counts twice.
        """
    @property
    def arrays(self) -> list[MappedArray]:
        """
        Where its rows and columns lie.
        """
    @property
    def cells_used(self) -> int:
        ...
    @property
    def cols(self) -> int:
        """
        Outputs of one group.
        """
    @property
    def cycles(self) -> int:
        """
        Per sample.
        """
    @property
    def groups(self) -> int:
        ...
    @property
    def kind(self) -> str:
        ...
    @property
    def lossless_bits(self) -> int:
        """
        ADC bits that resolve every sum to one level.
        """
    @property
    def name(self) -> str:
        ...
    @property
    def note(self) -> str:
        ...
    @property
    def positions(self) -> int:
        """
        Products per sample.
        """
    @property
    def rows(self) -> int:
        """
        Of one group.
        """
    @property
    def sum_bounds(self) -> tuple[int, int]:
        """
        Levels that a column's sum can reach, lowest and highest over all inputs.
        """
    @property
    def utilisation(self) -> float:
        """
        Cells used as a share of the arrays' cells.
        """
class Mapping:
    """
    Which cell holds which slice of which weight.
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    def write(self, path: os.PathLike | str | bytes) -> None:
        """
        The plan as HDF5.
        """
    def write_targets(self, path: os.PathLike | str | bytes) -> None:
        """
        What each cell is to be programmed to, as HDF5.
        """
    @property
    def architecture(self) -> Architecture:
        ...
    @property
    def arrays(self) -> int:
        ...
    @property
    def arrays_available(self) -> int:
        """
        0: unlimited.
        """
    @property
    def cores(self) -> int:
        ...
    @property
    def cycles(self) -> int:
        """
        Per sample.
        """
    @property
    def layers(self) -> list[MappedLayer]:
        ...
    @property
    def network(self) -> Network:
        ...
    @property
    def reloads(self) -> int:
        """
        Times that the chip is filled per pass over the network.
        """
    @property
    def tiles(self) -> int:
        ...
class AdcRange:
    """
    What a layer's converters resolve, before their own errors.
    """
    def __repr__(self) -> str:
        ...
    @property
    def bits(self) -> int:
        ...
    @property
    def hi(self) -> int:
        """
        Highest code.
        """
    @property
    def levels(self) -> tuple[float, float]:
        """
        Sums of the lowest and the highest code, with equal steps.
        """
    @property
    def lo(self) -> int:
        """
        Lowest code.
        """
    @property
    def lossless(self) -> bool:
        ...
    @property
    def policy(self) -> str:
        ...
    @property
    def step(self) -> float:
        """
        Levels per code.
        """
    @property
    def threshold(self) -> float:
        """
        Of a sense amplifier, levels.
        """
    @property
    def thresholds(self) -> list[float]:
        """
        Where codes begin, in codes; empty: equal steps.
        """
class Chip:
    """
    The cells of a network as programmed and aged; read-only.
    
    Any number of threads may run one chip.
    
    >>> network = bl.read_network("digits_cnn.onnx")
    >>> mapping = bl.map_network(network, bl.Architecture.preset("default", device="pcm-nandakumar2019"))
    >>> chip = bl.program(mapping, seed=1, calibration="digits_calibration.h5")
    >>> x = bl.open_dataset("digits.h5").read(0, 4)
    >>> chip.run(x).shape
    (4, 10)
    >>> chip.age(3600)
    <Chip digits_cnn on default: 12 arrays, 3600 s old, 300 K>
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    def age(self, seconds: typing.SupportsFloat | typing.SupportsIndex, temperature: typing.SupportsFloat | typing.SupportsIndex | None = None) -> Chip:
        """
        This chip `seconds` after it was programmed, calibrated and compensated there as its architecture says.
        """
    def clipped_share(self, x: typing.Any, layer: typing.Any, *, preprocess: str | None = None, first_sample: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float32]:
        """
        How much of each output of a layer rests on conversions that clipped, 0 .. 1, float32 (samples x outputs):
        what gradients through the chip must know. Arguments as those of `run`.
        """
    def conductances(self, layer: typing.Any, array: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float64]:
        """
        What the cells of an array are, (word lines x columns) in S; of pairs subtracted before the converter, the
        difference.
        """
    def count_codes(self, layer: typing.Any, x: typing.Any, *, preprocess: str | None = None, first_sample: typing.SupportsInt | typing.SupportsIndex = 0) -> dict:
        """
        How often each code leaves the converters of a layer while samples run through the chip.
        
        A dictionary: code, count (one for each code of the converter), and clipped: how many conversions lay beyond the outer
        codes. Over all arrays, columns and input cycles of the layer; the noise is that of `run` with the same arguments, which
        are the same.
        
        >>> network = bl.read_network("digits_cnn.onnx")
        >>> chip = bl.program(bl.map_network(network, bl.Architecture.preset("isaac")))
        >>> codes = chip.count_codes("conv1", bl.open_dataset("digits.h5").read(0, 4))
        >>> len(codes["code"]), codes["clipped"]
        (256, 0)
        """
    def effective_weights(self, layer: typing.Any) -> tuple:
        """
        What the layer computes where converters resolve everything and reads have no noise: weights (outputs x
        rows) and offsets (outputs), in weight codes.
        """
    def run(self, x: typing.Any, *, preprocess: str | None = None, first_sample: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float32]:
        """
        The outputs of the network on this chip, float32 (samples x outputs).
        
        x: raw samples along the first axis. `preprocess`: "raw" for samples that are preprocessed already; without it, the
        network's own. Sample i draws the noise of number `first_sample` + i: the same call gives the same bits, another number
        another draw.
        """
    def transitions(self, layer: typing.Any, array: typing.SupportsInt | typing.SupportsIndex = 0) -> numpy.typing.NDArray[numpy.float64]:
        """
        Column sums at which the converters of an array go from each code to the next, in levels, offset and
        gain included: (converters x codes - 1), ascending, equal where a code never comes.
        """
    @property
    def adc_ranges(self) -> list[AdcRange]:
        """
        Of every mapped layer.
        """
    @property
    def mapping(self) -> Mapping:
        ...
    @property
    def report(self) -> dict:
        """
        What programming met.
        """
    @property
    def temperature(self) -> float:
        """
        K
        """
    @property
    def time(self) -> float:
        """
        s since programming
        """
class LayerResult:
    """
    One layer over all trials.
    """
    @property
    def adc(self) -> AdcRange:
        """
        Of the first trial.
        """
    @property
    def adc_clip_rate(self) -> float:
        """
        Share of conversions.
        """
    @property
    def arrays(self) -> int:
        ...
    @property
    def name(self) -> str:
        ...
    @property
    def sqnr_db(self) -> float | None:
        """
        Signal over error of the layer's sums; None where exact.
        """
class TrialResult:
    """
    One chip.
    """
    @property
    def accuracy(self) -> float:
        ...
    @property
    def agreement(self) -> float:
        """
        Share of samples with the answer of the software.
        """
    @property
    def programming(self) -> dict:
        ...
class ChipResult:
    """
    All trials at one age.
    """
    @property
    def accuracy_ci95(self) -> float | None:
        """
        Half width for the mean; None for one trial.
        """
    @property
    def accuracy_mean(self) -> float:
        ...
    @property
    def accuracy_std(self) -> float | None:
        """
        None for one trial.
        """
    @property
    def agreement(self) -> float:
        ...
    @property
    def layers(self) -> list[LayerResult]:
        ...
    @property
    def trials(self) -> list[TrialResult]:
        ...
class AgeResult:
    """
    All trials at one age, or why there are none.
    """
    @property
    def age(self) -> float:
        """
        s
        """
    @property
    def chip(self) -> ChipResult | None:
        ...
    @property
    def outside(self) -> str:
        ...
class SimulationResult(ChipResult):
    """
    What a chip does to a network; its own figures are of the first age.
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    @property
    def ages(self) -> list[AgeResult]:
        ...
    @property
    def calibration_samples(self) -> int:
        ...
    @property
    def float_accuracy(self) -> float | None:
        ...
    @property
    def ideal_accuracy(self) -> float | None:
        ...
    @property
    def ideal_unequal(self) -> int:
        """
        Samples whose output on perfect cells differs from the software's in any bit.
        """
    @property
    def images_per_second(self) -> float:
        ...
    @property
    def samples(self) -> int:
        ...
    @property
    def seconds(self) -> float:
        ...
    @property
    def software_accuracy(self) -> float:
        ...
class EpochResult:
    """
    One epoch of a training.
    """
    def __repr__(self) -> str:
        ...
    @property
    def accuracy(self) -> float:
        """
        Of the training samples, likewise.
        """
    @property
    def best_accuracy(self) -> float:
        """
        Of the run.
        """
    @property
    def best_epoch(self) -> int:
        ...
    @property
    def epoch(self) -> int:
        """
        1 .. epochs
        """
    @property
    def epochs(self) -> int:
        ...
    @property
    def loss(self) -> float:
        """
        Mean over the training samples, each before its step.
        """
    @property
    def rate(self) -> float:
        """
        Of the last step.
        """
    @property
    def seconds(self) -> float:
        ...
    @property
    def step(self) -> int:
        """
        Steps taken so far.
        """
    @property
    def test_accuracy(self) -> float:
        """
        After the epoch, without hardware.
        """
class Chain:
    """
    Accuracies of one network from float to chip.
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    @property
    def chip(self) -> SimulationResult:
        """
        Ideal and real chips, as `bl.simulate` gives them.
        """
    @property
    def gap(self) -> float:
        """
        integer - mean of the real chips at the first age.
        """
    @property
    def ideal_chip(self) -> float | None:
        ...
    @property
    def integer(self) -> float:
        """
        Integer sums.
        """
    @property
    def quantized(self) -> float:
        """
        Quantized weights and inputs, float sums.
        """
    @property
    def real(self) -> float:
        """
        Float weights, no quantizers.
        """
class TrainResult:
    """
    A trained network and how it came about.
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    @property
    def average_bits(self) -> float:
        """
        Per parameter.
        """
    @property
    def before(self) -> Chain | None:
        """
        Chain before the first step, of networks that were trained already.
        """
    @property
    def chain(self) -> Chain | None:
        """
        Chain at the end; None without a method.
        """
    @property
    def epochs(self) -> list[EpochResult]:
        """
        Those of this call; a resumed run leaves out what came before.
        """
    @property
    def network(self) -> Network:
        """
        With a method, of integers; else float.
        """
class PulseFit:
    """
    A switching law fitted to measured pulses.
    """
    def __repr__(self) -> str:
        ...
    def _repr_html_(self) -> str:
        ...
    @property
    def architecture(self) -> Architecture:
        """
        The preset `default` with these cells.
        """
    @property
    def bic(self) -> float:
        """
        Bayesian information criterion: less is better, for laws fitted to the same readings.
        """
    @property
    def curve_rms(self) -> float:
        """
        S, of a reading less the mean curve.
        """
    @property
    def law(self) -> str:
        ...
    @property
    def parameters(self) -> dict:
        """
        By name: value, error (standard error; None: the data do not fix it) and unit.
        """
    @property
    def pulse_rms(self) -> float:
        """
        S, of a reading less its prediction from the readings before.
        """
    @property
    def r_squared(self) -> float:
        """
        Of the mean curves.
        """
    @property
    def traces(self) -> list:
        """
        For each device: device, pulse, and measured and fitted conductance in S.
        """
    @property
    def yaml(self) -> str:
        """
        The same as a file says it.
        """
def chip_seed(seed: typing.SupportsInt | typing.SupportsIndex, step: typing.SupportsInt | typing.SupportsIndex) -> int:
    """
    A seed of its own for everything that has a number.
    """
def describe_keys() -> list:
    """
    Every key of an architecture: dictionaries of path, type, range, default and meaning.
    """
def draw_age(seed: typing.SupportsInt | typing.SupportsIndex, step: typing.SupportsInt | typing.SupportsIndex, low: typing.SupportsFloat | typing.SupportsIndex, high: typing.SupportsFloat | typing.SupportsIndex) -> float:
    """
    s since programming, its logarithm uniform between that of both.
    """
def fake_quantize(x: typing.Any, method: str, of: str = 'weights', *, bits: typing.SupportsInt | typing.SupportsIndex | None = None) -> numpy.typing.NDArray[numpy.float32]:
    """
    What a training method makes of the weights of one output channel, or of a layer's inputs: the numbers that
    their codes stand for, float32 in the shape of x.
    
    The method's quantizer starts from these very numbers, as before the first training step. of: "weights" or "inputs";
    inputs without any negative number are those behind a ReLU. bits: the method's default unless given.
    
    >>> bl.fake_quantize([-0.9, -0.2, 0.1, 0.8], "ternary").tolist()
    [-0.8500000238418579, 0.0, 0.0, 0.8500000238418579]
    """
def fit_every_law(path: os.PathLike | str | bytes, *, g_min: typing.SupportsFloat | typing.SupportsIndex | None = None, g_max: typing.SupportsFloat | typing.SupportsIndex | None = None) -> list[PulseFit]:
    """
    Every law that `fit_pulses` knows, likeliest (least BIC) first.
    """
def fit_pulses(path: os.PathLike | str | bytes, law: str = 'exponential', *, g_min: typing.SupportsFloat | typing.SupportsIndex | None = None, g_max: typing.SupportsFloat | typing.SupportsIndex | None = None) -> PulseFit:
    """
    A law of switching from measured pulses: CSV with columns pulse, conductance (S), and as needed
    direction and device.
    
    law: exponential, constant, linear, soft_bounds, exp_step, pow_step or piecewise. g_min, g_max: ends of the window in S,
    fitted or from the data unless given.
    
    >>> fit = bl.fit_pulses("../devices/pulses.csv", "exponential")
    >>> round(fit.parameters["label_up"]["value"], 1)
    2.3
    >>> bl.Device.of(fit.architecture).pulses(50, 50).shape
    (1, 101)
    """
def kernel() -> str:
    """
    Name of the kernel in use: the best that the processor has, or the one that BITLINE_KERNEL names.
    """
def layer_network(codes: numpy.ndarray, weight_scale: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], input_scale: typing.SupportsFloat | typing.SupportsIndex, input_shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], *, bias: typing.Annotated[numpy.typing.ArrayLike, numpy.float32] | None = None, weight_bits: typing.SupportsInt | typing.SupportsIndex = 8, input_bits: typing.SupportsInt | typing.SupportsIndex = 8, input_zero_point: typing.SupportsInt | typing.SupportsIndex = 0, stride: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex] = (1, 1), padding: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex] = (0, 0, 0, 0), dilation: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex] = (1, 1), groups: typing.SupportsInt | typing.SupportsIndex = 1, name: str = 'layer') -> Network:
    """
    A network of one layer from whole numbers: y = input_scale * weight_scale * sum(x_q * w_q) + bias.
    
    codes: weights (outputs, inputs), or of a convolution (outputs, inputs / groups, height, width), each at most
    2^(weight_bits - 1) - 1 in magnitude; weight_scale: one per output. Inputs become codes 0 .. 2^input_bits - 1, rounded
    (half to even) from x / input_scale + input_zero_point. padding: top, left, bottom, right.
    
    >>> network = bl.layer_network(np.array([[1, -2], [3, 0]]), [0.5, 0.5], 0.1, (2,), bias=[0, 1])
    >>> network.run(np.array([[1.0, 0.5]])).tolist()
    [[0.0, 2.5]]
    """
def list_architectures() -> list:
    """
    Names of the architectures that are built in.
    
    >>> "isaac" in bl.list_architectures()
    True
    """
def list_devices() -> list:
    """
    Names of the devices that are built in.
    
    >>> "pcm-hermes-one" in bl.list_devices()
    True
    """
def list_methods() -> list:
    """
    Training methods, in the order of their papers: dictionaries of name, summary, paper, and weight_bits and
    input_bits (least, default, most).
    
    >>> bl.list_methods()[0]["name"]
    'binaryconnect'
    """
def list_networks() -> list:
    """
    Names of the networks that are built in.
    
    >>> "lenet5" in bl.list_networks()
    True
    """
def map_network(network: Network, architecture: Architecture, *, check_fit: bool = True) -> Mapping:
    """
    Puts a network on arrays. A network that does not fit the chip is an error where `check_fit`.
    
    >>> network = bl.read_network("digits_cnn.onnx")
    >>> bl.map_network(network, bl.Architecture.preset("default")).layers[0]
    <MappedLayer conv1: convolution, 1 arrays>
    """
def needs_calibration(architecture: Architecture) -> bool:
    """
    Whether chips of this architecture want samples for converter ranges or the statistics of outputs.
    """
def open_dataset(spec: str, limit: typing.SupportsInt | typing.SupportsIndex | None = None) -> Dataset:
    """
    Data from files: FILE.h5, idx:IMAGES,LABELS, cifar10:FILE[,FILE...], npz:FILE, raw:FILE,LABELS,DTYPE,AxBxC.
    
    >>> bl.open_dataset("digits.h5", limit=100)
    <Dataset digits.h5: 100 samples of 1x8x8>
    """
def program(mapping: Mapping, *, seed: typing.SupportsInt | typing.SupportsIndex = 0, trial: typing.SupportsInt | typing.SupportsIndex = 0, time: typing.SupportsFloat | typing.SupportsIndex = 0.0, temperature: typing.SupportsFloat | typing.SupportsIndex = 300.0, calibration: typing.Any = None, calibration_samples: typing.SupportsInt | typing.SupportsIndex = 64, preprocess: str | None = None) -> Chip:
    """
    Writes a mapping into cells: chip number `trial` of a seed, as `bl.simulate` makes it, `time` s later.
    
    `calibration`: data whose first samples set calibrated converter ranges, where the architecture wants them.
    """
def program_ideal(mapping: Mapping) -> Chip:
    """
    The mapping in perfect cells behind lossless converters: the same as the network in software, to the bit.
    """
def quantize(network: Network, calibration: typing.Any, *, preprocess: str | None = None, weight_bits: typing.SupportsInt | typing.SupportsIndex = 8, input_bits: typing.SupportsInt | typing.SupportsIndex = 8, method: str = 'mse', percentile: typing.SupportsFloat | typing.SupportsIndex | None = None, calibration_samples: typing.SupportsInt | typing.SupportsIndex = 256) -> Network:
    """
    A network of integer layers from a float one, by post-training quantization.
    
    `calibration`: data whose first samples (256) set the ranges, by `method`: "minmax", "percentile" (99.99) or "mse".
    
    >>> network = bl.quantize(bl.read_onnx("digits_float.onnx"), "digits_calibration.h5", weight_bits=6)
    >>> network.layers[1]["weight_bits"]
    6
    """
def read_hdf5(path: os.PathLike | str | bytes) -> Network:
    """
    A network from Bitline's HDF5.
    """
def read_network(path: os.PathLike | str | bytes) -> Network:
    """
    A network from ONNX or Bitline's HDF5, told apart by the file's first bytes.
    """
def read_onnx(path: os.PathLike | str | bytes) -> Network:
    """
    A network from ONNX: QDQ, operator form, QONNX, or float.
    
    >>> bl.read_onnx("digits_cnn.onnx").output_shape
    (10,)
    >>> bl.read_onnx("missing.onnx")
    Traceback (most recent call last):
        ...
    bitline.FormatError: model missing.onnx: no such file
    """
def set_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Number of threads that all work shares; 0: every processor. Never changes a result.
    
    >>> bl.set_threads(2)
    >>> bl.threads()
    2
    """
def simulate(mapping: Mapping, data: typing.Any, *, preprocess: str | None = None, float_network: Network | None = None, calibration: typing.Any = None, trials: typing.SupportsInt | typing.SupportsIndex = 1, seed: typing.SupportsInt | typing.SupportsIndex = 0, ages: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [0.0], temperature: typing.SupportsFloat | typing.SupportsIndex = 300.0, ideal_chip: bool = True, calibration_samples: typing.SupportsInt | typing.SupportsIndex = 64, progress: typing.Any = None) -> SimulationResult:
    """
    See bitline.simulate; `progress` is called with stage, samples done and samples in all.
    """
def software_accuracy(network: Network, data: typing.Any, *, preprocess: str | None = None) -> float:
    """
    Share of samples whose largest output is their label.
    
    >>> bl.software_accuracy(bl.read_network("digits_cnn.onnx"), "digits.h5") > 0.9
    True
    """
def threads() -> int:
    """
    Number of threads that all work shares.
    """
def train(model: typing.Any, data: typing.Any, test: typing.Any, options: dict, *, teacher: typing.Any = None, checkpoint: str | None = None, every: typing.SupportsInt | typing.SupportsIndex = 1, resume: str | None = None, initial: str | None = None, progress: typing.Any = None, on_epoch: typing.Any = None) -> TrainResult:
    """
    See bitline.train; `progress` is called with stage, steps done and steps in all, `on_epoch` with an EpochResult.
    """
def weight_noise(count: typing.SupportsInt | typing.SupportsIndex, seed: typing.SupportsInt | typing.SupportsIndex, step: typing.SupportsInt | typing.SupportsIndex, layer: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float32]:
    """
    The standard normal numbers that a layer's weights meet in a step of training with noise.
    """
def with_lossless_converters(architecture: Architecture) -> Architecture:
    """
    The same chip with converters that resolve everything.
    """
def write_hdf5(network: Network, path: os.PathLike | str | bytes) -> None:
    """
    As HDF5, which keeps every bit.
    """
def write_onnx(network: Network, path: os.PathLike | str | bytes) -> None:
    """
    As QDQ ONNX, which ONNX Runtime runs with the same codes.
    """
__version__: str = '0.1.0'
