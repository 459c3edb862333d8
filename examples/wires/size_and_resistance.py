"""Accuracy of a network over the size of its arrays and the resistance of their wires, as a picture and as numbers.

    python3 examples/wires/size_and_resistance.py MODEL DATA [--limit 100] [--sizes 64,128,256] [--ohms 1,2.5,5]
        [--arch default] [--set KEY=VALUE ..] [--bitline build/bitline] [--output wires]

Runs `bitline simulate` for every size, resistance (of a segment between two cells, word and bit lines alike) and remedy,
and writes OUTPUT.json and OUTPUT.svg. Needs Matplotlib.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# What is done against the wires, and how it is drawn.
REMEDIES = {
    "nothing": ([], ":"),
    "gain and offset of each column": (["compensation.adc_ranges=true", "compensation.column_affine=true"], "--"),
    "targets against the wires": (["compensation.adc_ranges=true", "compensation.wires=targets"], "-"),
}
COLORS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"]  # Okabe and Ito, colour-blind safe


def simulate(arguments, settings):
    command = [arguments.bitline, "simulate", arguments.model, "--arch", arguments.arch, "--data", arguments.data,
               "--limit", str(arguments.limit), "--seed", "0", "--skip-ideal", "--quiet", "--json", "-"]
    for setting in [*arguments.settings, *settings]:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout)


def sweep(arguments):
    points = []
    for size in arguments.sizes:
        shape = [f"array.rows={size}", f"array.cols={size}"]
        runs = [(0, "nothing", [])]
        runs += [(ohm, remedy, [f"wires.row_ohm={ohm}", f"wires.col_ohm={ohm}", *REMEDIES[remedy][0]])
                 for ohm in arguments.ohms for remedy in REMEDIES]
        for ohm, remedy, settings in runs:
            result = simulate(arguments, shape + settings)
            points.append({"size": size, "ohm": ohm, "remedy": remedy, "samples": result["data"]["samples"],
                           "accuracy": result["chip"]["accuracy"]["mean"], "software": result["software"]["accuracy"]})
            print(f"{size} x {size}, {ohm:g} ohm, {remedy}: {100 * points[-1]['accuracy']:.2f} %", flush=True)
    return points


def draw(points, arguments, path):
    figure, axes = plt.subplots(figsize=(8, 4.5), constrained_layout=True)
    samples, software = points[0]["samples"], points[0]["software"]

    def line(ohm, remedy, **style):
        here = [(p["size"], 100 * p["accuracy"]) for p in points if (p["ohm"], p["remedy"]) == (ohm, remedy)]
        axes.plot(*zip(*here), marker="o", ms=4, **style)

    axes.axhline(100 * software, color="#666666", lw=0.8)
    line(0, "nothing", color="#000000", ls="-", label="no resistance")
    for color, ohm in zip(COLORS, arguments.ohms):
        for remedy, (_, style) in REMEDIES.items():
            line(ohm, remedy, color=color, ls=style, label=f"{ohm:g} ohm, {remedy}")
    axes.set(xscale="log", xlabel="rows and columns of an array", ylabel="accuracy (%)",
             title=f"{pathlib.Path(arguments.model).stem}, {samples} samples "
                   f"(standard error up to {50 / math.sqrt(samples):.1f} points); grey: software")
    axes.set_xticks(arguments.sizes, [str(size) for size in arguments.sizes])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, handlelength=4, bbox_to_anchor=(1.01, 1), loc="upper left")
    figure.savefig(path)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="quantized network")
    parser.add_argument("data", help="as of `bitline simulate --data`")
    parser.add_argument("--limit", type=int, default=100, help="samples (100)")
    parser.add_argument("--sizes", type=lambda text: [int(x) for x in text.split(",")], default=[64, 128, 256],
                        help="rows and columns of arrays (64,128,256)")
    parser.add_argument("--ohms", type=lambda text: [float(x) for x in text.split(",")], default=[1, 2.5, 5],
                        help="of a segment (1,2.5,5)")
    parser.add_argument("--arch", default="default", help="name or YAML file (default)")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE",
                        help="override a key; may be repeated")
    parser.add_argument("--bitline", default="build/bitline", help="the program (build/bitline)")
    parser.add_argument("--output", default="wires", help="name of the picture and the numbers, without ending (wires)")
    arguments = parser.parse_args()
    points = sweep(arguments)
    pathlib.Path(arguments.output + ".json").write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")
    draw(points, arguments, arguments.output + ".svg")
    print(f"{arguments.output}.json, {arguments.output}.svg")


if __name__ == "__main__":
    main()
