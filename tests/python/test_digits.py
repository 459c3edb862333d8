"""The digits example: its files are what their README says, and the program computes what ONNX Runtime computes."""

import hashlib
import json

import h5py
import numpy as np
import onnx
import onnx_runs
import pytest


def load(path):
    with h5py.File(path) as file:
        return file["x"][:], file["y"][:]


def predict(path, images):
    """Top-1 of ONNX Runtime."""
    return onnx_runs.run(path, images.astype(np.float32) / 16).argmax(1)


@pytest.mark.parametrize("name, samples", [("digits.h5", 500), ("digits_calibration.h5", 256)])
def test_data_files_are_sealed_and_balanced(digits, name, samples):
    content = (digits / name).read_bytes()
    assert content[:12] == b"BITLINE\n\x01\0\0\0"
    assert content[12:44] == hashlib.sha256(content[512:]).digest()
    assert not any(content[44:512])
    x, y = load(digits / name)
    assert x.shape == (samples, 1, 8, 8) and x.dtype == np.uint8 and x.max() == 16
    assert y.shape == (samples,) and np.bincount(y).min() > samples / 20


def test_test_and_calibration_images_are_apart(digits):
    images = [{image.tobytes() for image in load(digits / name)[0]} for name in ("digits.h5", "digits_calibration.h5")]
    assert not images[0] & images[1]


@pytest.mark.parametrize("name, accuracy", [("digits_float.onnx", 0.996), ("digits_cnn.onnx", 1.0)])
def test_accuracy_of_the_readme(digits, name, accuracy):
    x, y = load(digits / "digits.h5")
    assert (predict(digits / name, x) == y).mean() == accuracy


def test_weights_are_stored_as_codes(digits):
    model = onnx.load(digits / "digits_cnn.onnx")
    kinds = {i.name: i.data_type for i in model.graph.initializer}
    stored = [name for name in kinds if name.endswith("_codes")]
    assert len(stored) == 8
    for name in stored:
        assert kinds[name] == (onnx.TensorProto.INT8 if "weight" in name else onnx.TensorProto.INT32)
    assert {p.key: p.value for p in model.metadata_props} == {"bitline.preprocess": "scale=1/16,mean=0,std=1"}


def test_program_gives_onnx_runtimes_accuracies_and_an_ideal_chip_loses_nothing(digits, run_bitline, tmp_path):
    x, y = load(digits / "digits.h5")
    models = {name: digits / f"digits_{name}.onnx" for name in ("cnn", "float")}
    report = tmp_path / "report.json"
    done = run_bitline(
        ["simulate", models["cnn"], "--float", models["float"], "--arch", "ideal", "--json", report]
        + ["--data", digits / "digits.h5", "--calibration", digits / "digits_calibration.h5"]
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(report.read_text())
    assert run["software"]["accuracy"] == (predict(models["cnn"], x) == y).mean()
    assert run["float"]["accuracy"] == (predict(models["float"], x) == y).mean()
    assert run["ideal"]["unequal_samples"] == 0 and run["chip"]["agreement"] == 1
    assert run["chip"]["accuracy"]["mean"] == run["software"]["accuracy"]
    assert [layer["sqnr_db"] for layer in run["layers"]] == [None] * 4
