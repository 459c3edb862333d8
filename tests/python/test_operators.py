"""Every operator that the reader takes, on small graphs, against ONNX Runtime and against QONNX."""

import numpy as np
import onnx_runs
import operator_cases
import pytest
import qonnx_cases
import qonnx_runs
import quantized_cases
from onnx_graphs import Graph
from probing import Probe

SAMPLES = 7


@pytest.fixture
def probe(tool, tmp_path):
    return Probe(tool("probe_layers"), tmp_path)


def outputs(name, case, probe, tmp_path, oracle=onnx_runs.run):
    """The oracle's and the reference's outputs, and the network as it was read."""
    graph = Graph(name, case.shape, case.opset, case.batch, case.element)
    path = tmp_path / "model.onnx"
    graph.save(path, case.build(graph))
    x = graph.input_samples(SAMPLES)
    if case.ties:
        x.flat[::3] = np.round(x.flat[::3] * 8) / 8
    return oracle(path, x), probe.run(path, x.astype(np.float32)), probe.describe(path)


@pytest.mark.parametrize("name", operator_cases.CASES)
def test_float_operator(name, probe, tmp_path):
    expected, own, _ = outputs(name, operator_cases.CASES[name], probe, tmp_path)
    assert own.shape == expected.shape and np.ptp(expected) > 0
    np.testing.assert_allclose(own, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", quantized_cases.CASES)
def test_quantized_layer(name, probe, tmp_path):
    case = quantized_cases.CASES[name]
    expected, own, network = outputs(name, case, probe, tmp_path)
    assert sum(node["mappable"] for node in network["nodes"]) == case.layers
    assert own.shape == expected.shape and np.ptp(expected) > 0
    tolerance = 1e-5 * np.abs(expected).max()
    unequal = np.abs(own - expected) > tolerance
    if case.step:
        np.testing.assert_allclose(own, expected, rtol=0, atol=case.step + tolerance)
        assert np.count_nonzero(unequal) <= 0.02 * unequal.size
    else:
        assert not unequal.any()


@pytest.mark.parametrize("name", qonnx_cases.CASES)
def test_qonnx_quantizer(name, probe, tmp_path):
    case = qonnx_cases.CASES[name]
    expected, own, network = outputs(name, case, probe, tmp_path, lambda path, x: qonnx_runs.run(path, x, batch=SAMPLES))
    assert sum(node["mappable"] for node in network["nodes"]) == case.layers
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(own, expected)
