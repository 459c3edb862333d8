"""A catalogue of wrong input. Each case is one command; each ends with one clear message, the right exit code, no result
on standard output and no file left behind.

Arguments: `@name` is a file of bad_files.py or of examples/digits, made when the case asks for it.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

import pytest
from bad_files import Files
from bad_models import MODELS

CRASHES = ("Sanitizer", "terminate called", "runtime error:", "Traceback", "HDF5-DIAG", "Assertion", "Segmentation")


@dataclass
class Case:
    name: str
    arguments: list
    says: list  # fragments of the message
    code: int = 2
    environment: dict = field(default_factory=dict)
    prints: bool = False  # a table may be shown before the verdict


@pytest.fixture(scope="session")
def files(tmp_path_factory, digits, run_bitline):
    return Files(tmp_path_factory.mktemp("files"), digits, run_bitline)


def resolve(argument, files):
    return re.sub(r"@([\w.-]+)", lambda match: str(files.path(match.group(1))), argument)


def check(result, case, folder):
    report = f"{' '.join(map(str, result.args))}\nstdout: {result.stdout}\nstderr: {result.stderr}"
    assert not any(word in result.stdout + result.stderr for word in CRASHES), report
    assert result.returncode == case.code, report
    assert result.stderr.startswith("bitline: error: "), report
    assert result.stderr.count("\n") == 1 and len(result.stderr) < 1500, report
    for fragment in case.says:
        assert fragment.lower() in result.stderr.lower(), f"'{fragment}' is not in the message\n{report}"
    assert case.prints or result.stdout == "", report
    assert list(folder.iterdir()) == [], f"files left: {list(folder.iterdir())}"


# ------------------------------------------------------------------------------------------------- the catalogue

SIMULATE = ["simulate", "@digits_cnn.onnx", "--arch", "default", "--data", "@digits.h5", "--limit", "2"]
MAP = ["map", "@digits_cnn.onnx", "--arch"]
QUANTIZE = ["quantize", "@digits_float.onnx", "-o", "out.onnx", "--calibration", "@digits_calibration.h5:8"]


def inspect(name, file, *says):
    return Case(name, ["inspect", file], list(says))


def simulate(name, extra, *says, **options):
    return Case(name, SIMULATE + extra, list(says), **options)


def data(name, spec, *says):
    arguments = ["simulate", "@digits_cnn.onnx", "--arch", "default", "--data", spec, "--json", "out.json"]
    return Case(name, arguments, list(says))


def setting(name, text, *says):
    return Case(name, MAP + ["default", "--set", text], list(says))


def architecture(name, *says):
    return Case(f"yaml-{name}", MAP + [f"@{name}.yaml"], [f"{name}.yaml", *says])


def quantize(name, extra, *says):
    return Case(name, QUANTIZE + extra, list(says))


MODEL_FILES = [
    inspect("model-missing", "nowhere.onnx", "nowhere.onnx", "no such file"),
    inspect("model-empty", "@empty.onnx", "empty.onnx", "empty"),
    inspect("model-empty-h5", "@empty.h5", "empty.h5", "empty"),
    inspect("model-folder", "@folder.onnx", "folder.onnx", "folder"),
    inspect("model-pipe", "@pipe.onnx", "pipe.onnx"),
    inspect("model-device", "/dev/zero", "/dev/zero"),
    inspect("model-null", "/dev/null", "/dev/null"),
    inspect("model-text", "@text.onnx", "text.onnx"),
    inspect("model-zeros", "@zeros.onnx", "zeros.onnx"),
    inspect("model-noise", "@noise.onnx", "noise.onnx"),
    inspect("model-truncated", "@truncated.onnx", "truncated.onnx"),
    inspect("model-h5-truncated", "@truncated_network.h5", "truncated_network.h5"),
    inspect("model-h5-corrupted", "@corrupted_network.h5", "corrupted_network.h5", "checksum"),
    inspect("model-h5-block-corrupted", "@corrupted_block.h5", "corrupted_block.h5", "checksum"),
    inspect("model-h5-header-only", "@header_only.h5", "header_only.h5"),
    inspect("model-h5-half-a-block", "@half_a_block.h5", "half_a_block.h5"),
    inspect("model-h5-future-version", "@future.h5", "future.h5", "version"),
    inspect("model-h5-foreign", "@foreign_network.h5", "foreign_network.h5"),
    inspect("model-is-data", "@digits.h5", "digits.h5"),
    inspect("model-is-gzip", "@images.gz", "images.gz"),
    inspect("model-below-a-file", "@digits.h5/model.onnx", "model.onnx"),
    inspect("model-name-too-long", "n" * 300 + ".onnx", "nnn"),
    inspect("model-name-empty", ""),
]

MODEL_CONTENT = {
    "unknown_operator": ["Frobnicate", "odd one"],
    "unknown_domain": ["Blur", "blur7", "com.example"],
    "recurrent": ["LSTM", "memory"],
    "nan_weight": ["nan"],
    "infinite_weight": ["w", "inf"],
    "nan_bias": ["b", "nan"],
    "zero_outputs": ["w", "[0, 1, 3, 3]"],
    "zero_sized_kernel": ["w", "[4, 1, 0, 3]"],
    "zero_sized_input": ["x", "0"],
    "negative_input_size": ["x", "-8"],
    "unknown_input_size": ["x", "axis 2"],
    "wrong_channels": ["first", "channels"],
    "kernel_beyond_input": ["first", "11x11", "8x8"],
    "stride_zero": ["first", "stride", "0"],
    "negative_pads": ["first", "pad", "-1"],
    "huge_pads": ["first", "pad"],
    "huge_dilation": ["first", "dilation"],
    "odd_groups": ["first", "group"],
    "zero_groups": ["first", "group"],
    "missing_tensor": ["first", "nowhere"],
    "cycle": ["one"],
    "same_output_twice": ["two"],
    "no_output": ["output"],
    "no_input": [],
    "two_inputs": ["input"],
    "short_raw_data": ["w", "bytes"],
    "huge_shape_without_data": ["w"],
    "negative_shape": ["w", "-1"],
    "text_weights": ["w"],
    "external_weights": ["w", "external"],
    "old_opset": ["opset", "6"],
    "wrong_inner_size": ["last", "63"],
    "impossible_reshape": ["fold"],
    "zero_scale": ["scale", "0"],
    "negative_scale": ["scale", "-0.5"],
    "nan_scale": ["nan"],
    "infinite_weight_scale": ["inf"],
    "wrong_zero_point_type": ["zero"],
    "zero_bits": ["quant", "bits"],
    "forty_bits": ["quant", "bits", "40"],
    "half_a_bit": ["quant", "2.5"],
    "foreign_preprocess": ["bitline.preprocess", "banana"],
    "negative_variance": ["norm", "-1"],
    "division_by_zero": ["halve", "zero"],
    "no_nodes": [],
}
MODEL_CASES = [
    inspect(f"onnx-{name.replace('_', '-')}", f"@{name}.onnx", f"{name}.onnx", *says) for name, says in MODEL_CONTENT.items()
]

DATA_CASES = [
    data("data-missing", "nowhere.h5", "nowhere.h5", "no such file"),
    data("data-unknown-kind", "csv:numbers.csv", "csv"),
    data("data-unknown-extension", "@text.onnx", "text.onnx"),
    data("data-empty-spec", "", "data"),
    data("data-spec-without-file", "h5:", "h5:"),
    data("data-folder", "h5:@folder.h5", "folder.h5", "folder"),
    data("data-empty", "@empty.h5", "empty.h5", "empty"),
    data("data-truncated", "@truncated_data.h5", "truncated_data.h5"),
    data("data-corrupted", "@corrupted_data.h5", "corrupted_data.h5", "checksum"),
    data("data-foreign-truncated", "@truncated_foreign.h5", "truncated_foreign.h5"),
    data("data-foreign-corrupted", "@corrupted_foreign.h5", "corrupted_foreign.h5"),
    data("data-is-no-hdf5", "h5:@text.onnx", "text.onnx"),
    data("data-without-x", "@no_x.h5", "no_x.h5", "x"),
    data("data-x-is-group", "@x_is_group.h5", "x_is_group.h5", "x"),
    data("data-without-labels", "@no_labels.h5", "no_labels.h5", "label"),
    data("data-few-labels", "@few_labels.h5", "few_labels.h5", "3", "4"),
    data("data-large-label", "@large_label.h5", "large_label.h5", "10"),
    data("data-negative-label", "@negative_label.h5", "negative_label.h5", "-1"),
    data("data-half-label", "@half_label.h5", "half_label.h5"),
    data("data-no-samples", "@no_samples.h5", "no_samples.h5", "0"),
    data("data-scalar", "@scalar_x.h5", "scalar_x.h5", "x"),
    data("data-text", "@text_x.h5", "text_x.h5", "x"),
    data("data-nan", "@nan_x.h5", "nan"),
    data("data-wrong-shape", "@wide_x.h5", "1x9x9", "1x8x8"),
    data("data-wrong-axes", "@flipped_axes.h5", "2x4x8", "1x8x8"),
    data("idx-one-file", "idx:@images.idx", "idx:", "labels"),
    data("idx-three-files", "idx:@images.idx,@labels.idx,@labels.idx", "idx:"),
    data("idx-labels-missing", "idx:@images.idx,nowhere.idx", "nowhere.idx"),
    data("idx-empty", "idx:@empty.idx,@labels.idx", "empty.idx", "empty"),
    data("idx-folder", "idx:@folder.idx,@labels.idx", "folder.idx"),
    data("idx-bad-magic", "idx:@bad_magic.idx,@labels.idx", "bad_magic.idx"),
    data("idx-truncated", "idx:@truncated.idx,@labels.idx", "truncated.idx"),
    data("idx-no-header", "idx:@no_header.idx,@labels.idx", "no_header.idx"),
    data("idx-huge", "idx:@huge.idx,@labels.idx", "huge.idx"),
    data("idx-few-labels", "idx:@images.idx,@three_labels.idx", "3", "4"),
    data("idx-large-label", "idx:@images.idx,@large_labels.idx", "200"),
    data("idx-swapped", "idx:@labels.idx,@images.idx", "labels.idx"),
    data("gz-truncated", "idx:@truncated.gz,@labels.idx", "truncated.gz"),
    data("gz-corrupted", "idx:@corrupted.gz,@labels.idx", "corrupted.gz"),
    data("gz-text", "idx:@plain_text.gz,@labels.idx", "plain_text.gz"),
    data("cifar-missing", "cifar10:@records.bin,nowhere.bin", "nowhere.bin"),
    data("cifar-wrong-shape", "cifar10:@records.bin", "3x32x32", "1x8x8"),
    data("cifar-part-of-record", "cifar10:@part_of_record.bin", "part_of_record.bin", "3073"),
    data("cifar-large-label", "cifar10:@large_label.bin", "large_label.bin", "77"),
    data("cifar-empty", "cifar10:@empty.bin", "empty.bin", "empty"),
    data("xz-truncated", "cifar10:@truncated.xz", "truncated.xz"),
    data("xz-corrupted", "cifar10:@corrupted.xz", "corrupted.xz"),
    data("xz-text", "cifar10:@plain_text.xz", "plain_text.xz"),
    data("npz-missing", "npz:nowhere.npz", "nowhere.npz"),
    data("npz-empty", "npz:@empty.npz", "empty.npz", "empty"),
    data("npz-text", "npz:@text.npz", "text.npz"),
    data("npz-truncated", "npz:@truncated.npz", "truncated.npz"),
    data("npz-corrupted", "npz:@corrupted.npz", "corrupted.npz"),
    data("npz-without-x", "npz:@no_x.npz", "no_x.npz", "x"),
    data("npz-without-y", "npz:@no_y.npz", "no_y.npz"),
    data("npz-objects", "npz:@objects.npz", "objects.npz"),
    data("npz-complex", "npz:@complex.npz", "complex.npz"),
    data("npz-bad-header", "npz:@bad_header.npz", "bad_header.npz"),
    data("npz-large-label", "npz:@large_label_npz.npz", "77"),
    data("raw-few-parts", "raw:@raw_images.bin,@raw_labels.bin", "raw:"),
    data("raw-unknown-type", "raw:@raw_images.bin,@raw_labels.bin,float16,1x8x8", "float16"),
    data("raw-bad-shape", "raw:@raw_images.bin,@raw_labels.bin,uint8,1x8xeight", "1x8xeight"),
    data("raw-zero-shape", "raw:@raw_images.bin,@raw_labels.bin,uint8,1x0x8", "1x0x8"),
    data("raw-huge-shape", "raw:@raw_images.bin,@raw_labels.bin,uint8,9999999999x9999999999x8", "9999999999"),
    data("raw-part-of-sample", "raw:@raw_part.bin,@raw_labels.bin,uint8,1x8x8", "raw_part.bin", "256 bytes"),
    data("raw-missing", "raw:nowhere.bin,@raw_labels.bin,uint8,1x8x8", "nowhere.bin"),
    data("raw-large-label", "raw:@raw_images.bin,@raw_large_labels.bin,uint8,1x8x8", "99"),
]

OPTION_CASES = [
    simulate("age-empty", ["--age", ""], "--age", "an age is missing"),
    simulate("age-hole", ["--age", "0,,1h"], "--age", "an age is missing"),
    simulate("age-negative", ["--age", "-1s"], "--age = -1 violates 0 <= --age"),
    simulate("age-nan", ["--age", "nan"], "--age", "nan", "is no age"),
    simulate("age-infinite", ["--age", "0,inf"], "--age", "inf", "is no age"),
    simulate("age-unit", ["--age", "0,1month"], "--age", "1month", "s, min, h, d, w or y"),
    simulate("age-number", ["--age", "1.2.3h"], "--age", "1.2.3"),
    simulate("age-huge", ["--age", "1e9y"], "--age", "1e9y", "violates age <="),
    simulate("age-unsorted", ["--age", "0,1d,1h"], "1h", "stands behind 1d", "rise"),
    simulate("age-twice", ["--age", "60s,1min"], "1min", "60s"),
    simulate("temperature-negative", ["--temperature", "-3"], "--temperature = -3 violates 1 <= --temperature <= 2000"),
    simulate("temperature-nan", ["--temperature", "nan"], "--temperature"),
    simulate("temperature-outside", ["--temperature", "400", "--set", "cell.valid.temperature=[250, 350]"], "400 K",
             "250 to 350 K"),
    simulate("age-outside", ["--age", "1y", "--set", "cell.valid.time=[1, 1000]"], "1 to 1000 s"),
    simulate("compensation-unknown", ["--set", "compensation.drift_gain=global"], "compensation.drift_gain", "none, chip, layer"),
    simulate("compensation-sign", ["--set", "adc.bits=1", "--set", "adc.sense_amplifier=true", "--set",
                                   "compensation.drift_gain=chip"], "sense_amplifier"),
    simulate("compensation-one-bit", ["--set", "adc.bits=1", "--set", "compensation.column_affine=true"], "adc.bits = 1",
             "two ends"),
    simulate("sign-readout-without-two-levels", ["--set", "adc.readout=sign"], "adc.readout = sign", "conv1 read by converters",
             "not decided by thresholds"),
    simulate("sign-readout-unknown", ["--set", "adc.readout=comparator"], "adc.readout", "converter, sign"),
    simulate("sign-readout-offset", ["--set", "adc.readout=sign", "--set", "weights.encoding=offset"], "adc.readout = sign",
             "weights.encoding = offset"),
    simulate("sign-readout-digital-parts", ["--set", "adc.readout=sign", "--set", "weights.subtraction=digital"],
             "weights.subtraction=analog"),
    simulate("sign-readout-bias-rows", ["--set", "adc.readout=sign", "--set", "bias.place=rows"], "bias.place=digital"),
    simulate("sign-readout-compensated", ["--set", "adc.readout=sign", "--set", "compensation.drift_gain=layer"],
             "compensation.drift_gain", "adc.readout = sign"),
    simulate("comparators-of-nothing", ["--set", "adc.comparator_sigma=1"], "adc.comparator_sigma", "adc.readout = sign"),
    simulate("plot-one-age", ["--plot", "age.svg"], "--plot", "two ages", "--age 0,1s"),
    simulate("plot-one-given-age", ["--age", "1h", "--plot", "age.svg"], "--plot", "two ages"),
    simulate("plot-no-folder", ["--age", "0,1h", "--plot", "nowhere/age.svg"], "nowhere"),
    simulate("plot-over-model", ["--age", "0,1h", "--plot", "@digits_cnn.onnx"], "--plot", "overwrite an input"),
    simulate("plot-is-json", ["--age", "0,1h", "--plot", "out.json", "--json", "out.json"], "two results"),
    simulate("plot-empty", ["--age", "0,1h", "--plot", ""], "--plot needs the name of a file"),
    simulate("compensation-one-sample", ["--set", "compensation.batch_norm=true", "--calibration", "@digits.h5:1"],
             "compensation.batch_norm", "2 calibration samples"),
    simulate("trials-0", ["--trials", "0"], "--trials = 0 violates 1 <= --trials"),
    simulate("trials-negative", ["--trials", "-3"], "--trials = -3 violates"),
    simulate("trials-fraction", ["--trials", "1.5"], "--trials = 1.5", "whole number"),
    simulate("trials-exponent", ["--trials", "1e3"], "--trials = 1e3", "whole number"),
    simulate("trials-text", ["--trials", "many"], "--trials = many"),
    simulate("trials-empty", ["--trials", ""], "--trials"),
    simulate("trials-huge", ["--trials", "99999999999999999999999"], "--trials", "violates"),
    simulate("limit-0", ["--limit=0"], "--limit"),
    simulate("seed-negative", ["--seed", "-1"], "--seed = -1 violates 0 <= --seed"),
    simulate("seed-fraction", ["--seed", "1.0"], "--seed = 1.0"),
    simulate("seed-hexadecimal", ["--seed", "0x10"], "--seed = 0x10"),
    simulate("seed-octal", ["--seed", "010"], "--seed = 010"),
    simulate("seed-huge", ["--seed", "18446744073709551616"], "--seed", "violates"),
    simulate("seed-twice", ["--seed", "1", "--seed", "2"], "--seed"),
    simulate("seed-without-value", ["--seed"], "--seed"),
    simulate("sed-3", ["--sed", "3"], "--sed", "did you mean --seed"),
    simulate("sed-equals-3", ["--sed=3"], "--sed", "did you mean --seed"),
    simulate("thread", ["--thread", "2"], "did you mean --threads"),
    simulate("threads-0", ["--threads", "0"], "--threads = 0 violates 1 <= --threads <= 1024"),
    simulate("threads-1025", ["--threads", "1025"], "--threads = 1025 violates"),
    simulate("extra-argument", ["another.onnx"], "another.onnx"),
    simulate("preprocess-unknown", ["--preprocess", "imagnet"], "imagnet"),
    simulate("preprocess-zero-std", ["--preprocess", "std=0"], "std"),
    simulate("preprocess-zero-divisor", ["--preprocess", "scale=1/0"], "scale"),
    simulate("preprocess-nan", ["--preprocess", "mean=nan"], "mean"),
    simulate("preprocess-unknown-part", ["--preprocess", "scale=1,men=3"], "men"),
    simulate("preprocess-channels", ["--preprocess", "mean=1/2/3"], "mean"),
    simulate("calibration-0", ["--calibration", "@digits_calibration.h5:0"], "--calibration", "violates"),
    simulate("calibration-negative", ["--calibration", "@digits_calibration.h5:-4"], "--calibration", "violates"),
    simulate("calibration-missing", ["--calibration", "nowhere.h5:4"], "nowhere.h5"),
    simulate("calibration-wrong-shape", ["--calibration", "@wide_x.h5"], "1x9x9"),
    simulate("float-missing", ["--float", "nowhere.onnx"], "nowhere.onnx"),
    simulate("kernel-unknown", [], "BITLINE_KERNEL", "fastest", "scalar", environment={"BITLINE_KERNEL": "fastest"}),
    Case("kernel-unknown-listed", ["list", "kernels"], ["BITLINE_KERNEL", "nonsense"], environment={"BITLINE_KERNEL": "nonsense"}),
    Case("limit-0-alone", [*SIMULATE[:-2], "--limit", "0"], ["--limit = 0 violates 1 <= --limit"]),
    Case("limit-negative", [*SIMULATE[:-2], "--limit", "-5"], ["--limit = -5 violates"]),
    Case("model-not-given", ["simulate", "--arch", "default", "--data", "@digits.h5"], ["MODEL"]),
    Case("arch-not-given", ["simulate", "@digits_cnn.onnx", "--data", "@digits.h5"], ["--arch"]),
    Case("data-not-given", ["simulate", "@digits_cnn.onnx", "--arch", "default"], ["--data"]),
    Case("float-network-simulated", ["simulate", "@digits_float.onnx", *SIMULATE[2:]], ["bitline quantize"]),
    Case("float-network-mapped", ["map", "@digits_float.onnx", "--arch", "default"], ["bitline quantize"]),
    Case("no-command", [], ["command"]),
    Case("unknown-command", ["simulat"], ["simulat", "did you mean simulate"]),
    Case("command-with-slash", ["../simulate"], ["../simulate"]),
    Case("unknown-program-option", ["--verison"], ["--verison", "--version"]),
    Case("list-unknown-topic", ["list", "kernal"], ["kernal", "kernels"]),
    Case("list-unknown-architecture", ["list", "architectures", "isac"], ["isac", "isaac"]),
    Case("list-unknown-key", ["list", "keys", "adc.bit"], ["adc.bit", "adc.bits"]),
]

ARCHITECTURE_CASES = [
    Case("arch-unknown", [*MAP, "defualt"], ["defualt", "default"]),
    Case("arch-missing-file", [*MAP, "nowhere.yaml"], ["nowhere.yaml"]),
    Case("arch-folder", [*MAP, "@folder.yaml"], ["folder.yaml"]),
    Case("arch-is-a-model", [*MAP, "@digits_cnn.onnx"], ["digits_cnn.onnx"]),
    Case("arch-empty", [*MAP, "@empty.yaml"], ["empty.yaml", "empty"]),
    setting("set-0-rows", "array.rows=0", "array.rows", "1 <= array.rows"),
    setting("set-negative-columns", "array.cols=-1", "array.cols", "1 <= array.cols"),
    setting("set-more-active-rows", "array.active_rows=500", "array.active_rows"),
    setting("set-40-bit-adc", "adc.bits=40", "adc.bits", "1 <= adc.bits <= 16"),
    setting("set-0-bit-adc", "adc.bits=0", "adc.bits", "1 <= adc.bits"),
    setting("set-0-bit-cell", "cell.bits=0", "cell.bits", "1 <= cell.bits"),
    setting("set-17-bit-cell", "cell.bits=17", "cell.bits", "cell.bits <= 16"),
    setting("set-negative-sigma", "cell.read_noise.sigma=-0.1", "cell.read_noise.sigma", "0 <="),
    setting("set-nan-sigma", "cell.read_noise.sigma=nan", "cell.read_noise.sigma"),
    setting("set-infinite-sigma", "cell.programming_error.sigma=inf", "cell.programming_error.sigma"),
    setting("set-g-min-above-g-max", "cell.g_min=200 uS", "cell.g_min"),
    setting("set-levels-too-close", "cell.g_min=99.9999 uS", "cell.g_min", "closer than"),
    setting("set-stuck-rate", "cell.stuck_at.low_rate=1.5", "cell.stuck_at.low_rate"),
    setting("set-9-bits-per-cycle", "input.bits_per_cycle=9", "input.bits_per_cycle", "<= 8"),
    setting("set-clip-leaves-nothing", "weights.clip=0.001", "weights.clip", "conv1"),
    setting("set-clip-0", "weights.clip=0", "weights.clip"),
    setting("set-unknown-choice", "adc.range=calibratd", "adc.range", "calibrated"),
    setting("set-unknown-key", "cell.bit=2", "cell.bit", "cell.bits"),
    setting("set-unknown-section", "cel.bits=2", "cel.bits", "cell.bits"),
    setting("set-section", "cell=2", "cell"),
    setting("set-without-value", "cell.bits", "cell.bits"),
    setting("set-empty-value", "cell.bits=", "cell.bits"),
    setting("set-empty", "", "--set"),
    setting("set-without-key", "=3", "--set"),
    setting("set-wrong-unit", "cell.g_max=100 uV", "cell.g_max", "uV"),
    setting("set-text", "array.rows=many", "array.rows", "many"),
    setting("set-fraction", "array.rows=64.5", "array.rows", "64.5"),
    setting("set-no-effect", "adc.full_scale=0.5", "adc.full_scale", "no effect"),
    setting("set-control-character", "name=a\x1b[31mb", "--set"),
    setting("set-levels-of-a-driver", "input.dac.levels=[0, 1, 2]", "input.dac.levels", "2^bits_per_cycle"),
    setting("set-curve-of-nothing", "cell.current_voltage.model=table", "cell.current_voltage.voltages"),
    setting("set-transfer-of-nothing", "array.transfer.model=table", "array.transfer.table"),
    setting("set-selector-of-nothing", "cell.selector.model=threshold", "cell.selector.threshold"),
    setting("set-falling-thresholds", "adc.table=[2, 1, 3]", "adc.table"),
    setting("set-sense-amplifier", "adc.sense_amplifier=true", "adc.bits"),
    setting("set-unfit-encoding", "weights.encoding=xnor", "xnor"),
    architecture("unknown_key", "3", "array.colums", "array.cols"),
    architecture("unknown_section", "arrays", "array"),
    architecture("duplicate_key", "3", "array.rows"),
    architecture("wrong_type", "2", "array.rows", "many"),
    architecture("octal", "2", "0100"),
    architecture("out_of_range", "2", "1 <= adc.bits <= 16"),
    architecture("relation", "cell.g_min"),
    architecture("list"),
    architecture("list_value", "2", "list"),
    architecture("section_for_value", "array.rows"),
    architecture("value_for_section", "array"),
    architecture("broken"),
    architecture("tab", "2"),
    architecture("alias"),
    architecture("two_documents"),
    architecture("unknown_base", "defualt", "default"),
    architecture("own_base", "base"),
    architecture("deep"),
    architecture("deep_brackets"),
    architecture("binary"),
    architecture("latin1"),
    architecture("large"),
]

QUANTIZE_CASES = [
    quantize("weight-bits-1", ["--weight-bits", "1"], "--weight-bits = 1 violates 2 <= --weight-bits <= 16"),
    quantize("weight-bits-17", ["--weight-bits", "17"], "--weight-bits = 17 violates"),
    quantize("input-bits-0", ["--input-bits", "0"], "--input-bits = 0 violates"),
    quantize("method-unknown", ["--method", "msee"], "--method = msee", "mse"),
    quantize("percentile-without-method", ["--percentile", "99"], "--percentile", "--method percentile"),
    quantize("percentile-50", ["--method", "percentile", "--percentile", "50"], "--percentile = 50 violates 50 <"),
    quantize("percentile-101", ["--method", "percentile", "--percentile", "101"], "--percentile = 101 violates"),
    quantize("output-without-kind", ["-o", "out.tflite"], "out.tflite", ".onnx", ".h5"),
    quantize("output-in-missing-folder", ["-o", "nowhere/out.h5"], "nowhere"),
    quantize("output-overwrites-model", ["-o", "@digits_float.onnx"], "overwrite"),
    Case("output-not-given", ["quantize", "@digits_float.onnx", "--calibration", "@digits.h5"], ["-o"]),
    Case("calibration-not-given", ["quantize", "@digits_float.onnx", "-o", "out.h5"], ["--calibration"]),
    Case("quantize-integers", ["quantize", "@digits_cnn.onnx", *QUANTIZE[2:]], ["quantized"]),
    Case("quantize-wrong-shape", [*QUANTIZE[:-1], "@wide_x.h5"], ["1x9x9", "1x8x8"]),
    Case("quantize-nan-data", [*QUANTIZE[:-1], "@nan_x.h5"], ["nan"]),
    Case("quantize-nan-weights", ["quantize", "@nan_weight.onnx", *QUANTIZE[2:]], ["nan"]),
]

OUTPUT_CASES = [
    simulate("json-in-missing-folder", ["--json", "nowhere/out.json"], "nowhere"),
    simulate("json-is-folder", ["--json", "."], "folder"),
    simulate("json-name-empty", ["--json", ""], "--json"),
    simulate("json-unwritable", ["--json", "/proc/out.json"], "/proc/out.json"),
    simulate("json-overwrites-model", ["--json", "@digits_cnn.onnx"], "overwrite"),
    simulate("json-overwrites-data", ["--json", "@digits.h5"], "overwrite"),
    simulate("json-below-a-file", ["--json", "@digits.h5/out.json"], "out.json"),
    simulate("json-on-full-disk", ["--json", "/dev/full"], "/dev/full", "no space", code=1),
    Case("mapping-in-missing-folder", [*MAP, "default", "-o", "nowhere/out.h5"], ["nowhere"]),
    Case("mapping-overwrites-model", [*MAP, "default", "-o", "@digits_cnn.onnx"], ["overwrite"]),
    Case("mapping-two-results-in-one", [*MAP, "default", "-o", "out.h5", "--json", "./out.h5"], ["two results", "out.h5"]),
    quantize("quantize-two-results-in-one", ["-o", "./out.onnx"], "two results", "out.onnx"),
    Case("mapping-on-full-disk", [*MAP, "default", "-o", "/dev/full"], ["/dev/full", "no space"], code=1, prints=True),
]

SMALL_CHIP = ["--set", "chip.arrays_per_core=1", "--set", "chip.cores_per_tile=1", "--set", "chip.tiles_per_chip=2"]
MISFIT_CASES = [
    Case("misfit-map", [*MAP, "default", *SMALL_CHIP, "-o", "out.h5"], ["does not fit"], prints=True),
    simulate("misfit-simulate", SMALL_CHIP, "arrays"),
]

FAULTS = "cell.stuck_at.map=@"
NO_ERROR = ["--set", "cell.programming_error.sigma=0"]


def device(name, *says):
    return Case(f"device-{name.replace('_', '-')}", [*MAP, "default", *NO_ERROR, "--set", f"cell.data=@{name}.csv"], list(says))


MEASURED_CASES = [
    setting("faults-missing", "cell.stuck_at.map=nowhere.csv", "nowhere.csv", "no such file"),
    setting("faults-folder", FAULTS + "folder.csv", "folder.csv", "folder"),
    setting("faults-empty", FAULTS + "empty.csv", "empty.csv", "empty"),
    setting("faults-unknown-kind", FAULTS + "text.onnx", ".csv, .h5 or .hdf5"),
    setting("faults-columns", FAULTS + "fault_columns.csv", "fault_columns.csv:1", "array,row,col,state"),
    setting("faults-short-row", FAULTS + "fault_short.csv", "fault_short.csv:3", "3 values"),
    setting("faults-state", FAULTS + "fault_state.csv", "fault_state.csv:4", "low, high, open"),
    setting("faults-row-outside", FAULTS + "fault_outside.csv", "fault_outside.csv:3", "row = 128", "array.rows = 128"),
    setting("faults-array-outside", FAULTS + "fault_far.csv", "fault_far.csv:2", "array = 99999"),
    setting("faults-twice", FAULTS + "fault_twice.csv", "fault_twice.csv:4", "line 2"),
    setting("faults-binary", FAULTS + "binary.csv", "binary.csv:1"),
    setting("faults-h5-no-data-set", FAULTS + "no_x.h5", "no_x.h5", "states", "conductances"),
    setting("faults-h5-shape", FAULTS + "states_shape.h5", "states_shape.h5", "64x64", "128 x 128"),
    setting("faults-h5-corrupted", FAULTS + "corrupted_foreign.h5", "corrupted_foreign.h5"),
    setting("remap-without-faults", "mapping.fault_remap=rows", "no effect", "cell.stuck_at"),
    setting("spares-without-faults", "array.spare_columns=2", "no effect", "array.line_faults"),
    setting("device-and-error", "cell.data=@device.csv", "cell.data", "cell.programming_error.sigma"),
    device("device_nan", "device_nan.csv:3", "mean_S"),
    device("device_gap", "device_gap.csv:4", "no data at time_s = 60"),
    device("device_columns", "device_columns.csv:1", "target_S,time_s,sample_S"),
    device("device_negative", "device_negative.csv:2", "sigma_S"),
    Case(
        "device-outside",
        ["simulate", "@digits_cnn.onnx", *SIMULATE[2:], *NO_ERROR, "--set", "cell.data=@device_narrow.csv"],
        ["device_narrow.csv", "asks for"],
    ),
    setting("cells-missing", "cell.conductance_map=nowhere.h5", "nowhere.h5", "no such file"),
    setting("cells-csv", "cell.conductance_map=@device.csv", "device.csv", ".h5"),
    setting("cells-shape", "cell.conductance_map=@cells_shape.h5", "cells_shape.h5", "array 0 has 4 x 4"),
    setting("cells-negative", "cell.conductance_map=@cells_negative.h5", "cells_negative.h5", "row 1, col 2"),
    setting("cells-neither", "cell.conductance_map=@no_x.h5", "no_x.h5", "conductances", "arrays"),
    Case(
        "targets-of-random-faults",
        [*MAP, "default", "--set", "cell.stuck_at.low_rate=0.01", "--set", "mapping.fault_remap=rows", "--targets", "out.h5"],
        ["trial", "cell.stuck_at.map"],
        prints=True,
    ),
    Case("targets-same-file", [*MAP, "default", "--targets", "out.h5", "-o", "out.h5"], ["two results"]),
    Case(
        "targets-over-input",
        [*MAP, "default", "--set", FAULTS + "fault_one.csv", "--targets", "@fault_one.csv"],
        ["overwrite an input"],
    ),
]

CATALOGUE = (
    MODEL_FILES + MODEL_CASES + DATA_CASES + OPTION_CASES + ARCHITECTURE_CASES + QUANTIZE_CASES + OUTPUT_CASES + MISFIT_CASES + MEASURED_CASES
)


def test_catalogue_is_whole():
    names = [case.name for case in CATALOGUE]
    assert len(names) >= 80 and len(set(names)) == len(names)
    assert set(MODEL_CONTENT) == set(MODELS)


@pytest.mark.parametrize("case", CATALOGUE, ids=lambda case: case.name)
def test_wrong_input(case, files, run_bitline, tmp_path):
    arguments = [resolve(argument, files) for argument in case.arguments]
    result = run_bitline(arguments, timeout=60, env=case.environment, cwd=tmp_path)
    check(result, case, tmp_path)


# ------------------------------------------------------------------------------------------------- full disks

OUT_OF_SPACE = Case("", [], [], code=1, prints=True)


def test_standard_output_on_full_disk(files, program, tmp_path):
    with open("/dev/full", "w") as full:
        command = [program, "inspect", files.path("digits_cnn.onnx")]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 1
    assert "standard output" in result.stderr and "space" in result.stderr


def limit_file_size():
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))


WRITERS = {
    "map-json": [*MAP, "default", "--json", "out.json"],
    "map-h5": [*MAP, "default", "-o", "out.h5"],
    "quantize-onnx": QUANTIZE,
    "quantize-h5": ["quantize", "@digits_float.onnx", "-o", "out.h5", *QUANTIZE[4:]],
    "simulate-json": [*SIMULATE, "--json", "out.json"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_beyond_the_size_limit_leave_nothing(name, files, run_bitline, tmp_path):
    arguments = [resolve(argument, files) for argument in WRITERS[name]]
    check(run_bitline(arguments, timeout=60, cwd=tmp_path, preexec_fn=limit_file_size), OUT_OF_SPACE, tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    with open(folder / "filler", "wb") as filler:
        filler.write(bytes(4096))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_leaves_nothing(name, files, run_bitline, small_disk):
    arguments = [resolve(argument, files) for argument in WRITERS[name]]
    result = run_bitline(arguments, timeout=60, cwd=small_disk)
    (small_disk / "filler").unlink()
    check(result, OUT_OF_SPACE, small_disk)


def test_an_older_result_survives_a_failed_run(files, run_bitline, tmp_path):
    older = tmp_path / "out.h5"
    older.write_text("older")
    arguments = [resolve(argument, files) for argument in WRITERS["map-h5"]]
    result = run_bitline(arguments, timeout=60, cwd=tmp_path, preexec_fn=limit_file_size)
    assert result.returncode == 1 and older.read_text() == "older"
    assert list(tmp_path.iterdir()) == [older]


# ------------------------------------------------------------------------------------------------- Ctrl-C

LONG = ["simulate", "@digits_cnn.onnx", "--arch", "default", "--data", "@digits.h5", "--trials", "1000000", "--json", "out.json"]


def start_long_run(files, program, folder, arguments=LONG, **options):
    command = [program, *(resolve(argument, files) for argument in arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, text=True, **options)
    wait_until_handled(process, signal.SIGINT)
    time.sleep(0.5)  # into the work
    assert process.poll() is None, process.communicate()
    return process


def end_of(process):
    """What a process writes until it ends, which must be soon."""
    try:
        return process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def wait_until_handled(process, number):
    """Returns once the process has installed its handler."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(f"/proc/{process.pid}/status") as status:
            caught = int(re.search(r"SigCgt:\s*(\w+)", status.read()).group(1), 16)
        if caught >> (number - 1) & 1:
            return
        time.sleep(0.01)
    process.kill()
    pytest.fail("the program installs no handler")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_the_run_and_leaves_nothing(number, files, program, tmp_path):
    process = start_long_run(files, program, tmp_path)
    process.send_signal(number)
    stdout, stderr = end_of(process)
    assert process.returncode == 1
    assert stderr == "bitline: error: interrupted\n" and stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_second_interrupt_does_not_wait(files, program, tmp_path):
    process = start_long_run(files, program, tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    end_of(process)
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_closed_pipe_ends_quietly(files, program, tmp_path):
    command = f"{program} list keys | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run([shutil.which("bash"), "-c", command], capture_output=True, text=True, timeout=60)
    assert result.stderr == "" and result.stdout.strip() in ("0", "141")
