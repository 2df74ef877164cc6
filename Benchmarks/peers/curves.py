#!/usr/bin/env python3
"""Plots runs of `train.py` and of `restormer train` on the same batches into one picture.

usage: curves.py OUT.png NAME=FOLDER ...

A FOLDER is what `train.py run` wrote, with `scores.csv` (step,psnr: `restormer evaluate` of its weights) beside
`steps.csv`, or a run's folder of `restormer train`. Losses are means of 80 steps. Needs matplotlib.
"""
import csv
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

EPOCH = 80


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def own(folder):
    """Curves of `restormer train`: (steps, losses), (steps, PSNR)."""
    table = rows(folder / "metrics.csv")
    losses = [(int(row["step"]), float(row["l1"])) for row in table if row["l1"]]
    scores = [(int(row["step"]), float(row["psnr"])) for row in table if row["psnr"]]
    return losses, scores


def peer(folder):
    """The same of PyTorch's run."""
    values = [float(row["loss"]) for row in rows(folder / "steps.csv")]
    losses = [(end, sum(values[end - EPOCH : end]) / EPOCH) for end in range(EPOCH, len(values) + 1, EPOCH)]
    scores = [(int(row["step"]), float(row["psnr"])) for row in rows(folder / "scores.csv")]
    return losses, scores


def main():
    target, *runs = sys.argv[1:]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for index, run in enumerate(runs):
        name, folder = run.split("=", 1)
        folder = pathlib.Path(folder)
        curves = (peer if (folder / "steps.csv").exists() else own)(folder)
        for axes, points in zip((left, right), curves):
            # Curves lie on each other: the later ones are thinner.
            axes.plot(*zip(*points), label=name, linewidth=2 * (len(runs) - index), alpha=0.8)
    left.set(title="training", xlabel="step", ylabel=f"L1, mean of {EPOCH} steps")
    right.set(title="validation", xlabel="step", ylabel="PSNR in dB")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(target, dpi=100)


if __name__ == "__main__":
    main()
