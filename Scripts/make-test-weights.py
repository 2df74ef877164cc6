#!/usr/bin/env python3
"""Writes Examples/test-weights.safetensors: a very small Restormer that was never trained.

Its blocks hold small seeded random numbers, so that every operator takes part; the first and the
last convolution are set by hand so that the whole network sharpens slightly: it adds
AMOUNT * (x - x blurred over 5x5 pixels) to the image. Python's standard library is enough.
usage: Scripts/make-test-weights.py [OUTPUT_FILE]
"""

import json
import random
import struct
import sys

DIM, HEADS, EXPANSION = 8, [1, 2, 4, 8], 2.66
AMOUNT = 1.2
SEED = 1


class Weights:
    def __init__(self):
        self.tensors = {}
        self.random = random.Random(SEED)

    def add(self, name, shape, value):
        """`value` is a number for all elements, or a function of the index."""
        count = 1
        for size in shape:
            count *= size
        make = value if callable(value) else lambda _: value
        self.tensors[name] = (shape, [make(index) for index in range(count)])

    def add_random(self, name, shape, scale=1.0):
        """Uniform numbers that keep the size of what comes in, times `scale`."""
        fan_in = shape[1] * shape[2] * shape[3]
        bound = scale * (3 / fan_in) ** 0.5
        self.add(name, shape, lambda _: self.random.uniform(-bound, bound))

    def block(self, name, channels, heads):
        hidden = int(channels * EXPANSION)
        for norm in ("norm1", "norm2"):
            self.add(f"{name}.{norm}.body.weight", [channels], 1.0)
            self.add(f"{name}.{norm}.body.bias", [channels], 0.0)
        self.add(f"{name}.attn.temperature", [heads, 1, 1], 1.0)
        self.add_random(f"{name}.attn.qkv.weight", [3 * channels, channels, 1, 1])
        self.add_random(f"{name}.attn.qkv_dwconv.weight", [3 * channels, 1, 3, 3])
        self.add_random(f"{name}.attn.project_out.weight", [channels, channels, 1, 1], 0.01)
        self.add_random(f"{name}.ffn.project_in.weight", [2 * hidden, channels, 1, 1])
        self.add_random(f"{name}.ffn.dwconv.weight", [2 * hidden, 1, 3, 3])
        self.add_random(f"{name}.ffn.project_out.weight", [channels, hidden, 1, 1], 0.01)

    def write(self, path):
        header, data = {"__metadata__": {"description": "untrained test weights"}}, b""
        for name, (shape, values) in self.tensors.items():
            packed = struct.pack(f"<{len(values)}e", *values)
            header[name] = {
                "dtype": "F16",
                "shape": shape,
                "data_offsets": [len(data), len(data) + len(packed)],
            }
            data += packed
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)


def embed(index):
    """Channels 0-2: the image; 3-5: the mean of 3x3 pixels; 6 and 7: nothing."""
    out, inp, tap = index // 27, index // 9 % 3, index % 9
    if out < 3:
        return float(out == inp and tap == 4)
    return (out - 3 == inp) / 9 if out < 6 else 0.0


def sharpen(index):
    """Reads the first level's features, which the skip connection brings as channels DIM and up."""
    out, inp, tap = index // (2 * DIM * 9), index // 9 % (2 * DIM) - DIM, index % 9
    if inp == out:
        return AMOUNT * (tap == 4)
    return -AMOUNT / 9 if inp == out + 3 else 0.0


def main():
    weights = Weights()
    width = [DIM << level for level in range(4)]
    weights.add("patch_embed.proj.weight", [DIM, 3, 3, 3], embed)
    for level in range(3):
        weights.block(f"encoder_level{level + 1}.0", width[level], HEADS[level])
        down = [width[level] // 2, width[level], 3, 3]
        weights.add_random(f"down{level + 1}_{level + 2}.body.0.weight", down)
    weights.block("latent.0", width[3], HEADS[3])
    for level in (2, 1, 0):
        up = [2 * width[level + 1], width[level + 1], 3, 3]
        weights.add_random(f"up{level + 2}_{level + 1}.body.0.weight", up)
        if level > 0:
            reduce = [width[level], 2 * width[level], 1, 1]
            weights.add_random(f"reduce_chan_level{level + 1}.weight", reduce)
        channels = width[level] if level > 0 else 2 * DIM
        weights.block(f"decoder_level{level + 1}.0", channels, HEADS[level])
    weights.block("refinement.0", 2 * DIM, HEADS[0])
    weights.add("output.weight", [3, 2 * DIM, 3, 3], sharpen)
    weights.write(sys.argv[1] if len(sys.argv) > 1 else "Examples/test-weights.safetensors")


if __name__ == "__main__":
    main()
