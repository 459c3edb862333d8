"""ngspice as the oracle of arrays with resistive wires: every node of the array in a netlist of its own making."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

TOLERANCE = 1e-11  # of the largest current, of 1 V


@pytest.fixture(scope="module")
def ngspice():
    path = shutil.which("ngspice")
    if path is None:
        pytest.skip("ngspice is missing: install Debian's package ngspice to compare arrays with wires against it")
    return path


def make_array(rows, cols, seed, drive, sense):
    rng = np.random.default_rng(seed)
    conductance = 10 ** rng.uniform(-6, -4, (rows, cols))
    conductance[rng.random((rows, cols)) < 0.05] = 0  # open cells
    return {
        "rows": rows,
        "cols": cols,
        "conductance": conductance.ravel().tolist(),
        "row_ohm": 2.5,
        "col_ohm": 1.7,
        "driver_ohm": 30.0,
        "sense_ohm": 12.0,
        "drive": drive,
        "sense": sense,
        "volts": rng.uniform(-1, 1, rows).tolist(),
    }


def netlist(array):
    """Nodes: s a source, w a word or source line and b a bit line at a cell, k behind a sense amplifier's resistance."""
    rows, cols = array["rows"], array["cols"]
    lines = ["array with wires"]

    def resistor(a, b, ohm):
        lines.append(f"R{len(lines)} {a} {b} {ohm!r}")

    def driven_line(source, nodes):
        if array["drive"] in ("left", "both"):
            resistor(source, nodes[0], array["driver_ohm"])
        if array["drive"] in ("right", "both"):
            resistor(source, nodes[-1], array["driver_ohm"])
        for a, b in zip(nodes, nodes[1:]):
            resistor(a, b, array["row_ohm"])

    if array.get("topology") == "ladder":
        lines.append(f"V0 s0 0 DC {array['volts'][0]!r}")
        for j in range(cols):
            driven_line("s0", [f"w{i}_{j}" for i in range(rows)])
    else:
        for i in range(rows):
            lines.append(f"V{i} s{i} 0 DC {array['volts'][i]!r}")
            driven_line(f"s{i}", [f"w{i}_{j}" for j in range(cols)])
    for j in range(cols):
        resistor(f"b{rows - 1 if array['sense'] == 'bottom' else 0}_{j}", f"k{j}", array["sense_ohm"])
        lines.append(f"Vk{j} k{j} 0 DC 0")
        for i in range(rows - 1):
            resistor(f"b{i}_{j}", f"b{i + 1}_{j}", array["col_ohm"])
    for i in range(rows):
        for j in range(cols):
            if array["conductance"][i * cols + j] > 0 and array.get("active", [1] * rows)[i]:
                resistor(f"w{i}_{j}", f"b{i}_{j}", 1 / array["conductance"][i * cols + j])
    lines += [".control", "set numdgt=16", "op"]
    lines += [f"print i(vk{j})" for j in range(cols)]
    lines += [f"print v({line}{i}_{j})" for line in "wb" for i in range(rows) for j in range(cols)]
    return "\n".join(lines + [".endc", ".end", ""])


def run_ngspice(ngspice, array, folder):
    """Column currents in A, voltages of the word lines' and of the bit lines' nodes in V."""
    path = folder / "array.cir"
    path.write_text(netlist(array))
    done = subprocess.run([ngspice, "-b", path], capture_output=True, text=True, timeout=120, check=False)
    found = dict(re.findall(r"^([iv]\(\w+\)) = (\S+)$", done.stdout, re.MULTILINE))
    rows, cols = array["rows"], array["cols"]
    assert len(found) == cols + 2 * rows * cols, done.stdout[-2000:] + done.stderr[-2000:]
    current = np.array([float(found[f"i(vk{j})"]) for j in range(cols)])
    nodes = {
        line: np.array([float(found[f"v({line}{i}_{j})"]) for i in range(rows) for j in range(cols)]) for line in "wb"
    }
    return current, nodes["w"], nodes["b"]


@pytest.mark.parametrize(
    "rows, cols, drive, sense",
    [
        (16, 16, "left", "bottom"),
        (16, 16, "both", "top"),
        (32, 32, "left", "bottom"),
        (32, 32, "right", "top"),
        (19, 30, "both", "bottom"),
    ],
)
def test_currents_and_voltages_agree(rows, cols, drive, sense, ngspice, tool, tmp_path, record_property):
    compare(make_array(rows, cols, rows + cols, drive, sense), ngspice, tool, tmp_path, record_property)


@pytest.mark.parametrize("topology, drive", [("gated", "left"), ("gated", "right"), ("ladder", "left"), ("ladder", "both")])
@pytest.mark.parametrize("rows, cols, sense", [(16, 16, "bottom"), (32, 32, "top")])
def test_gated_rows_agree(rows, cols, sense, topology, drive, ngspice, tool, tmp_path, record_property):
    array = make_array(rows, cols, rows + cols, drive, sense)
    active = np.random.default_rng(cols).random(rows) < 0.5
    array.update(topology=topology, active=[int(a) for a in active])
    compare(array, ngspice, tool, tmp_path, record_property)


def compare(array, ngspice, tool, tmp_path, record_property):
    rows, cols = array["rows"], array["cols"]
    (tmp_path / "given.json").write_text(json.dumps(array))
    subprocess.run([tool("probe_wires"), tmp_path / "given.json", tmp_path / "out.json"], check=True)
    ours = json.loads((tmp_path / "out.json").read_text())
    current, word, bit = run_ngspice(ngspice, array, tmp_path)
    error = np.abs(np.array(ours["current"]) - current).max() / np.abs(current).max()
    record_property("current_error", float(error))
    print(f"{rows} x {cols}: largest difference {error:.1e} of the largest current")
    assert error <= TOLERANCE
    assert np.abs(np.array(ours["word"]) - word).max() <= TOLERANCE
    assert np.abs(np.array(ours["bit"]) - bit).max() <= TOLERANCE
