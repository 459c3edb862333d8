"""bitline train as a user meets it: results, resuming, Ctrl-C, divergence, wrong input."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import time

import h5py
import pytest

LAYERS = """name: tiny
layers:
  conv: {type: convolution, channels: 6, kernel: 3, pad: 1}
  norm: {type: batch_norm}
  act: {type: relu}
  pool: {type: max_pool, kernel: 2}
  flat: {type: flatten}
  fc: {type: fully_connected, channels: classes}
"""


@pytest.fixture
def tiny(tmp_path, digits):
    """The options of a small run in tmp_path."""
    (tmp_path / "tiny.yaml").write_text(LAYERS)
    return ["train", "tiny.yaml", "--data", digits / "digits_calibration.h5", "--test", digits / "digits.h5",
            "--preprocess", "scale=0.0625", "--epochs", "4", "--batch", "32", "--rate", "0.01", "-o", "out.h5"]


def values(path):
    """Every number and attribute of an HDF5 file but times."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def lines(path):
    """Those of the epochs; a chain may follow."""
    return [line for line in map(json.loads, path.read_text().splitlines()) if "epoch" in line]


def test_a_network_learns_and_simulates(run_bitline, tiny, tmp_path, digits):
    command = [a if a != "4" else "12" for a in tiny]
    few_bits = ["--method", "ste", "--weight-bits", "4", "--input-bits", "4", "--first-last-bits", "same"]
    result = run_bitline([*command, *few_bits, "--onnx", "out.onnx", "--json", "log.jsonl"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    epochs = lines(tmp_path / "log.jsonl")
    assert [line["epoch"] for line in epochs] == list(range(1, 13))
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 3
    assert epochs[-1]["test_accuracy"] > 0.8
    assert f"{100 * epochs[-1]['test_accuracy']:.2f} %" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "out.h5", "out.onnx", "tiny.yaml"]
    for name in ("out.h5", "out.onnx"):  # the preprocessing travels with the network
        done = run_bitline(["simulate", name, "--arch", "ideal", "--data", digits / "digits.h5", "--json", "-"], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["software"]["accuracy"] == pytest.approx(epochs[-1]["test_accuracy"], abs=0.01)
    bits = [json.loads(run_bitline(["inspect", name, "--json", "-"], cwd=tmp_path).stdout)["average_bits"]
            for name in ("out.h5", "out.onnx")]
    assert bits[0] == bits[1] < 8


def kinds(run_bitline, path, cwd):
    layers = json.loads(run_bitline(["inspect", path, "--json", "-"], cwd=cwd).stdout)["nodes"]
    return [layer["kind"] for layer in layers]


@pytest.mark.parametrize("hardware", [[], ["--hardware", "device", "--chip-trials", "1", "--chip-limit", "50"]])
def test_batch_norm_is_folded_while_training(run_bitline, tiny, tmp_path, digits, hardware):
    command = [a if a != "4" else "12" for a in tiny]
    bits = ["--method", "ste", "--weight-bits", "4", "--input-bits", "4", "--fold-batch-norm"]
    result = run_bitline([*command, *bits, *hardware, "--onnx", "out.onnx", "--json", "log.jsonl"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "batch norm folded" in result.stdout
    epochs = lines(tmp_path / "log.jsonl")
    assert epochs[-1]["test_accuracy"] > 0.8
    for name in ("out.h5", "out.onnx"):
        assert not any("norm" in kind.lower() for kind in kinds(run_bitline, name, tmp_path))
        done = run_bitline(["simulate", name, "--arch", "ideal", "--data", digits / "digits.h5", "--json", "-"], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["software"]["accuracy"] == pytest.approx(epochs[-1]["test_accuracy"], abs=0.01)
    apart = [option for option in bits if option != "--fold-batch-norm"]
    assert run_bitline([*tiny, *apart], cwd=tmp_path).returncode == 0
    assert any("norm" in kind.lower() for kind in kinds(run_bitline, "out.h5", tmp_path))


def test_a_float_network_is_fine_tuned(run_bitline, tiny, tmp_path, digits):
    command = ["train", digits / "digits_float.onnx", *tiny[2:]]
    command[command.index("0.01")] = "1e-5"
    command[command.index("4")] = "1"
    result = run_bitline([*command, "--json", "-"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    *epochs, trained = map(json.loads, result.stdout.splitlines())
    assert epochs[-1]["test_accuracy"] > 0.98
    assert trained["trained"]["method"] == "float" and trained["trained"]["average_bits"] == 32
    result = run_bitline([*command, "--width", "2"], cwd=tmp_path)
    assert result.returncode == 2 and "--width has no effect" in result.stderr


def test_the_same_seed_gives_the_same_bits(run_bitline, tiny, tmp_path):
    found = []
    for options in (["--threads", "1"], ["--threads", "2"], ["--seed", "1"]):
        assert run_bitline([*tiny, *options], cwd=tmp_path).returncode == 0
        found.append(values(tmp_path / "out.h5"))
    assert found[0] == found[1] and found[0] != found[2]


def interrupted_run(program, command, until, cwd):
    """Runs on a terminal, sends Ctrl-C once its text matches; returns (text, exit code)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(program), *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=theirs, cwd=cwd, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    text, sent, deadline = "", False, time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            more = os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the program has ended
            break
        text += more
        if not sent and re.search(until, text):
            process.send_signal(signal.SIGINT)
            sent = True
    process.communicate(timeout=60)
    os.close(ours)
    return text, process.returncode


def test_ctrl_c_keeps_the_run_and_resuming_gives_the_same_bits(run_bitline, program, tiny, tmp_path):
    long = [a if a != "4" else "60" for a in tiny] + ["--method", "ste", "--json", "log.jsonl"]
    whole = [a if a != "out.h5" else "whole.h5" for a in long]
    whole[whole.index("log.jsonl")] = "whole.jsonl"
    assert run_bitline(whole, cwd=tmp_path).returncode == 0
    text, code = interrupted_run(program, long, r"epoch 3/60  loss", tmp_path)
    assert code == 1 and "interrupted" in text, text
    assert re.search(r"\repoch \d+/60, loss [0-9.]+, [0-9.]+ % +\[[#.]+\]", text), text
    assert re.search(r"epoch 2/60  loss [0-9.]+  train [0-9.]+ %  test [0-9.]+ %", text)
    command = re.search(r"go on with: bitline (train [^\r\n]*)", text).group(1)
    assert (tmp_path / "out.checkpoint.h5").is_file() and not (tmp_path / "out.h5").exists()
    result = run_bitline(shlex.split(command), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert values(tmp_path / "out.h5") == values(tmp_path / "whole.h5")
    for a, b in zip(lines(tmp_path / "log.jsonl"), lines(tmp_path / "whole.jsonl"), strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert not (tmp_path / "out.checkpoint.h5").exists()


def test_a_loss_that_is_no_number_stops(run_bitline, tiny, tmp_path):
    result = run_bitline([*[a if a != "0.01" else "1e6" for a in tiny], "--optimizer", "sgd", "--loss", "mse"], cwd=tmp_path)
    assert result.returncode == 1
    assert re.search(r"step \d+ \(epoch \d+\)", result.stderr) and "checkpoint" in result.stderr
    assert not (tmp_path / "out.h5").exists()


def test_a_checkpoint_of_another_run_is_refused(run_bitline, tiny, tmp_path, digits):
    assert run_bitline([*tiny, "--checkpoint", "c.h5"], cwd=tmp_path).returncode == 0

    def refused(command, text):
        result = run_bitline(command, cwd=tmp_path)
        assert result.returncode == 2 and text in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1

    resume = [*tiny, "--resume", "c.h5"]
    assert run_bitline(resume, cwd=tmp_path).returncode == 0  # nothing left to do
    refused([a if a != "0.01" else "0.02" for a in resume], "with rate '0.01', and here it is '0.02'")
    refused([*resume, "--limit", "100"], "other training data (--data)")
    refused([*resume, "--method", "ste"], "with method 'float', and here it is 'ste'")
    refused([*resume, "--width", "2"], "with width '1', and here it is '2'")
    refused([*resume, "--initial", "c.h5"], "--initial has no effect with --resume")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "c.h5").read_bytes()[:-100])
    refused([*tiny, "--resume", "cut.h5"], "cut.h5")
    refused([*tiny, "--resume", "out.h5"], "two results would be written")
    refused([*tiny, "--resume", digits / "digits.h5", "--checkpoint", "d.h5"], "is no checkpoint")
    # What another run has learned is a start for any options.
    started = [a if a != "0.01" else "0.001" for a in tiny] + ["--method", "ste", "--initial", "c.h5", "--json", "-"]
    result = run_bitline(started, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[0])["accuracy"] > 0.5


@pytest.mark.parametrize("options, text", [
    (["--method", "lsqq"], "unknown method 'lsqq'"),
    (["--method", "ste", "--weight-bits", "1"], "--weight-bits of ste = 1"),
    (["--weight-bits", "4"], "--weight-bits has no effect without --method"),
    (["--fold-batch-norm"], "--fold-batch-norm has no effect without --method"),
    (["--fold-batch-norm", "--method", "bnn"], "method bnn cannot fold batch norm"),
    (["--fold-batch-norm", "--method", "ste", "--batch-norm", "off"], "no batch norm can be folded"),
    (["--epochs", "0"], "--epochs = 0 violates"),
    (["--rate", "-1"], "--rate"),
    (["--momentum", "0.5"], "--momentum has no effect without --optimizer sgd"),
    (["--schedule", "cosin"], "did you mean 'cosine'"),
    (["--augment", "flop"], "did you mean 'flip'"),
    (["--augment", "crop=9"], "crop = 9 violates crop < 8"),
    (["--temperature", "2"], "--temperature has no effect without --teacher"),
    (["--json", "out.h5"], "two results would be written"),
    (["--classes", "3"], "violates 0 <= label < 3"),
    (["--layer-bits", "conv"], "LAYER=WEIGHT_BITS/INPUT_BITS"),
    (["--json", "no/such/folder.json"], "folder"),
    (["--rat", "1"], "did you mean --rate"),
])
def test_wrong_input_is_one_message(run_bitline, tiny, tmp_path, options, text):
    command = list(tiny)
    if options[0] in command:  # each is given once
        at = command.index(options[0])
        del command[at:at + 2]
    if options[0] == "--layer-bits":
        options = [*options, "--method", "ste"]
    result = run_bitline([*command, *options], cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert text in result.stderr and result.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.yaml"]


def test_the_network_must_exist(run_bitline, tiny, tmp_path):
    for name, text in (("lenet", "lenet5"), ("none.yaml", "none.yaml"), ("none.onnx", "none.onnx")):
        result = run_bitline(["train", name, *tiny[2:]], cwd=tmp_path)
        assert result.returncode == 2 and text in result.stderr


def test_lists_of_methods_and_networks(run_bitline):
    methods = run_bitline(["list", "methods"]).stdout
    assert re.search(r"ste  weights 2 to 16 bits \(4\), inputs 2 to 16 bits \(4\)", methods) and "Hubara" in methods
    networks = run_bitline(["list", "networks"]).stdout
    for name in ("lenet5", "vgg-small", "resnet18-cifar", "resnet20", "mobilenetv1-small"):
        assert name in networks
