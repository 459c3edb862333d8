#!/usr/bin/env python3
"""Trains one network by several methods and prints how well each does.

    python3 examples/qat_benchmark/qat_benchmark.py mnist FOLDER
    python3 examples/qat_benchmark/qat_benchmark.py cifar10 FOLDER --method pact-4-4

FOLDER holds the files of MNIST (train-images-idx3-ubyte.gz and the like) or of CIFAR-10 (data_batch_1.bin.xz ..
test_batch.bin.xz). A run that is finished is not done again, one that was stopped goes on from its last epoch. The
commands of all runs are printed by --commands.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

METHODS = {
    # name: method, bits of weights, bits of inputs
    "float": ("float", None, None),
    "ste-4-4": ("ste", 4, 4),
    "bnn-1-1": ("bnn", 1, 1),
    "dorefa-1-2": ("dorefa", 1, 2),
    "lq-net-2-2": ("lq-net", 2, 2),
    "pact-4-4": ("pact", 4, 4),
    "lsq-2-2": ("lsq", 2, 2),
}


def mnist(folder):
    files = {kind: f"idx:{folder}/{kind}-images-idx3-ubyte.gz,{folder}/{kind}-labels-idx1-ubyte.gz"
             for kind in ("train", "t10k")}
    return ["lenet5", "--data", files["train"], "--test", files["t10k"], "--epochs", "20", "--batch", "64",
            "--rate", "0.002"]


def cifar10(folder):
    batches = ",".join(f"{folder}/data_batch_{i}.bin.xz" for i in range(1, 6))
    return ["vgg-small", "--width", "0.125", "--data", f"cifar10:{batches}",
            "--test", f"cifar10:{folder}/test_batch.bin.xz", "--augment", "crop=4,flip", "--epochs", "10",
            "--batch", "64", "--rate", "0.003"]


TASKS = {"mnist": mnist, "cifar10": cifar10}


def command(task, name, arguments):
    method, weight_bits, input_bits = METHODS[name]
    result = f"{task}_{name}"
    line = [arguments.bitline, "train", *TASKS[task](arguments.folder), "--method", method, "--seed",
            str(arguments.seed), "-o", f"{result}.h5", "--json", f"{result}.jsonl",
            "--checkpoint", f"{result}.checkpoint.h5"]
    if weight_bits:
        line += ["--weight-bits", str(weight_bits), "--input-bits", str(input_bits),
                 "--chip-trials", "2", "--chip-limit", "1000"]
    if arguments.threads:
        line += ["--threads", str(arguments.threads)]
    return line


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def outcome(task, name, results):
    """The row of a finished run; None where it is not finished."""
    lines = lines_of(results / f"{task}_{name}.jsonl")
    trained = next((line["trained"] for line in lines if "trained" in line), None)
    if trained is None:
        return None
    epochs = [line for line in lines if "epoch" in line]
    return {"name": name, "accuracy": epochs[-1]["test_accuracy"], "bits": trained["average_bits"],
            "epochs": trained["epochs"], "seconds": sum(e["seconds"] for e in epochs), "seed": trained["seed"]}


def run(task, name, arguments):
    results = arguments.results
    if outcome(task, name, results):
        print(f"{name}: done before, see {results / f'{task}_{name}.jsonl'}", file=sys.stderr)
        return
    line = command(task, name, arguments)
    checkpoint = f"{task}_{name}.checkpoint.h5"
    if (results / checkpoint).exists():
        line += ["--resume", checkpoint]
    print(shlex.join(line), file=sys.stderr)
    code = subprocess.run(line, cwd=results, stdout=subprocess.DEVNULL).returncode
    if code == 2:  # wrong input, which the program has told
        sys.exit(2)
    if code:
        sys.exit(f"{name}: bitline train ended with exit code {code}; the same command goes on from the last epoch")
    (results / checkpoint).unlink(missing_ok=True)


def table(task, results):
    rows = [row for name in METHODS if (row := outcome(task, name, results))]
    text = ["| method | weights/inputs (bits) | accuracy (%) | average bits | epochs | seconds | seed |",
            "|---|---|---|---|---|---|---|"]
    for row in rows:
        method, weight_bits, input_bits = METHODS[row["name"]]
        bits = f"{weight_bits}/{input_bits}" if weight_bits else "float"
        text.append(f"| {method} | {bits} | {100 * row['accuracy']:.2f} | {row['bits']:.2f} | {row['epochs']} "
                    f"| {row['seconds']:.0f} | {row['seed']} |")
    return "\n".join(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS, help="mnist: LeNet-5; cifar10: VGG-small of width 1/8")
    parser.add_argument("folder", type=Path, help="of the data set's files")
    parser.add_argument("--method", choices=METHODS, help="only this one (default: all)")
    parser.add_argument("--results", type=Path, default=Path("qat_benchmark"),
                        help="folder for networks and journals (default: qat_benchmark)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of bitline (default: all processors)")
    parser.add_argument("--commands", action="store_true", help="print the commands and run nothing")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder}: no such folder")
    arguments.folder = arguments.folder.resolve()
    built = Path(__file__).resolve().parents[2] / "build" / "bitline"
    arguments.bitline = os.environ.get("BITLINE_PROGRAM", str(built))
    return arguments


def main():
    arguments = parse()
    names = [arguments.method] if arguments.method else list(METHODS)
    if arguments.commands:
        print("\n".join(shlex.join(command(arguments.task, name, arguments)) for name in names))
        return
    if not os.access(arguments.bitline, os.X_OK):
        sys.exit(f"{arguments.bitline}: no such program; build it (bash examples/quickstart.sh) or set BITLINE_PROGRAM")
    arguments.results.mkdir(parents=True, exist_ok=True)
    for name in names:
        run(arguments.task, name, arguments)
    print(table(arguments.task, arguments.results))


if __name__ == "__main__":
    main()
