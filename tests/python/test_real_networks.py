"""Networks that others made, through the command line: quantized to 8 bits where they are float, on perfect chips."""

import json

import numpy as np
import onnx_runs
import pytest
import real_models
from probing import Probe

FLOAT = [name for name in real_models.MODELS if name.endswith("_float")]
EXPORT_SAMPLES = 1000
CHIP_SAMPLES = {"vww_mobilenetv1": 2, "cnvW1A1": 3, "cnvW2A2": 3, "resnet20_float": 2}  # of the others 8

# Each names every part of the way from weights to sums once; binary and other networks need what fits their weights.
CHIPS = {
    "ideal": [],
    "isaac": [],
    "small_arrays_digital_subtraction": [
        "array.rows=37", "array.cols=29", "weights.subtraction=digital", "weights.differential_split=balanced",
        "input.bits_per_cycle=3", "bias.place=rows",
    ],
    "offset_in_a_reference_column": [
        "weights.encoding=offset", "weights.offset_correction=reference_column", "cell.bits=1", "input.bits_per_cycle=8",
        "array.active_rows=16", "cell.g_min=2 uS",
    ],
    "one_cell_per_weight": [
        "weights.encoding=multilevel", "weights.fallback=twos_complement", "input.signed_codes=twos_complement",
        "array.rows=500",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def quantized(shared_data, run_bitline, tmp_path_factory):
    """quantized(NAME): path of a network with integer codes; float ones are quantized to 8 bits, once."""
    folder = tmp_path_factory.mktemp("quantized")

    def path(name):
        model = real_models.model_path(shared_data, name)
        if name not in FLOAT:
            return model
        out = folder / model.name
        if not out.exists():
            calibration = real_models.data_spec(shared_data, name, train=True) + ":256"
            command = ["quantize", model, "-o", out, "--calibration", calibration]
            command += ["--preprocess", real_models.MODELS[name].preprocess, "--weight-bits", "8", "--input-bits", "8"]
            done = run_bitline(command)
            assert done.returncode == 0, done.stderr
        return out

    return path


@pytest.mark.parametrize("name", FLOAT)
def test_written_onnx_runs_in_onnx_runtime_and_keeps_the_accuracy(
    name, shared_data, quantized, tool, tmp_path, record_property
):
    x, labels = real_models.load(shared_data, name, EXPORT_SAMPLES)
    float_accuracy = (onnx_runs.run(real_models.model_path(shared_data, name), x).argmax(1) == labels).mean()
    expected = onnx_runs.run(quantized(name), x).argmax(1)
    own = Probe(tool("probe_layers"), tmp_path).run(quantized(name), x).argmax(1)
    record_property("agreement", (expected == own).mean())
    print(f"{name}: float {float_accuracy:.2%}, 8 bits {(expected == labels).mean():.2%} in ONNX Runtime, "
          f"{(own == labels).mean():.2%} here, top-1 agrees on {(expected == own).mean():.2%}")  # fmt: skip
    assert (expected == own).mean() >= 0.998
    assert (own == labels).mean() >= float_accuracy - 0.012


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("name", real_models.MODELS)
def test_perfect_chip_gives_the_integer_network_to_the_bit(name, chip, shared_data, quantized, run_bitline, tmp_path):
    model = real_models.MODELS[name]
    samples = CHIP_SAMPLES.get(name, 8)
    if model.data:
        data = real_models.data_spec(shared_data, name)
    else:
        data = f"npz:{tmp_path / 'drawn.npz'}"
        x, _ = real_models.load(shared_data, name, samples)
        shape = (samples, 1, 1, 640) if name == "ad_autoencoder" else x.shape
        np.savez(tmp_path / "drawn.npz", x=x.reshape(shape), y=np.zeros(samples, np.int64))
    command = ["simulate", quantized(name), "--data", data, "--preprocess", model.preprocess, "--limit", samples]
    command += ["--arch", "isaac" if chip == "isaac" else "ideal", "--json", "-"]
    for setting in CHIPS[chip]:
        command += ["--set", setting]
    done = run_bitline(command)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["data"]["samples"] == samples
    assert report["ideal"]["unequal_samples"] == 0
    assert [layer["sqnr_db"] for layer in report["layers"]] == [None] * len(report["layers"])
    assert len(report["layers"]) >= 3 and report["chip"]["agreement"] == 1
