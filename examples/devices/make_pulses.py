"""Writes pulses.csv: what a tester might have read from two cells, made from a stated law, not measured.

Exponential law, 64 states, labels 2.4 up and 4.9 down (Chen, Peng, Yu, IEDM 2017), 3 to 40 uS. Every pulse's step
varies by 20 % of itself, which later readings keep; every reading has noise of 20 nS of its own. Two cells that differ by 0.1 in
their labels, two times 64 pulses up and 64 down.
"""

import numpy as np

G_MIN, G_MAX, PULSES = 3e-6, 40e-6, 64
LABELS = {"a": (2.3, 4.8), "b": (2.5, 5.0)}
CYCLE_SIGMA, READ_SIGMA = 0.2, 20e-9


def label_of(k):
    x = np.linspace(0, 1, 100001)
    return 10.1015 * np.max(np.expm1(-k * x) / np.expm1(-k) - x)


def curvature_of(label):
    low, high = 1e-6, 200.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if label_of(middle) < label else (low, middle)
    return (low + high) / 2


def main():
    rng = np.random.default_rng(1)
    with open("pulses.csv", "w") as file:
        file.write("# Synthetic: see make_pulses.py.\npulse,conductance,direction,device\n")
        for device, labels in LABELS.items():
            u, pulse = 0.0, 0

            def read():
                return G_MIN + (G_MAX - G_MIN) * u + READ_SIGMA * rng.standard_normal()

            file.write(f"0,{read():.6e},,{device}\n")
            for run in range(4):
                up = run % 2 == 0
                k = curvature_of(labels[run % 2])
                top, gain = -1 / np.expm1(-k), -np.expm1(-k / PULSES)
                for _ in range(PULSES):
                    step = (top - (u if up else 1 - u)) * gain * (1 + CYCLE_SIGMA * rng.standard_normal())
                    u = min(max(u + step if up else u - step, 0.0), 1.0)
                    pulse += 1
                    file.write(f"{pulse},{read():.6e},{'up' if up else 'down'},{device}\n")


if __name__ == "__main__":
    main()
