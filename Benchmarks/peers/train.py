#!/usr/bin/env python3
"""Trains the same network on the same batches from the same weights in PyTorch (eager) as `restormer train` does.

usage: train.py init OUT.pth [--preset compact] [--seed 7]
       train.py run INIT.pth DATA OUT_FOLDER --steps 1500 [--patch 64] [--batch 2] [--lr 3e-4] [--seed 100] [--save-every 250]

`init` draws PyTorch's own first weights; give them to both: `restormer train --pretrained OUT.pth --clip 0 --schedule cosine ...`.
`run` draws the batches of a run with the same seed: the order of an epoch, window and symmetry of each patch are
functions of the seed and the step alone, redone here. L1 loss, AdamW (decay 1e-4), cosine down to a thousandth. Weights
are written to OUT_FOLDER/STEP.pth, which `restormer evaluate` reads, and losses and seconds to OUT_FOLDER/steps.csv.
"""
import argparse
import math
import pathlib
import resource
import time

import numpy
import torch
from PIL import Image

from restormer import PAPER, Restormer

PRESETS = {
    "paper": PAPER,
    "compact": dict(PAPER, dim=24, blocks=(2, 2, 2, 2), refinement=2),
    "tiny": dict(PAPER, dim=16, blocks=(1, 1, 1, 2), refinement=1),
}
WORD = (1 << 64) - 1


class SplitMix64:
    """The generator of the program's batches."""

    def __init__(self, seed):
        self.state = seed & WORD

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & WORD
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        return z ^ (z >> 31)

    def below(self, bound):
        """A number below `bound`, each as likely: Lemire's way, as Swift's shuffle draws it."""
        product = self.next() * bound
        if product & WORD < bound:
            threshold = (-bound & WORD) % bound
            while product & WORD < threshold:
                product = self.next() * bound
        return product >> 64


def epoch_order(count, seed, epoch):
    generator = SplitMix64(seed ^ ((epoch + 1) * 0x9E3779B97F4A7C15 & WORD))
    order = list(range(count))
    for place in range(count - 1):
        other = place + generator.below(count - place)
        order[place], order[other] = order[other], order[place]
    return order


class Pairs:
    """Pairs of a folder, and the batches that the program cuts out of them."""

    def __init__(self, folder, patch, batch, seed):
        folder = pathlib.Path(folder)
        names = sorted(path.name for path in (folder / "input").iterdir())
        self.pairs = [[self.load(folder / part / name) for part in ("input", "target")] for name in names]
        self.patch, self.batch, self.seed = patch, batch, seed

    @staticmethod
    def load(path):
        pixels = numpy.asarray(Image.open(path).convert("RGB"), dtype=numpy.float32) / 255
        return pixels.transpose(2, 0, 1)

    def step(self, index):
        generator = SplitMix64(self.seed + index * 0xD1342543DE82EF95)
        patches = []
        for position in range(index * self.batch, (index + 1) * self.batch):
            order = epoch_order(len(self.pairs), self.seed, position // len(self.pairs))
            pair = self.pairs[order[position % len(self.pairs)]]
            height, width = pair[0].shape[1:]
            x = generator.next() % (max(0, width - self.patch) + 1)
            y = generator.next() % (max(0, height - self.patch) + 1)
            symmetry = generator.next() % 8
            patches.append([self.turned(image[:, y : y + self.patch, x : x + self.patch], symmetry) for image in pair])
        return [torch.from_numpy(numpy.stack(part)) for part in zip(*patches)]

    @staticmethod
    def turned(patch, symmetry):
        if symmetry & 4:
            patch = patch.transpose(0, 2, 1)
        if symmetry & 2:
            patch = patch[:, :, ::-1]
        if symmetry & 1:
            patch = patch[:, ::-1]
        return patch


def save(model, path):
    torch.save({"params": model.state_dict()}, path)


def run(arguments):
    model = Restormer(**PRESETS[arguments.preset])
    model.load_state_dict(torch.load(arguments.init, weights_only=True)["params"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.lr, weight_decay=1e-4)
    pairs = Pairs(arguments.data, arguments.patch, arguments.batch, arguments.seed)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "steps.csv", "w") as log:
        print("step,loss,seconds", file=log, flush=True)
        for index in range(arguments.steps):
            rate = arguments.lr * (1e-3 + (1 - 1e-3) * (1 + math.cos(math.pi * index / arguments.steps)) / 2)
            for group in optimizer.param_groups:
                group["lr"] = rate
            images, targets = pairs.step(index)
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.l1_loss(model(images), targets)
            loss.backward()
            optimizer.step()
            print(f"{index + 1},{loss.item():.7f},{time.perf_counter() - start:.4f}", file=log, flush=True)
            if (index + 1) % arguments.save_every == 0 or index + 1 == arguments.steps:
                save(model, out / f"{index + 1}.pth")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("init")
    first.add_argument("out")
    first.set_defaults(act=init)
    second = commands.add_parser("run")
    for name in ("init", "data", "out"):
        second.add_argument(name)
    second.add_argument("--steps", type=int, default=1500)
    second.add_argument("--patch", type=int, default=64)
    second.add_argument("--batch", type=int, default=2)
    second.add_argument("--lr", type=float, default=3e-4)
    second.add_argument("--save-every", type=int, default=250)
    second.set_defaults(act=run)
    for command in (first, second):
        command.add_argument("--preset", choices=PRESETS, default="compact")
        command.add_argument("--seed", type=int, default=100)
    arguments = parser.parse_args()
    arguments.act(arguments)


def init(arguments):
    torch.manual_seed(arguments.seed)
    save(Restormer(**PRESETS[arguments.preset]), arguments.out)


if __name__ == "__main__":
    main()
