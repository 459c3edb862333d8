"""ONNX Runtime, graph optimizations off, as the oracle of quantized (QDQ) networks made by others."""

import numpy as np
import onnx_runs
import pytest
import real_models
from probing import Probe, code_step

LAYER_SAMPLES = {"ic_resnet8": 20, "kws_dscnn": 40, "vww_mobilenetv1": 8, "ad_autoencoder": 100}
SAMPLES = {"ic_resnet8": 2000, "kws_dscnn": 1000, "vww_mobilenetv1": 2000, "ad_autoencoder": 2000}


@pytest.fixture
def probe(tool, tmp_path):
    return Probe(tool("probe_layers"), tmp_path)


@pytest.mark.parametrize("name", LAYER_SAMPLES)
def test_each_layer_fed_with_onnx_runtimes_codes_agrees_within_one_step(name, shared_data, probe, record_property):
    path = real_models.model_path(shared_data, name)
    network = probe.describe(path)
    x, _ = real_models.load(shared_data, name, LAYER_SAMPLES[name])
    compared = probe.layers(path, onnx_runs.run_keeping(path, network["values"], x))
    assert len(compared) == len(network["nodes"])  # every value has a name that ONNX Runtime knows too
    codes = [entry for entry in compared if entry["codes"]]
    unequal, count = sum(entry["unequal"] for entry in codes), sum(entry["count"] for entry in codes)
    record_property("unequal_codes", f"{unequal} of {count}")
    print(f"{name}: {unequal} of {count} codes differ")
    for entry in compared:
        # float32 sums of ONNX Runtime against exact ones, relative to the layer's largest output
        assert entry["largest_difference"] <= (1 if entry["codes"] else 1e-5), entry
        assert not entry["codes"] or entry["unequal"] <= 0.005 * entry["count"], entry
    assert sum(node["mappable"] for node in network["nodes"]) >= 10
    assert unequal <= 0.001 * count


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "ad_autoencoder"])
def test_top1_agrees_end_to_end(name, shared_data, probe, record_property):
    path = real_models.model_path(shared_data, name)
    x, labels = real_models.load(shared_data, name, SAMPLES[name])
    expected, own = onnx_runs.run(path, x).argmax(1), probe.run(path, x).argmax(1)
    agreement = (expected == own).mean()
    record_property("agreement", agreement)
    print(f"{name}: top-1 agrees on {agreement:.2%} of {len(x)}")
    assert agreement >= 0.998
    assert np.bincount(expected).max() < 0.9 * len(x)  # otherwise agreement would say little
    if labels is not None:
        accuracy = (own == labels).mean()
        record_property("accuracy", accuracy)
        print(f"{name}: accuracy {accuracy:.2%}, on the whole test set {real_models.MODELS[name].accuracy:.2%}")
        assert abs(accuracy - real_models.MODELS[name].accuracy) < 0.015


def test_autoencoder_gives_the_same_codes(shared_data, probe, record_property):
    """A code that a hidden layer rounds the other way, one in 100 000, may move outputs by more than a step."""
    path = real_models.model_path(shared_data, "ad_autoencoder")
    x, _ = real_models.load(shared_data, "ad_autoencoder", SAMPLES["ad_autoencoder"])
    expected, own = onnx_runs.run(path, x), probe.run(path, x)
    steps = np.abs(expected - own) / code_step(probe.describe(path))
    record_property("unequal_codes", f"{np.count_nonzero(steps)} of {steps.size}")
    print(f"{np.count_nonzero(steps)} of {steps.size} codes differ, by {steps.max():.2f} steps at most")
    assert np.count_nonzero(steps) <= 0.002 * steps.size
    assert np.count_nonzero(steps > 1.5) <= 1e-4 * steps.size and steps.max() < 3.5
    assert (expected.argmax(1) == own.argmax(1)).mean() >= 0.998
