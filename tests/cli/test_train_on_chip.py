"""The scripts of examples/train_on_chip: their commands are ones that the program takes."""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "train_on_chip"
STRENGTHS = ["none", "noise", "device", "full"]


def run(program, script, *arguments, **keywords):
    return subprocess.run(["bash", FOLDER / script, *map(str, arguments)], capture_output=True, text=True,
                          env={"BITLINE_PROGRAM": str(program), "PATH": "/usr/bin:/bin"}, timeout=60, **keywords)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_lenet_gets_as_far_as_its_data(program, tmp_path, strength):
    result = run(program, "lenet_mnist.sh", tmp_path / "no_data", strength, cwd=tmp_path)
    assert result.returncode == 2 and "no_data/train-images-idx3-ubyte.gz" in result.stderr, result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("strength", STRENGTHS)
def test_lenet_learns_from_a_teacher_that_is_there(program, tmp_path, strength):
    (tmp_path / "lenet_float.h5").write_bytes(b"no network")
    result = run(program, "lenet_mnist.sh", tmp_path / "no_data", strength, cwd=tmp_path)
    assert result.returncode == 2 and "no_data/train-images-idx3-ubyte.gz" in result.stderr, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lenet_float.h5"]


def test_lenet_measures_by_a_command_that_the_program_takes(program, tmp_path):
    """All but the last command replaced by true, which the script cannot tell from the program."""
    fake = tmp_path / "bitline"
    fake.write_text(f'#!/bin/sh\n[ "$1" = train ] || exec {program} "$@"\n')
    fake.chmod(0o755)
    result = run(fake, "lenet_mnist.sh", tmp_path / "no_data", cwd=tmp_path)
    assert result.returncode == 2 and "lenet_device.h5" in result.stderr, result.stderr


@pytest.mark.parametrize("strength", STRENGTHS)
def test_resnet_gets_as_far_as_its_data(program, tmp_path, strength):
    (tmp_path / "data").mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (tmp_path / "data" / f"{name}.bin").write_bytes(b"short")
    model = FOLDER.parent / "digits" / "digits_float.onnx"
    result = run(program, "resnet20_cifar10.sh", model, "data", strength, "0.05", cwd=tmp_path)
    assert result.returncode == 2 and "data/data_batch_1.bin" in result.stderr, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("script, arguments, says", [
    ("lenet_mnist.sh", [], "usage: lenet_mnist.sh"),
    ("lenet_mnist.sh", ["data", "more"], "more is none of none, noise, device, full"),
    ("resnet20_cifar10.sh", ["model.onnx"], "usage: resnet20_cifar10.sh"),
    ("resnet20_cifar10.sh", ["model.onnx", "data", "more"], "more is none of none, noise, device, full"),
    ("resnet20_cifar10.sh", ["model.onnx", "data"], "data/data_batch_"),
])
def test_wrong_words_are_told(program, tmp_path, script, arguments, says):
    result = run(program, script, *arguments, cwd=tmp_path)
    assert result.returncode != 0 and says in result.stderr, result.stderr
