#!/usr/bin/env python3
"""Holds restormer.py to values recorded from the official implementation.

usage: prove.py GOLDEN   a folder with 01_*, 02_* and 05_full; exits with 1 when anything disagrees
"""

import json
import pathlib
import sys

import numpy
import torch
from safetensors.torch import load_file

from restormer import Restormer

FORWARD, GRADIENT = 2e-5, 5e-4  # relative errors that are allowed
NAMES = dict(inp_channels="channels", out_channels="outputs", dim="dim", num_blocks="blocks",
             num_refinement_blocks="refinement", heads="heads", ffn_expansion_factor="expansion", bias="bias",
             dual_pixel_task="dual_pixel")


def network(config):
    arguments = {ours: config[theirs] for theirs, ours in NAMES.items()}
    return Restormer(centred=config["LayerNorm_type"] == "WithBias", **arguments)


def error(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def generated(name, shape):
    """The weights generator that the recorded set defines, over NumPy's wrapping 64-bit integers."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    count = int(numpy.prod(shape))
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(state) + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    unit = (z >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-24
    if name in ("input", "target"):
        values = unit
    elif len(shape) == 4:
        values = (2 * unit - 1) * numpy.sqrt(3 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith("temperature") or name.endswith(".weight"):
        values = 1 + 0.1 * (2 * unit - 1)
    else:
        values = 0.1 * (2 * unit - 1)
    return torch.from_numpy(values.astype(numpy.float32).reshape(shape))


def check(label, model, image, target, expected, gradients):
    output = model(image)
    torch.nn.functional.l1_loss(output, target).backward()
    named = dict(model.named_parameters())
    forward = error(output.detach(), expected)
    worst = max((error(named[name].grad, value) for name, value in gradients.items()), default=0.0)
    good = forward <= FORWARD and worst <= GRADIENT
    print(f"{label:36} forward {forward:.1e}  gradients {worst:.1e}  {'ok' if good else 'WRONG'}")
    return good


def main():
    golden = pathlib.Path(sys.argv[1])
    results = []
    for folder in sorted(golden.glob("0[12]_*")):
        config = json.loads((folder / "manifest.json").read_text())["config"]
        model = network(config)
        model.load_state_dict(load_file(folder / "weights.safetensors"))
        io = load_file(folder / "io.safetensors")
        gradients = load_file(folder / "grads_l1.safetensors")
        results.append(check(folder.name, model, io["input"], io["target"], io["output"], gradients))
    full = golden / "05_full"
    model = network(json.loads((full / "manifest.json").read_text())["config"])
    model.load_state_dict({name: generated(name, value.shape) for name, value in model.state_dict().items()})
    for path in sorted(full.glob("run_*.safetensors")):
        shape = [int(number) for number in path.stem[4:].split("x")]
        recorded = load_file(path)
        gradients = {name[5:]: value for name, value in recorded.items() if name.startswith("grad.")}
        model.zero_grad()
        results.append(check(f"05_full {path.stem[4:]}", model, generated("input", shape),
                             generated("target", shape), recorded["output"], gradients))
    if not results or not all(results):
        sys.exit("the network is not Restormer")


if __name__ == "__main__":
    main()
