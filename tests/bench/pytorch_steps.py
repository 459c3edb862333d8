#!/usr/bin/env python3
"""PyTorch's time for a plain digital training step, beside ours with as many threads in the same run.

    python3 tests/bench/pytorch_steps.py BENCH_TRAINING [--threads N] [--rounds N]

BENCH_TRAINING is the program bench_training. Needs PyTorch; run by hand. Both take the best of several rounds; with one
thread by processor time, else by wall time. The networks are those of training/zoo.cpp, with batch norm, Adam, and
cross entropy, in float32.
"""

import argparse
import json
import subprocess
import tempfile
import time

import torch
from torch import nn


def lenet5():
    def convolution(inputs, outputs, pad):
        return [nn.Conv2d(inputs, outputs, 5, padding=pad, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                nn.MaxPool2d(2)]

    def fully_connected(inputs, outputs):
        return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]

    return nn.Sequential(*convolution(1, 6, 2), *convolution(6, 16, 0), nn.Flatten(), *fully_connected(400, 120),
                         *fully_connected(120, 84), nn.Linear(84, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            layers.append(Block(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS = {"lenet5": (lenet5, (1, 28, 28)), "resnet20": (resnet20, (3, 32, 32))}


def step_seconds(network, batch, rounds, clock):
    make, shape = NETWORKS[network]
    model = make().train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    x, labels = torch.rand(batch, *shape), torch.arange(batch) % 10

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()

    step()
    start = clock()
    step()
    repeat = max(1, min(100, int(0.02 / (clock() - start))))
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        for _ in range(repeat):
            step()
        best = min(best, (clock() - start) / repeat)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench_training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--network", action="append", choices=NETWORKS, default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # One thread: backward passes run on a thread of their own, which thread_time would not see.
    clock = time.process_time if options.threads == 1 else time.perf_counter
    arguments = ["--threads", str(options.threads), "--rounds", str(options.rounds)]
    for network in options.network:
        arguments += ["--network", network]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([options.bench_training, "--json", file.name, *arguments], check=True, stdout=subprocess.DEVNULL)
        rows = json.load(file)["rows"]
    theirs = {}
    for row in rows:
        key = row["network"], row["batch"]
        if key not in theirs:
            theirs[key] = step_seconds(*key, options.rounds, clock)
            print(f"{key[0]}, batch {key[1]}: PyTorch {torch.__version__}, float {1e3 * theirs[key]:8.2f} ms a step")
        ratio = row["seconds"] / theirs[key]
        print(f"    {row['strength']:10} {1e3 * row['seconds']:8.2f} ms, {ratio:5.2f} of PyTorch's float step")


if __name__ == "__main__":
    main()
