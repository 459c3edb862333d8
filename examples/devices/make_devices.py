"""Writes the two tables of a device that exists on paper only: `moments.csv` and `samples.csv`.

Law, in S and s, with r = target / 100 uS:

    freshly programmed   G0 = target + (0.5 uS + 0.02 target) z        z standard normal, one for each cell
    later, t >= 1 s      G  = G0 * t^-nu                               nu = 0.06 (1 - 0.5 r)
"""

import csv
from pathlib import Path
from statistics import NormalDist

HERE = Path(__file__).parent
TARGETS = [1e-6, 2.5e-5, 5e-5, 7.5e-5, 1e-4]  # S
TIMES = [0, 1, 60, 3600, 86400, 2592000]  # s
SAMPLES = 40  # of each target and time: the law's quantiles, in no order


def factor(target, time):
    return 1 if time == 0 else time ** (-0.06 * (1 - 0.5 * target / 1e-4))


def spread(target):
    return 0.5e-6 + 0.02 * target


def write(name, header, rows):
    with open(HERE / name, "w", newline="") as file:
        file.write("# A device on paper; its law stands in make_devices.py\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{value:.6g}" for value in row] for row in rows)


points = [(target, time) for time in TIMES for target in TARGETS]
write(
    "moments.csv",
    ["target_S", "time_s", "mean_S", "sigma_S"],
    [(g, t, g * factor(g, t), spread(g) * factor(g, t)) for g, t in points],
)
order = [(7 * i + 3) % SAMPLES for i in range(SAMPLES)]
normal = [NormalDist().inv_cdf((i + 0.5) / SAMPLES) for i in order]
write(
    "samples.csv",
    ["target_S", "time_s", "sample_S"],
    [(g, t, (g + spread(g) * z) * factor(g, t)) for g, t in points for z in normal],
)
