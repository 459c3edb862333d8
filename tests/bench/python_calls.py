"""What the Python package costs: one product of a 512 x 512 layer, and a simulation against the command line's.

PYTHONPATH=build/python python tests/bench/python_calls.py build/bitline
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bitline as bl
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
SIZE = 512


def layer_of_512(inputs):
    """A fully connected layer, quantized to 8 bits."""
    random = np.random.default_rng(1)
    weights = numpy_helper.from_array(random.normal(0, 0.05, (SIZE, SIZE)).astype(np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SIZE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", SIZE])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], "layer", [x], [y], [weights])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
        return bl.quantize(bl.read_onnx(path), inputs)


def microseconds(call, count=2000):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def product(arch):
    inputs = np.random.default_rng(2).uniform(0, 1, (64, SIZE)).astype(np.float32)
    mapping = bl.map_network(layer_of_512(inputs), bl.Architecture.preset(arch))
    chip = bl.program(mapping, calibration=inputs if arch == "default" else None)
    x = inputs[:1]
    print(f"chip.run of {SIZE} x {SIZE} on {arch}, one sample: {microseconds(lambda: chip.run(x)):.0f} us")


def overhead(program, trials=10, rounds=5):
    """Times of the work itself, each side in a process of its own; the starts of Python and the program left out."""
    mapping = bl.map_network(bl.read_network(DIGITS / "digits_cnn.onnx"), bl.Architecture.preset("default"))
    command = [program, "simulate", DIGITS / "digits_cnn.onnx", "--arch", "default", "--data", DIGITS / "digits.h5"]
    command += ["--json", "-", "--trials", str(trials)]
    own, cli = [], []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, check=True)
        cli.append(json.loads(done.stdout)["seconds"])
        start = time.perf_counter()
        bl.simulate(mapping, str(DIGITS / "digits.h5"), trials=trials)
        own.append(time.perf_counter() - start)
    print(f"bl.simulate {min(own):.3f} s, bitline simulate {min(cli):.3f} s: {min(own) / min(cli) - 1:+.1%}")


for arch in ("ideal", "default"):
    product(arch)
overhead(sys.argv[1])
