"""The benchmark of methods in examples/qat_benchmark, on a data set of a few samples."""

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "qat_benchmark" / "qat_benchmark.py"


@pytest.fixture
def few_digits(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    for kind, count in (("train", 32), ("t10k", 1000)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for name, array, magic in (("images-idx3", images, 0x803), ("labels-idx1", labels, 0x801)):
            header = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
            (folder / f"{kind}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return folder


def run(program, *arguments, **keywords):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True,
                          env={"BITLINE_PROGRAM": str(program), "PATH": "/usr/bin:/bin"}, timeout=300, **keywords)


def test_a_run_fills_its_row_and_is_not_done_twice(program, few_digits, tmp_path):
    first = run(program, "mnist", few_digits, "--method", "bnn-1-1", "--results", "out", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    row = first.stdout.splitlines()[-1]
    journal = [json.loads(line) for line in (tmp_path / "out" / "mnist_bnn-1-1.jsonl").read_text().splitlines()]
    accuracy = [line for line in journal if "epoch" in line][-1]["test_accuracy"]
    assert row.startswith(f"| bnn | 1/1 | {100 * accuracy:.2f} | ")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mnist_bnn-1-1.h5", "mnist_bnn-1-1.jsonl"]
    second = run(program, "mnist", few_digits, "--method", "bnn-1-1", "--results", "out", cwd=tmp_path)
    assert second.returncode == 0 and "done before" in second.stderr and second.stdout == first.stdout


def test_every_command_is_one_that_the_program_takes(program, few_digits, tmp_path):
    for task in ("mnist", "cifar10"):
        printed = run(program, task, few_digits, "--commands")
        assert printed.returncode == 0 and len(printed.stdout.splitlines()) == 7
        for line in printed.stdout.splitlines():
            # Up to the data, which are not there: options and their values have been understood by then.
            tried = subprocess.run(line.replace("idx:", "idx:no_").replace("cifar10:", "cifar10:no_"), shell=True,
                                   capture_output=True, text=True, cwd=tmp_path)
            assert tried.returncode == 2 and "no_" in tried.stderr, tried.stderr


def test_a_missing_folder_is_told(program, tmp_path):
    result = run(program, "mnist", tmp_path / "nowhere")
    assert result.returncode == 2 and "no such folder" in result.stderr
