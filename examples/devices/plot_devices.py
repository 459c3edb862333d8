"""Pictures of devices: spread over the state, conductance over time, pulse curves.

    python3 examples/devices/plot_devices.py [--bitline build/bitline] [--output pictures] [DEVICE ..]

DEVICE: names of `bitline list devices` or YAML files; without any, the measured presets. Needs Matplotlib and NumPy.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

MEASURED = ["pcm-nandakumar2019", "pcm-hermes-one", "pcm-hermes-two", "rram-wan2022", "rram-cmo-falcone2025",
            "flash-sonos-xiao2022", "flash-sonos-agrawal2022"]
AGES = [0, 1, 10, 60, 600, 3600, 6 * 3600, 86400, 2 * 86400, 5 * 86400, 30 * 86400, 180 * 86400, 365 * 86400]
NAMES = {0: "fresh", 3600: "1 h", 86400: "1 day", 2 * 86400: "2 days", 30 * 86400: "30 days", 365 * 86400: "1 year"}
COLORS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"]  # Okabe and Ito, colour-blind safe


def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())


def read_columns(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {name: [row[name] for row in rows] for name in rows[0]}


def curves(bitline, device, folder):
    path = folder / "curves.csv"
    run([bitline, "device", device, "--bits", "4", "--cells", "4000", "--age", ",".join(f"{age}s" for age in AGES),
         "--csv", path])
    return {name: np.array(values, dtype=float) for name, values in read_columns(path).items()}


def draw_device(bitline, device, folder, output):
    data = curves(bitline, device, folder)
    ages = np.unique(data["age_s"])
    targets = np.unique(data["target_S"])
    figure, (spread, time) = plt.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    shown = [age for age in ages if age in NAMES]
    for color, age in zip(COLORS, shown):
        here = data["age_s"] == age
        spread.plot(1e6 * data["target_S"][here], 1e6 * data["deviation_S"][here], "o-", ms=3, color=color, label=NAMES[age])
    spread.set(xlabel="target conductance (uS)", ylabel="standard deviation over cells (uS)", ylim=(0, None))
    spread.legend(frameon=False)
    for color, target in zip(COLORS, targets[[0, 3, 7, 11, 15]]):
        here = data["target_S"] == target
        x = np.maximum(data["age_s"][here], 0.3)  # freshly programmed at the left edge of a logarithmic axis
        time.fill_between(x, 1e6 * data["low_S"][here], 1e6 * data["high_S"][here], color=color, alpha=0.2, lw=0)
        time.plot(x, 1e6 * data["median_S"][here], color=color, label=f"{1e6 * target:.3g} uS")
    time.set(xscale="log", xlabel="time since programming (s); left edge: fresh",
             ylabel="conductance (uS): median, 5 to 95 %")
    time.set_ylim(bottom=0)
    time.legend(title="target", frameon=False, fontsize=8, bbox_to_anchor=(1.01, 1), loc="upper left")
    figure.suptitle(pathlib.Path(device).stem)
    figure.savefig(output / f"{pathlib.Path(device).stem}.png", dpi=120)
    plt.close(figure)


def draw_pulses(bitline, folder, output):
    measured = pathlib.Path(__file__).parent / "pulses.csv"
    run([bitline, "fit", measured, "--law", "exponential", "--csv", folder / "fit.csv"])
    data = read_columns(measured)
    fitted = read_columns(folder / "fit.csv")
    figure, axes = plt.subplots(figsize=(6, 4), constrained_layout=True)
    for color, device in zip(COLORS, sorted(set(data["device"]))):
        points = [(float(p), 1e6 * float(g)) for p, g, d in zip(data["pulse"], data["conductance"], data["device"]) if d == device]
        axes.plot(*zip(*points), ".", ms=3, color=color, label=f"cell {device}, measured")
    for color, device in zip(COLORS, sorted(set(fitted["device"]))):
        points = [(float(p), 1e6 * float(g)) for p, g, d in zip(fitted["pulse"], fitted["fitted"], fitted["device"]) if d == device]
        axes.plot(*zip(*points), color=color, lw=1, label=f"cell {device}, fitted")
    axes.set(xlabel="pulse", ylabel="conductance (uS)", title="potentiation and depression: exponential law")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(output / "pulses.png", dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("devices", nargs="*", metavar="DEVICE", help="names or YAML files (the measured presets)")
    parser.add_argument("--bitline", default="build/bitline", help="the program (build/bitline)")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("pictures"), help="folder (pictures)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for device in arguments.devices or MEASURED:
            draw_device(arguments.bitline, device, folder, arguments.output)
        draw_pulses(arguments.bitline, folder, arguments.output)
    print(f"pictures in {arguments.output}")


if __name__ == "__main__":
    main()
