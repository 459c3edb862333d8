"""QONNX's own executor as the oracle of binary and two-bit networks made by others."""

import numpy as np
import pytest
import qonnx_runs
import real_models
from probing import Probe

NAMES = ["tfc", "cnvW1A1", "cnvW2A2"]
LAYER_SAMPLES = {"tfc": 100, "cnvW1A1": 20, "cnvW2A2": 20}
SAMPLES = 2000


@pytest.fixture
def probe(tool, tmp_path):
    return Probe(tool("probe_layers"), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_each_layer_fed_with_qonnx_codes_gives_qonnx_codes(name, shared_data, probe, record_property):
    """Batch norms, gains and quantizers became integer thresholds, so layers are compared at their quantizers."""
    path = real_models.model_path(shared_data, name)
    network = probe.describe(path)
    x, _ = real_models.load(shared_data, name, LAYER_SAMPLES[name])
    kept = qonnx_runs.run_keeping(path, x)
    compared = probe.layers(path, {value: kept[value] for value in network["values"]})
    assert len(compared) == len(network["nodes"])
    assert sum(node["mappable"] for node in network["nodes"]) == (4 if name == "tfc" else 9)
    codes = [entry for entry in compared if entry["codes"]]
    assert len(codes) >= (4 if name == "tfc" else 9)
    unequal, count = sum(entry["unequal"] for entry in codes), sum(entry["count"] for entry in codes)
    record_property("unequal_codes", f"{unequal} of {count}")
    print(f"{name}: {unequal} of {count} codes differ")
    for entry in compared:
        if entry["codes"]:
            assert entry["off_grid"] == 0 and entry["unequal"] == 0, entry
        else:
            assert entry["largest_difference"] <= 1e-6, entry


@pytest.mark.parametrize("name", NAMES)
def test_top1_agrees_end_to_end(name, shared_data, probe, record_property):
    path = real_models.model_path(shared_data, name)
    x, labels = real_models.load(shared_data, name, SAMPLES)
    expected, own = qonnx_runs.run(path, x).argmax(1), probe.run(path, x).argmax(1)
    agreement, accuracy = (expected == own).mean(), (own == labels).mean()
    record_property("agreement", agreement)
    record_property("accuracy", accuracy)
    print(f"{name}: top-1 agrees on {agreement:.2%} of {len(x)}, accuracy {accuracy:.2%}")
    assert agreement >= 0.998
    assert np.bincount(expected).max() < 0.2 * len(x)
    # real_models' accuracy is of all ten thousand images; MNIST's first half is known to be the harder one
    assert abs(accuracy - real_models.MODELS[name].accuracy) < 0.04
