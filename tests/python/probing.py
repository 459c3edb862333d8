"""Drives tests/tools/probe_layers: what the integer reference computes, for comparison with other programs."""

import json
import subprocess

import numpy as np


class Probe:
    """The tool, with a folder for the files between it and Python."""

    def __init__(self, tool, folder):
        self.tool = tool
        self.folder = folder

    def _call(self, *words):
        done = subprocess.run([str(self.tool), *map(str, words)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def describe(self, model):
        """Input, output, values (by name) and nodes of the network."""
        out = self.folder / "described.json"
        self._call("describe", model, out)
        network = json.loads(out.read_text())
        network["values"] = {value["name"]: value for value in network["values"]}
        return network

    def run(self, model, x):
        """End to end: float32 outputs, (samples x elements)."""
        x_file, y_file = self.folder / "x.bin", self.folder / "y.bin"
        np.ascontiguousarray(x, "<f4").tofile(x_file)
        self._call("run", model, x_file, len(x), y_file)
        return np.fromfile(y_file, "<f4").reshape(len(x), -1)

    def layers(self, model, values):
        """Runs each node on the given codes and compares what it gives. `values`: arrays by name, samples first.

        Returns one entry per compared node: name, origin, codes (bool), count, unequal, largest_difference (steps for
        codes, relative to the largest value else), off_grid (distance of given real numbers from codes, in steps).
        """
        described = {}
        for i, (name, array) in enumerate(values.items()):
            kind = "int32" if np.issubdtype(array.dtype, np.integer) else "float32"
            file = self.folder / f"given{i}.bin"
            np.ascontiguousarray(array, "<i4" if kind == "int32" else "<f4").tofile(file)
            described[name] = {"type": kind, "file": str(file)}
        samples = len(next(iter(values.values())))
        given, out = self.folder / "given.json", self.folder / "compared.json"
        given.write_text(json.dumps({"samples": samples, "values": described}))
        self._call("layers", model, given, out)
        for file in self.folder.glob("given*.bin"):
            file.unlink()
        return json.loads(out.read_text())


def code_step(network):
    """Scale of the network's output codes, or None where it gives real numbers."""
    quantizer = network["values"][network["output"]]["quantizer"]
    return None if quantizer is None else np.float32(quantizer["scale"][0])
