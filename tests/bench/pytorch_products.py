#!/usr/bin/env python3
"""PyTorch's rate for the layers of bench_products, beside ours with as many threads in the same run.

    python3 tests/bench/pytorch_products.py BENCH_PRODUCTS [--threads N] [--rounds N]

BENCH_PRODUCTS is the program of that name. Needs PyTorch; run by hand. Both are timed layer by layer in turn, best of
several rounds; with one thread by processor time, else by wall time.
"""

import argparse
import json
import subprocess
import tempfile
import time

import torch


def layer_tensors(row):
    """Input, weights, output gradient and the three products of a layer, as functions without arguments."""
    n, (channels, height, width), (out, per_group, kernel_h, kernel_w) = row["samples"], row["input"], row["weights"]
    x, w = torch.randn(n, channels, height, width), torch.randn(out, per_group, kernel_h, kernel_w)
    stride, pad, groups = row["stride"], row["pad"], channels // per_group
    if height * width * kernel_h * kernel_w == 1:  # fully connected
        x, w = x.flatten(1), w.flatten(1)
        gy = torch.randn(n, out)
        return lambda: torch.nn.functional.linear(x, w), lambda: gy @ w, lambda: gy.t() @ x
    gy = torch.randn_like(torch.nn.functional.conv2d(x, w, None, stride, pad, 1, groups))

    def backward(wanted):
        return torch.ops.aten.convolution_backward(
            gy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups, wanted
        )

    return (
        lambda: torch.nn.functional.conv2d(x, w, None, stride, pad, 1, groups),
        lambda: backward([True, False, False]),
        lambda: backward([False, True, False]),
    )


def best_seconds(function, rounds, clock):
    function()
    start = clock()
    function()
    repeat = max(1, min(1000, int(2e-3 / max(clock() - start, 1e-6))))
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        for _ in range(repeat):
            function()
        best = min(best, (clock() - start) / repeat)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench_products")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", action="append", default=[], help="as of bench_products")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    arguments = ["--threads", str(options.threads), "--rounds", str(options.rounds)]
    for network in options.network:
        arguments += ["--network", network]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([options.bench_products, "--json", file.name, *arguments], check=True, stdout=subprocess.DEVNULL)
        rows = json.load(file)["rows"]
    steps = {}
    with torch.no_grad():
        for ours in zip(rows[0::3], rows[1::3], rows[2::3]):
            line = f"{ours[0]['network']:9} {ours[0]['layer']:24}"
            for row, function in zip(ours, layer_tensors(ours[0])):
                theirs = best_seconds(function, options.rounds, clock)
                line += f"  {row['direction']} {row['seconds'] * 1e3:7.3f} ms, PyTorch {theirs * 1e3:7.3f}"
                ratio = steps.setdefault(row["network"], [0, 0])
                ratio[0] += row["times"] * row["seconds"]
                ratio[1] += row["times"] * theirs
            print(line, flush=True)
    for network, (own, theirs) in steps.items():
        print(f"{network}: {own * 1e3:.2f} ms, PyTorch {theirs * 1e3:.2f} ms, ratio {own / theirs:.2f}")


if __name__ == "__main__":
    main()
