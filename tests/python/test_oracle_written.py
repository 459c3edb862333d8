"""ONNX Runtime runs what Bitline writes for signs and for steps of any width, and Bitline reads it back."""

import subprocess

import numpy as np
import onnx_runs
from probing import Probe

SAMPLES = 200


def test_planes_and_signs_give_onnx_runtimes_numbers(tool, tmp_path):
    model, x_file, y_file = tmp_path / "steps.onnx", tmp_path / "x.bin", tmp_path / "y.bin"
    x = np.random.default_rng(5).uniform(-0.5, 1.6, (SAMPLES, 2, 6, 6)).astype(np.float32)
    x[0, 0, 0, :4] = [0.15, 0.55, 0.95, 0]  # on the steps themselves, in float32
    x.tofile(x_file)
    subprocess.run([tool("write_steps"), model, x_file, str(SAMPLES), y_file], check=True)
    own = np.fromfile(y_file, np.float32).reshape(SAMPLES, -1)
    expected = onnx_runs.run(model, x)
    # Sums of binary planes before the sign: float32 in another order may turn one that is nearly 0.
    differing = np.abs(own - expected).max(axis=1) > 1e-4
    print(f"{differing.sum()} of {SAMPLES} samples differ")
    assert differing.mean() <= 0.01
    assert (own.argmax(1) == expected.argmax(1)).mean() >= 0.995
    assert len(np.unique(own.argmax(1))) > 5  # otherwise agreement would say little

    probe = Probe(tool("probe_layers"), tmp_path)
    np.testing.assert_array_equal(probe.run(model, x).reshape(SAMPLES, -1), own)
    assert sum(node["mappable"] for node in probe.describe(model)["nodes"]) == 5
