"""The program as a user meets it: results, JSON, help, progress. Wrong input is in test_bad_input.py."""

import json
import os
import pty
import re
import signal
import subprocess
import time
import unicodedata
import xml.etree.ElementTree

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest

COMMANDS = ["inspect", "quantize", "map", "simulate", "device", "wires", "fit", "train", "list"]
SAMPLES = 24
NOISY = ["--set", "cell.programming_error.sigma=0.05", "--set", "cell.read_noise.sigma=0.05"]


def read_json(text):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def simulate(run_bitline, digits, tmp_path_factory):
    """simulate(*options, env=None, arch="default") -> (JSON, standard output)."""

    def run(*options, env=None, arch="default"):
        path = tmp_path_factory.mktemp("simulate") / "out.json"
        command = ["simulate", digits / "digits_cnn.onnx", "--arch", arch, "--data", digits / "digits.h5", "--json", path]
        result = run_bitline([*command, "--limit", SAMPLES, *options], env=env)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return read_json(path.read_text()), result.stdout

    return run


def without_times(result):
    return {key: value for key, value in result.items() if key not in ("seconds", "images_per_second", "threads", "kernel")}


# ------------------------------------------------------------------------------------------------- inspect


def test_inspect_counts_what_the_file_holds(run_bitline, digits):
    result = run_bitline(["inspect", digits / "digits_cnn.onnx", "--json", "-"])
    assert result.returncode == 0, result.stderr
    summary = read_json(result.stdout)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(digits / "digits_cnn.onnx").graph.initializer}
    weights = {name: t for name, t in tensors.items() if name.endswith("weight_codes")}
    biases = {name: t for name, t in tensors.items() if name.endswith("bias_codes")}
    weight_count, bias_count = (sum(t.size for t in group.values()) for group in (weights, biases))
    assert summary["parameters"] == weight_count + bias_count == 15338
    assert summary["average_bits"] == pytest.approx((8 * weight_count + 32 * bias_count) / 15338, rel=1e-12)
    layers = [node for node in summary["nodes"] if node["mapped"]]
    positions = {"conv1": 64, "conv2": 64, "conv3": 16, "fc": 1}
    assert [layer["name"] for layer in layers] == list(positions)
    for layer, (name, count) in zip(layers, positions.items()):
        assert layer["macs"] == weights[f"{name}_weight_codes"].size * count
        assert layer["weight_bits"] == layer["input_bits"] == 8
    assert summary["macs"] == summary["mapped_macs"] == sum(layer["macs"] for layer in layers)
    assert summary["preprocess"] == "scale=0.0625"


def test_inspect_shows_a_table(run_bitline, digits):
    result = run_bitline(["inspect", digits / "digits_cnn.onnx"])
    for text in ("conv1", "1x8x8 ->", "15,338", "crossbar", "average bits", "SHA-256"):
        assert text in result.stdout


def test_inspect_of_a_float_network_says_how_to_quantize(run_bitline, digits, tmp_path):
    result = run_bitline(["inspect", digits / "digits_float.onnx"])
    assert result.returncode == 0
    assert "not quantized" in result.stdout
    command = re.search(r"bitline (quantize .*)", result.stdout).group(1).split()
    command[command.index("DATA")] = f"{digits / 'digits_calibration.h5'}:16"
    assert run_bitline(command, cwd=tmp_path).returncode == 0
    assert (tmp_path / command[command.index("-o") + 1]).is_file()


def test_names_from_files_cannot_control_the_terminal(run_bitline, tmp_path):
    name = "\x1b[2J evil\nname \x9b31m 層 " + "n" * 200
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name=name)
    shapes = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in
              (("x", ("N", 1, 8, 8)), ("y", ("N", 2, 6, 6)))]
    weights = onnx.numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
    graph = onnx.helper.make_graph([node], name, shapes[:1], shapes[1:], [weights])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    result = run_bitline(["inspect", tmp_path / "m.onnx"])
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout and "\x9b" not in result.stdout
    assert "evil" in result.stdout and "…" in result.stdout
    assert read_json(run_bitline(["inspect", tmp_path / "m.onnx", "--json", "-"]).stdout)["nodes"][0]["name"] == name


# ------------------------------------------------------------------------------------------------- quantize


def test_quantize_writes_both_formats_of_one_network(run_bitline, digits, tmp_path):
    command = ["quantize", digits / "digits_float.onnx", "-o", "out.onnx", "-o", "out.h5", "--calibration",
               f"{digits / 'digits_calibration.h5'}:64"]
    result = run_bitline(command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "64 samples" in result.stdout and "out.onnx" in result.stdout and "out.h5" in result.stdout
    accuracies = set()
    for name in ("out.onnx", "out.h5"):
        simulate = ["simulate", name, "--arch", "ideal", "--data", digits / "digits.h5", "--json", "-"]
        done = run_bitline(simulate, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        accuracies.add(read_json(done.stdout)["software"]["accuracy"])
    assert len(accuracies) == 1

    with h5py.File(digits / "digits.h5") as file:
        images, labels = file["x"][:].astype(np.float32) / 16, file["y"][:]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"), options, providers=["CPUExecutionProvider"])
    predicted = session.run(None, {session.get_inputs()[0].name: images})[0].argmax(1)
    assert accuracies.pop() == pytest.approx((predicted == labels).mean(), abs=0.002)


def test_quantize_to_few_bits(run_bitline, digits, tmp_path):
    command = ["quantize", digits / "digits_float.onnx", "-o", "out.h5", "--calibration", digits / "digits_calibration.h5",
               "--weight-bits", "4", "--input-bits", "5", "--method", "percentile", "--percentile", "99.9"]
    assert run_bitline(command, cwd=tmp_path).returncode == 0
    summary = read_json(run_bitline(["inspect", "out.h5", "--json", "-"], cwd=tmp_path).stdout)
    layers = [node for node in summary["nodes"] if node["mapped"]]
    assert len(layers) == 4
    assert {(layer["weight_bits"], layer["input_bits"]) for layer in layers} == {(4, 5)}


# ------------------------------------------------------------------------------------------------- map


def test_map_by_hand(run_bitline, digits, tmp_path):
    """Rows, columns, arrays and cycles of a layer, counted by hand."""
    options = ["--set", "array.rows=64", "--set", "array.cols=32", "--set", "cell.bits=2"]
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default", *options, "-o", tmp_path / "mapping.h5", "--json", "-"]
    result = run_bitline(command)
    assert result.returncode == 0, result.stderr
    mapping = read_json(result.stdout)
    assert mapping["fits"] is True and mapping["misfit"] is None and mapping["arrays_available"] >= mapping["arrays"]
    layers = {layer["name"]: layer for layer in mapping["layers"]}
    shapes = {t.name: list(t.dims) for t in onnx.load(digits / "digits_cnn.onnx").graph.initializer}
    for name, layer in layers.items():
        outputs, *rest = shapes[f"{name}_weight_codes"]
        if name == "fc" and len(rest) == 1 and outputs != 10:
            outputs, rest = rest[0], [outputs]
        rows = int(np.prod(rest))
        slices = 4  # 7 magnitude bits in cells of 2
        assert (layer["rows"], layer["slices"], layer["columns"]) == (rows, slices, 2 * slices * outputs)
        tiles = -(-rows // 64) * -(-slices * outputs // 16)  # 16 pairs fit 32 columns
        assert layer["arrays"] == tiles
        assert layer["cells_used"] == rows * 2 * slices * outputs
        assert layer["utilisation"] == pytest.approx(layer["cells_used"] / (tiles * 64 * 32))
        assert layer["cycles_per_vector"] == 8  # 8 bits, one a cycle
    assert mapping["arrays"] == sum(layer["arrays"] for layer in layers.values())
    assert mapping["cycles"] == sum(layer["cycles"] for layer in layers.values()) == 8 * (64 + 64 + 16 + 1)
    assert (tmp_path / "mapping.h5").read_bytes().startswith(b"BITLINE\n")


def test_map_says_what_converters_need(run_bitline, digits):
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default"]
    plain = run_bitline([*command, "--set", "adc.offset_sigma=1"])
    assert plain.returncode == 0 and "looked up" not in plain.stdout, plain.stderr
    errors = [*command, "--set", "adc.type=flash", "--set", "adc.comparator_sigma=0.3"]
    spread = run_bitline(errors)
    assert "converters thresholds of their own, looked up at every conversion" in spread.stdout, spread.stderr
    assert read_json(run_bitline([*errors, "--json", "-"]).stdout)["converters"] == "thresholds"


def test_map_says_what_row_drivers_and_curves_need(run_bitline, digits):
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default"]
    gain = run_bitline([*command, "--set", "input.dac.gain_sigma=0.1"])
    assert gain.returncode == 0 and "\nrows  " not in gain.stdout, gain.stderr
    several = [*command, "--set", "input.bits_per_cycle=2", "--set", "input.dac.dnl_sigma=0.1"]
    spread = run_bitline(several)
    assert "a word line counts as 3, one for each value of a digit" in spread.stdout, spread.stderr
    layers = read_json(run_bitline([*several, "--json", "-"]).stdout)["layers"]
    assert {layer["lines_per_row"] for layer in layers} == {3}
    noise = run_bitline([*command, "--set", "input.dac.noise_sigma=0.1"])
    assert "cannot be looked up" in noise.stdout, noise.stderr
    curve = run_bitline([*command, "--set", "cell.current_voltage.model=sinh"])
    assert "cell.current_voltage has no effect" in curve.stdout, curve.stderr
    divider = [*command, "--set", "weights.encoding=offset", "--set", "array.transfer.model=divider"]
    bent = run_bitline([*divider, "--set", "array.transfer.strength_ratio=2"])
    assert "converters thresholds of their own" in bent.stdout, bent.stderr


def test_map_shows_a_misfit(run_bitline, digits):
    chip = ["--set", "chip.arrays_per_core=1", "--set", "chip.cores_per_tile=1", "--set", "chip.tiles_per_chip=2"]
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default", *chip]
    result = run_bitline([*command, "--json", "-"])
    assert result.returncode == 2
    mapping = read_json(result.stdout)
    needed = mapping["arrays"]
    assert mapping["fits"] is False and mapping["arrays_available"] == 2 < needed
    assert str(needed - 2) in mapping["misfit"] and "conv3" in mapping["misfit"]
    assert "conv1" in run_bitline(command).stdout

    rewritten = run_bitline([*command, "--set", "cell.reprogrammable=true", "--json", "-"])
    assert rewritten.returncode == 0, rewritten.stderr
    assert read_json(rewritten.stdout)["reloads"] == -(-needed // 2)


def test_sign_readout_of_a_real_binary_network(run_bitline, shared_data):
    model = shared_data / "models" / "TFC_1W1A_mnist.onnx"
    if not model.is_file():
        pytest.skip(f"{model} is missing: set BITLINE_SHARED_DATA")
    by_sign = ["--set", "adc.readout=sign", "--set", "cell.bits=1"]
    mapped = run_bitline(["map", model, "--arch", "default", *by_sign, "--json", "-"])
    assert mapped.returncode == 0, mapped.stderr
    layers = read_json(mapped.stdout)["layers"]
    assert [layer["votes"] for layer in layers] == [7, 1, 1, None]  # 784 and 64 rows on arrays of 128
    assert [layer["note"] for layer in layers[:3]] == [None] * 3 and "not decided by thresholds" in layers[3]["note"]
    assert [layer["adc_bits"] for layer in layers] == [1, 1, 1, 8]
    text = run_bitline(["map", model, "--arch", "default", *by_sign]).stdout
    assert "majority of 7 row parts" in text and "read by converters: its output is not decided" in " ".join(text.split())
    data = ",".join(str(shared_data / "mnist" / f"t10k-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    accuracy = {}
    for rows in (128, 1024):
        command = ["simulate", model, "--arch", "ideal", *by_sign, "--set", f"array.rows={rows}", "--data", f"idx:{data}",
                   "--preprocess", "unit", "--limit", "300", "--json", "-"]
        result = run_bitline(command)
        assert result.returncode == 0, result.stderr
        result = read_json(result.stdout)
        accuracy[rows] = result["chip"]["accuracy"]["mean"]
        assert [layer["adc"]["policy"] == "sign" for layer in result["layers"]] == [True, True, True, False]
        assert result["layers"][0]["sqnr_db"] is None or rows == 128
    assert accuracy[1024] == result["software"]["accuracy"] and result["chip"]["agreement"] == 1
    assert accuracy[128] < accuracy[1024]


# ------------------------------------------------------------------------------------------------- simulate

SHARE = (float, int)
SCHEMA = {
    "version": str,
    "kernel": str,
    "seed": int,
    "threads": int,
    "model": {"path": str, "name": str, "sha256": str},
    "architecture": {"name": str, "source": str, "settings": list, "sha256": str, "yaml": str},
    "data": {"spec": str, "files": [{"path": str, "sha256": str}], "samples": int},
    "calibration": {"spec": str, "files": [{"path": str, "sha256": str}], "samples": int},
    "preprocess": str,
    "options": {"trials": int, "limit": int, "calibration_samples": int, "skip_ideal": bool},
    "software": {"accuracy": SHARE},
    "float": {"accuracy": SHARE, "path": str, "sha256": str},
    "ideal": {"accuracy": SHARE, "unequal_samples": int},
    "chip": {"accuracy": {"mean": SHARE, "std": SHARE, "ci95": SHARE}, "agreement": SHARE, "arrays": int},
    "trials": [
        {
            "accuracy": SHARE,
            "agreement": SHARE,
            "programming": {
                "cells": int,
                "stuck_low": int,
                "stuck_high": int,
                "stuck_other": int,
                "open": int,
                "open_word_lines": int,
                "open_bit_lines": int,
                "faulty_digits": int,
                "unrepaired_digits": int,
                "measured": int,
                "repaired_digits": int,
                "clipped": int,
            },
        }
    ],
    "layers": [
        {
            "name": str,
            "arrays": int,
            "sqnr_db": SHARE,
            "adc_clip_rate": SHARE,
            "adc": {
                "bits": int,
                "policy": str,
                "lossless": bool,
                "step": SHARE,
                "lo": int,
                "hi": int,
                "threshold": (type(None), float, int),
                "thresholds": (type(None), list),
                "values": (type(None), list),
            },
            "compensation": {
                "wire_gain": (type(None), dict),
                "drift_gain": (type(None), dict),
                "column_gain": (type(None), dict),
                "offset_levels": (type(None), dict),
                "channel_scale": (type(None), dict),
                "channel_shift": (type(None), dict),
            },
        }
    ],
    "images_per_second": SHARE,
    "seconds": SHARE,
}


def check_schema(value, schema, where=""):
    if isinstance(schema, dict):
        assert set(value) == set(schema), where
        for key, inner in schema.items():
            check_schema(value[key], inner, f"{where}.{key}")
    elif isinstance(schema, list):
        assert isinstance(value, list) and value, where
        for i, entry in enumerate(value):
            check_schema(entry, schema[0], f"{where}[{i}]")
    else:
        assert isinstance(value, schema), f"{where} = {value!r}"


def test_json_is_whole(simulate, digits):
    result, _ = simulate("--trials", "3", "--float", digits / "digits_float.onnx", *NOISY)
    check_schema(result, SCHEMA)
    assert result["data"]["samples"] == SAMPLES == result["options"]["limit"]
    assert result["ideal"]["unequal_samples"] == 0
    assert result["ideal"]["accuracy"] == result["software"]["accuracy"]
    accuracies = [trial["accuracy"] for trial in result["trials"]]
    assert len(accuracies) == 3
    accuracy = result["chip"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert accuracy["std"] == pytest.approx(np.std(accuracies, ddof=1), abs=1e-12)
    assert accuracy["ci95"] == pytest.approx(4.302652730 * accuracy["std"] / np.sqrt(3), rel=1e-6)  # Student's t, 2 degrees
    assert result["chip"]["agreement"] == pytest.approx(np.mean([trial["agreement"] for trial in result["trials"]]))
    assert [layer["name"] for layer in result["layers"]] == ["conv1", "conv2", "conv3", "fc"]
    for share in (*accuracies, accuracy["mean"], result["software"]["accuracy"], result["float"]["accuracy"]):
        assert 0 <= share <= 1


def test_hashes_are_those_of_the_files(simulate, digits):
    import hashlib

    result, _ = simulate()
    assert result["model"]["sha256"] == hashlib.sha256((digits / "digits_cnn.onnx").read_bytes()).hexdigest()
    sha256 = hashlib.sha256((digits / "digits.h5").read_bytes()).hexdigest()
    assert result["data"]["files"] == [{"path": str(digits / "digits.h5"), "sha256": sha256}]
    assert result["architecture"]["sha256"] == hashlib.sha256(result["architecture"]["yaml"].encode()).hexdigest()


def test_one_trial_has_no_spread(simulate):
    result, text = simulate("--skip-ideal")
    assert result["chip"]["accuracy"]["std"] is None and result["chip"]["accuracy"]["ci95"] is None
    assert result["float"]["accuracy"] is None
    assert result["ideal"] == {"accuracy": None, "unequal_samples": None}
    assert "ideal chip" not in text and "real chip" in text


def test_exact_layers_have_no_sqnr(simulate):
    result, text = simulate(arch="ideal")
    assert [layer["sqnr_db"] for layer in result["layers"]] == [None] * 4
    assert [layer["adc_clip_rate"] for layer in result["layers"]] == [0] * 4
    assert result["chip"]["agreement"] == 1 and result["calibration"] is None
    assert "exact" in text


def test_loss_without_an_imperfect_part_is_explained(simulate):
    result, text = simulate("--set", "weights.clip=0.5", arch="ideal")
    assert result["ideal"]["unequal_samples"] > 0 and "weights.clip changed the weights" in text
    assert "weights.clip" not in simulate(arch="ideal")[1]


def test_layers_of_more_error_than_signal_are_named(simulate):
    result, text = simulate("--set", "cell.programming_error.sigma=2", "--skip-ideal")
    below = [layer["name"] for layer in result["layers"] if layer["sqnr_db"] < 0]
    assert below and "below 0 dB" in text and all(name in text.split("below 0 dB")[1] for name in below)
    assert "below 0 dB" not in simulate("--skip-ideal")[1]


def test_same_seed_same_bits(simulate):
    first, _ = simulate("--trials", "2", "--seed", "7", "--threads", "1", *NOISY)
    assert first["threads"] == 1
    second, _ = simulate("--trials", "2", "--seed", "7", "--threads", "2", *NOISY)
    assert second["threads"] == 2
    assert without_times(first) == without_times(second)


AGEING = ["--set", "cell.drift.model=power", "--set", "cell.drift.exponent.polynomial=[0.05]", "--set",
          "cell.drift.deviation.polynomial=[0.02]"]
COMPENSATED = ["--set", "compensation.drift_gain=column", "--set", "compensation.column_affine=true", "--set",
               "compensation.batch_norm=true", "--set", "compensation.adc_ranges=true"]
AGE_SCHEMA = {
    "age": SHARE,
    "outside_of_model": (type(None), str),
    "accuracy": (type(None), dict),
    "agreement": (type(None), float, int),
    "trials": list,
    "layers": list,
}


def test_ages(simulate):
    ages = "0,1s,1h,30d,1y,10y"
    result, text = simulate("--trials", "2", "--age", ages, "--temperature", "310", "--set", "cell.valid.time=[1, 1e8]", *AGEING)
    assert [age["age"] for age in result["ages"]] == [0, 1, 3600, 2592000, 31536000, 315360000] == result["options"]["ages"]
    assert result["options"]["temperature"] == 310
    for age in result["ages"][:-1]:
        assert set(age) == set(AGE_SCHEMA)
        check_schema(age["trials"], SCHEMA["trials"])
        check_schema(age["layers"], SCHEMA["layers"])
        assert age["outside_of_model"] is None
        assert age["accuracy"]["mean"] == pytest.approx(np.mean([trial["accuracy"] for trial in age["trials"]]))
        assert age["accuracy"]["std"] == pytest.approx(np.std([trial["accuracy"] for trial in age["trials"]], ddof=1))
    for key in AGE_SCHEMA:
        assert isinstance(result["ages"][0][key], AGE_SCHEMA[key])
    assert result["layers"] == result["ages"][0]["layers"] and result["trials"] == result["ages"][0]["trials"]
    assert result["ages"][0]["layers"] == result["ages"][1]["layers"] != result["ages"][2]["layers"]
    old = result["ages"][-1]
    assert (old["accuracy"], old["agreement"], old["trials"], old["layers"]) == (None, None, [], [])
    assert "1e+08" in old["outside_of_model"]
    rows = (re.match(r" *(fresh|\d+ [shdy])  .*", line) for line in text.splitlines())
    lines = {row.group(1): row.group(0) for row in rows if row}
    assert set(lines) == {"fresh", "1 s", "1 h", "30 d", "1 y", "10 y"}
    assert "n/a" in lines["10 y"] and "\u2588" in lines["fresh"] and "310 K" in text
    assert re.search(r"n/a at 10 y: .*1e\+08 s", text)
    fresh = result["ages"][0]
    assert f"{100 * fresh['accuracy']['mean']:.2f} %" in lines["fresh"]
    assert f"{100 * (fresh['accuracy']['mean'] - result['software']['accuracy']):+.2f}" in lines["fresh"]


def test_age_0_is_the_plain_run(simulate):
    plain, text = simulate("--skip-ideal", *AGEING, *NOISY)
    assert "ages" not in plain and "ages" not in plain["options"]
    assert "real chip, fresh" not in text and "at age" not in text
    zero, _ = simulate("--skip-ideal", "--age", "0", *AGEING, *NOISY)
    assert without_times(zero) == without_times(plain)
    aged, _ = simulate("--skip-ideal", "--age", "0,1 h, 1.5d", *AGEING, *NOISY)
    assert aged["layers"] == plain["layers"] and aged["trials"] == plain["trials"] and aged["chip"] == plain["chip"]
    alone, _ = simulate("--skip-ideal", "--age", "129600", *AGEING, *NOISY)
    assert alone["layers"] == aged["ages"][2]["layers"]


def test_compensation_gives_the_same_bits_on_every_kernel(simulate, run_bitline):
    listing = run_bitline(["list", "kernels"]).stdout.splitlines()
    names = [line.split()[0] for line in listing if re.search(r"\byes\b", line)]
    results = [without_times(simulate("--skip-ideal", "--age", "1h", *AGEING, *NOISY, *COMPENSATED, "--threads", str(1 + i % 2),
                                      env={"BITLINE_KERNEL": name})[0]) for i, name in enumerate(names)]
    assert len(names) > 1 and all(result == results[0] for result in results)


def test_measured_compensation_is_reported(simulate):
    result, _ = simulate("--skip-ideal", "--age", "0,1y", "--trials", "2", *AGEING, *COMPENSATED)
    fresh, old = ([layer["compensation"] for layer in age["layers"]] for age in result["ages"])
    for before, after in zip(fresh, old):
        assert before.pop("wire_gain") is after.pop("wire_gain") is None  # see test_wires.py
        for summary in (*before.values(), *after.values()):
            assert summary["min"] <= summary["mean"] <= summary["max"]
        assert before["drift_gain"]["mean"] == pytest.approx(1, abs=0.05)  # the default cells have read noise
        assert after["drift_gain"]["mean"] == pytest.approx(31536000**0.05, rel=0.2)
        assert after["drift_gain"]["min"] < after["drift_gain"]["max"]
    plain, _ = simulate("--skip-ideal")
    assert all(set(layer["compensation"].values()) == {None} for layer in plain["layers"])


SVG = "{http://www.w3.org/2000/svg}"


def drawn(path):
    """Texts and circles of a picture that stands for itself."""
    text = path.read_text()
    assert "href" not in text and "<script" not in text and "<style" not in text
    root = xml.etree.ElementTree.fromstring(text)
    width, height = float(root.get("width")), float(root.get("height"))
    for element in root:
        for name, most in (("x", width), ("y", height), ("x1", width), ("x2", width), ("y1", height), ("y2", height),
                           ("cx", width), ("cy", height)):
            if element.get(name) is not None:
                assert 0 <= float(element.get(name)) <= most, element.attrib
    return ["".join(t.itertext()) for t in root.iter(f"{SVG}text")], root


def test_plot_of_ages(simulate, tmp_path):
    picture = tmp_path / "age.svg"
    result, text = simulate("--skip-ideal", "--trials", "3", "--age", "0,1s,1h,30d,1y,10y", "--plot", picture, "--set",
                            "cell.valid.time=[1, 1e8]", *AGEING, *NOISY)
    assert [p.name for p in tmp_path.iterdir()] == ["age.svg"]
    texts, root = drawn(picture)
    for name in ("accuracy, %", "time since programming, s", "fresh", "1 h", "1 y", "n/a", "0"):
        assert name in texts, texts
    assert any("n/a at 10 y" in t and "1e+08 s" in t for t in texts)
    assert any("3 chips" in t and "standard deviation" in t for t in texts)
    # One mark per age with figures, as high as the accuracy says, and one in the legend.
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")][1:]
    means = [age["accuracy"]["mean"] for age in result["ages"] if age["accuracy"]]
    assert len(circles) == len(means) == 5
    marks = {float("".join(t.itertext())): float(t.get("y")) - 4 for t in root.iter(f"{SVG}text")
             if t.get("text-anchor") == "end"}
    (low, bottom), *_, (high, top) = sorted(marks.items())
    for (_, y), mean in zip(circles, means):
        assert y == pytest.approx(bottom + (100 * mean - low) / (high - low) * (top - bottom), abs=0.3)
    # Time is logarithmic, and the fresh chip stands to the left of it.
    x = [x for x, _ in circles]
    decade = (x[4] - x[1]) / np.log10(31536000)
    assert x[2] - x[1] == pytest.approx(decade * np.log10(3600), abs=0.3) and x[0] < x[1] - 20
    bands = list(root.iter(f"{SVG}polygon"))
    assert len(bands) == 2 and len(bands[1].get("points").split()) == 8
    without, same = simulate("--skip-ideal", "--trials", "3", "--age", "0,1s,1h,30d,1y,10y", "--set",
                             "cell.valid.time=[1, 1e8]", *AGEING, *NOISY)
    assert without_times(without) == without_times(result)


def test_plot_of_one_chip_has_no_band(simulate, tmp_path):
    simulate("--skip-ideal", "--age", "1h,1d", "--plot", tmp_path / "age.svg", *AGEING)
    texts, root = drawn(tmp_path / "age.svg")
    assert "one chip" in texts and "fresh" not in texts and not list(root.iter(f"{SVG}polygon"))


def test_other_seed_other_chip(simulate):
    results = [simulate("--seed", seed, "--skip-ideal", *NOISY)[0] for seed in ("1", "2")]
    assert results[0]["layers"] != results[1]["layers"]
    assert results[0]["software"] == results[1]["software"]


def test_every_kernel_gives_the_same_bits(simulate, run_bitline):
    listing = run_bitline(["list", "kernels"]).stdout.splitlines()
    names = [line.split()[0] for line in listing if re.search(r"\byes\b", line)]
    assert "scalar" in names
    results = []
    for name in names:
        result, _ = simulate("--seed", "3", "--skip-ideal", *NOISY, env={"BITLINE_KERNEL": name})
        assert result["kernel"] == name
        results.append(without_times(result))
    assert all(result == results[0] for result in results)


def test_calibration_data_is_recorded(simulate, digits):
    spec = str(digits / "digits_calibration.h5")
    narrow = ["--set", "adc.bits=4", "--set", "adc.calibration=percentile", "--set", "adc.percentile=99", "--skip-ideal"]
    result, text = simulate("--calibration", f"{spec}:8", *narrow)
    assert result["calibration"]["spec"] == spec and result["calibration"]["samples"] == 8
    assert "first 8 samples" in text
    own, _ = simulate(*narrow)
    assert own["calibration"]["spec"] == str(digits / "digits.h5") and own["calibration"]["samples"] == 64 > SAMPLES
    assert own["layers"] != result["layers"]


def test_recorded_yaml_gives_the_same_chip(simulate, tmp_path):
    result, _ = simulate("--skip-ideal", *NOISY)
    (tmp_path / "chip.yaml").write_text(result["architecture"]["yaml"])
    again, _ = simulate("--skip-ideal", arch=tmp_path / "chip.yaml")
    assert again["architecture"]["sha256"] == result["architecture"]["sha256"]
    assert again["layers"] == result["layers"] and again["trials"] == result["trials"]


def test_preprocess_is_the_models_own_unless_given(simulate):
    own, text = simulate("--skip-ideal")
    assert "from the model" in text
    given, text = simulate("--skip-ideal", "--preprocess", "scale=1/16")
    assert "from --preprocess" in text
    assert own["software"] == given["software"]
    raw, _ = simulate("--skip-ideal", "--preprocess", "raw")
    assert raw["software"] != own["software"] or raw["layers"] != own["layers"]


def test_missing_preprocess_is_said(run_bitline, digits, tmp_path):
    model = onnx.load(digits / "digits_cnn.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    command = ["simulate", tmp_path / "bare.onnx", "--arch", "ideal", "--data", digits / "digits.h5", "--limit", "2"]
    assert "neither --preprocess nor the model says" in run_bitline(command).stdout


# ------------------------------------------------------------------------------------------------- text


def width(line):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) + wide


def test_tables_fit_100_columns(run_bitline, digits, simulate):
    texts = [simulate("--trials", "2")[1]]
    for command in (["inspect", digits / "digits_cnn.onnx"], ["map", digits / "digits_cnn.onnx", "--arch", "isaac"],
                    ["list", "keys"], ["list", "architectures"], ["list", "kernels"], ["list", "operators"]):
        texts.append(run_bitline(command).stdout)
    for text in texts:
        assert text
        for line in text.splitlines():
            assert width(line) <= 100 or "SHA-256" in line or "/" in line, line


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, run_bitline):
    result = run_bitline([command, "--help"])
    assert result.returncode == 0 and result.stderr == ""
    assert f"bitline {command}" in result.stdout and "Examples:" in result.stdout
    assert run_bitline(["help", command]).stdout == result.stdout
    # every option of an example exists
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", result.stdout.split("Examples:")[0]))
    for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", result.stdout.split("Examples:")[1]):
        assert option in options
    assert all(len(line) <= 110 for line in result.stdout.splitlines())


def test_program_help_and_version(run_bitline):
    text = run_bitline(["--help"]).stdout
    assert all(f"  {command} " in text for command in COMMANDS)
    assert re.fullmatch(r"bitline \d+\.\d+\.\d+\n", run_bitline(["--version"]).stdout)


def test_list_architecture_prints_yaml_to_copy(run_bitline, digits, tmp_path):
    text = run_bitline(["list", "architectures", "isaac"]).stdout
    (tmp_path / "copy.yaml").write_text(text)
    results = []
    for arch in ("isaac", tmp_path / "copy.yaml"):
        done = run_bitline(["map", digits / "digits_cnn.onnx", "--arch", arch, "--json", "-"])
        assert done.returncode == 0, done.stderr
        results.append(read_json(done.stdout))
    assert results[0]["layers"] == results[1]["layers"]


def test_list_keys_of_a_section(run_bitline):
    text = run_bitline(["list", "keys", "adc"]).stdout
    assert "adc.bits" in text and "1 <= adc.bits <= 16" in text and "cell.bits" not in text


def test_list_kernels_names_the_one_in_use(run_bitline):
    text = run_bitline(["list", "kernels"], env={"BITLINE_KERNEL": "scalar"}).stdout
    assert [line.split()[0] for line in text.splitlines() if "in use" in line] == ["scalar"]


def test_list_operators(run_bitline):
    text = run_bitline(["list", "operators"]).stdout
    for name in ("Conv", "QLinearConv", "MatMulInteger", "BipolarQuant", "GlobalAveragePool"):
        assert re.search(rf"\b{name}\b", text)


def test_list_preprocess(run_bitline):
    text = run_bitline(["list", "preprocess"]).stdout
    assert all(name in text for name in ("raw", "unit", "imagenet", "0.485"))


def test_list_without_topic(run_bitline):
    text = run_bitline(["list"]).stdout
    assert all(topic in text for topic in ("architectures", "keys", "kernels", "operators", "preprocess"))


# ------------------------------------------------------------------------------------------------- the program around it


def test_other_programs_are_found_on_the_path(run_bitline, tmp_path):
    script = tmp_path / "bitline-greet"
    script.write_text('#!/bin/sh\necho "hello $1"\nexit 7\n')
    script.chmod(0o755)
    result = run_bitline(["greet", "you"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (result.returncode, result.stdout) == (7, "hello you\n")


def run_on_terminal(command, until, **options):
    """Output of the program's standard error on a terminal, read until `until` appears; then it is interrupted."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, **options)
    os.close(theirs)
    text, deadline = "", time.monotonic() + 60
    while not re.search(until, text) and time.monotonic() < deadline:
        try:
            text += os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the program has ended
            break
    process.send_signal(signal.SIGINT)
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:
            break
        if not more:
            break
        text += more.decode(errors="replace")
    process.communicate(timeout=60)
    os.close(ours)
    return text, process.returncode


def test_progress_on_a_terminal(program, digits):
    command = [program, "simulate", digits / "digits_cnn.onnx", "--arch", "default", "--data", digits / "digits.h5",
               "--trials", "200", "--skip-ideal"]
    text, code = run_on_terminal(command, r"trial \d+/200.* left", env={**os.environ, "TERM": "xterm"})
    assert re.search(r"\rtrial \d+/200 +\[[#.]+\] +\d+ %  .*left", text), repr(text[-500:])
    assert code == 1 and "interrupted" in text


def test_no_progress_when_quiet(program, digits):
    command = [program, "simulate", digits / "digits_cnn.onnx", "--arch", "default", "--data", digits / "digits.h5",
               "--limit", "50", "--quiet"]
    text, code = run_on_terminal(command, "never")
    assert (text, code) == ("", 0)


def test_colours_only_on_a_terminal(program, digits):
    command = [program, "inspect", digits / "no_such_file.onnx"]
    coloured, _ = run_on_terminal(command, "error", env={**os.environ, "TERM": "xterm", "NO_COLOR": ""})
    plain, _ = run_on_terminal(command, "error", env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b[31m" in coloured and "\x1b" not in plain
    piped = subprocess.run(command, capture_output=True, text=True)
    assert "\x1b" not in piped.stderr


# ------------------------------------------------------------------------------------------------- measurements


def test_a_measured_device_takes_the_place_of_the_model(simulate, digits):
    devices = digits.parent / "devices"
    result, _ = simulate(arch=devices / "chip.yaml")
    assert f'data: "{devices / "moments.csv"}"' in result["architecture"]["yaml"]
    samples, _ = simulate("--set", f"cell.data={devices / 'samples.csv'}", arch=devices / "chip.yaml")
    assert samples["architecture"]["sha256"] != result["architecture"]["sha256"]
    assert samples["layers"] != result["layers"]
    for one in (result, samples):  # about 2 uS of 100 uS, as much as the model that it replaces
        assert one["chip"]["accuracy"]["mean"] > 0.8


def test_known_faults_are_repaired_and_counted(simulate, digits):
    faults = ["--set", f"cell.stuck_at.map={digits.parent / 'devices' / 'faults.csv'}"]
    bare, text = simulate(*faults)
    repaired, _ = simulate(*faults, "--set", "array.spare_columns=2", "--set", "mapping.fault_remap=pairs")
    before, after = (result["trials"][0]["programming"] for result in (bare, repaired))
    assert before["open_bit_lines"] == before["open_word_lines"] == 1
    assert before["stuck_low"] + before["stuck_high"] + before["stuck_other"] == 3
    assert before["repaired_digits"] == 0 and before["faulty_digits"] == before["unrepaired_digits"] > 0
    assert after["unrepaired_digits"] == before["unrepaired_digits"]
    assert after["faulty_digits"] == after["unrepaired_digits"] - after["repaired_digits"] < before["faulty_digits"]
    assert after["open_bit_lines"] == 0
    assert "faults " in text and "lines open 1 word, 1 bit" in text


def test_targets_are_programmed_measured_and_read_back(simulate, run_bitline, digits, tmp_path):
    targets = tmp_path / "targets.h5"
    result = run_bitline(["map", digits / "digits_cnn.onnx", "--arch", "default", "--targets", targets])
    assert result.returncode == 0, result.stderr
    measured = tmp_path / "measured.h5"
    with h5py.File(targets) as source, h5py.File(measured, "w") as copy:
        for number, group in source["arrays"].items():
            levels, conductances = group["levels"][:], group["conductances"][:]
            assert np.array_equal(np.isnan(conductances), levels < 0)
            expected = 1e-6 + levels * 99e-6 / (group.attrs["levels_per_cell"] - 1)
            assert np.allclose(conductances[levels >= 0], expected[levels >= 0], rtol=2e-3)
            copy[f"arrays/{number}/conductances"] = conductances
    rough = ["--set", "cell.programming_error.sigma=0.5", "--set", "cell.read_noise.sigma=0"]
    exact, _ = simulate("--set", "cell.programming_error.sigma=0", "--set", "cell.read_noise.sigma=0")
    back, text = simulate(*rough, "--set", f"cell.conductance_map={measured}")
    assert back["trials"][0]["programming"]["measured"] == back["trials"][0]["programming"]["cells"]
    assert back["layers"] == exact["layers"]
    assert "measured      100.00 %" in text
