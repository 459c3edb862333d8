"""bitline train with a chip in the loop, and the chain that ends every run."""

import json
import signal
import subprocess
import time

import pytest

from test_train import LAYERS, values


@pytest.fixture
def tiny(tmp_path, digits):
    """Four bits on cells with errors, a few epochs on small images."""
    (tmp_path / "tiny.yaml").write_text(LAYERS)
    return ["train", "tiny.yaml", "--data", digits / "digits_calibration.h5", "--test", digits / "digits.h5",
            "--preprocess", "scale=0.0625", "--epochs", "3", "--batch", "32", "--rate", "0.01", "-o", "out.h5",
            "--chip-trials", "2", "--chip-limit", "60"]


ON_CHIP = ["--method", "lsq", "--weight-bits", "4", "--input-bits", "4", "--set", "cell.programming_error.sigma=0.05"]


def chain_of(path):
    return json.loads(path.read_text().splitlines()[-1])["chain"]


@pytest.mark.parametrize("strength", [["noise", "--weight-noise", "0.1", "--output-noise", "0.01"], ["device"],
                                      ["full", "--calibrate-every", "5"], ["full", "--learn-adc-ranges"],
                                      ["full", "--fixed-chip"]])
def test_each_strength_trains_and_ends_with_the_chain(run_bitline, tiny, tmp_path, strength):
    command = [*tiny, *ON_CHIP, "--hardware", *strength, "--hardware-after", "1", "--json", "log.jsonl"]
    result = run_bitline(command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    chain = chain_of(tmp_path / "log.jsonl")
    assert chain["trials"] == 2 and chain["samples"] == 60
    after = chain["after"]
    assert after["integer"] == after["ideal_chip"]
    assert after["float"] > 0.3 and after["chips"][0]["accuracy"]["mean"] > 0.2
    assert after["chips"][0]["gap"] == pytest.approx(after["integer"] - after["chips"][0]["accuracy"]["mean"])
    for link in ("float", "quantized, float sums", "quantized, integer sums", "ideal chip", "real chip, fresh",
                 "gap in points, fresh"):
        assert link in result.stdout


def test_a_run_on_chips_resumes_with_the_same_bits(run_bitline, program, tiny, tmp_path):
    command = [*tiny, *ON_CHIP, "--hardware", "full", "--calibrate-every", "3", "--checkpoint", "c.h5"]
    whole = run_bitline([*command, "--json", "whole.jsonl"], cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    first = values(tmp_path / "out.h5")
    halves = [*command, "--json", "halves.jsonl"]
    process = subprocess.Popen([str(program), *map(str, halves)], cwd=tmp_path, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while process.poll() is None and not (tmp_path / "halves.jsonl").exists() and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    process.communicate()
    if process.returncode != 0:  # else it was done before the signal came
        resumed = run_bitline([*halves, "--resume", "c.h5"], cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stderr
    assert values(tmp_path / "out.h5") == first
    assert chain_of(tmp_path / "halves.jsonl") == chain_of(tmp_path / "whole.jsonl")


def test_a_fine_tuned_network_is_measured_before_and_after(run_bitline, tiny, tmp_path, digits):
    command = ["train", digits / "digits_float.onnx", *[a for a in tiny[2:]]]
    command[command.index("3")] = "1"
    command[command.index("0.01")] = "1e-4"
    command[command.index("scale=0.0625")] = "raw"
    result = run_bitline([*command, *ON_CHIP, "--hardware", "device", "--age", "0,1d", "--json", "log.jsonl"],
                         cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    chain = chain_of(tmp_path / "log.jsonl")
    assert chain["before"]["float"] > 0.9
    assert [chip["age"] for chip in chain["before"]["chips"]] == [0, 86400]
    assert "before" in result.stdout and "after" in result.stdout and "real chip, 1 d" in result.stdout


@pytest.mark.parametrize("options, message", [
    (["--hardware", "full"], "--hardware has no effect without --method"),
    (["--method", "ste", "--hardware", "ful"], "full"),
    (["--method", "ste", "--weight-noise", "0.1"], "--weight-noise has no effect without --hardware noise"),
    (["--method", "ste", "--hardware", "noise", "--weight-noise", "-1"], "--weight-noise"),
    (["--method", "ste", "--hardware", "noise", "--fixed-chip"], "--fixed-chip has no effect without"),
    (["--method", "ste", "--hardware", "device", "--learn-adc-ranges"], "--learn-adc-ranges has no effect without"),
    (["--method", "ste", "--hardware", "full", "--learn-adc-ranges", "--set", "adc.range=fixed"], "adc.range"),
    (["--method", "ste", "--arch", "defualt"], "default"),
    (["--method", "ste", "--hardware-after", "1"], "--hardware-after has no effect without --hardware"),
    (["--method", "ste", "--chip-trials", "0"], "--chip-trials"),
    (["--method", "ste", "--age", "soon"], "--age"),
])
def test_wrong_hardware_is_refused_before_the_work(run_bitline, tiny, tmp_path, options, message):
    command = [a for a in tiny if a not in ("--chip-trials", "2", "--chip-limit", "60")]
    result = run_bitline([*command, *options], cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.yaml"]
