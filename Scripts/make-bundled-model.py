#!/usr/bin/env python3
"""Turns weights that `restormer train` wrote into the file that the program embeds: half precision, with a few lines about it.

Needed only to replace the bundled model: numpy. The lines end up in the file's metadata, from where
`restormer restore --list-models` prints them.
usage: Scripts/make-bundled-model.py WEIGHTS.safetensors PURPOSE TRAINING GAIN
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

# Measured: sharp pages, noisy or not, become at most 1.18 times as crisp, those out of focus by 0.8 pixels at least 1.24 times.
LEAST_GAIN = "1.2"
OUTPUT = Path(__file__).parent.parent / "Models" / "document-deblurring.safetensors"


def main() -> None:
    path, purpose, training, gain = sys.argv[1:]
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header.pop("__metadata__", {}) | {"purpose": purpose, "training": training, "gain": gain}
    metadata |= {"restormer.least_crispness_gain": LEAST_GAIN, "restormer.paper": "white"}
    result, blob = {"__metadata__": metadata}, b""
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        half = np.frombuffer(body[begin:end], "<f4").astype("<f2")
        assert np.isfinite(half).all(), f"{name} does not fit half precision"
        result[name] = {"dtype": "F16", "shape": tensor["shape"], "data_offsets": [len(blob), len(blob) + half.nbytes]}
        blob += half.tobytes()
    text = json.dumps(result, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_bytes(struct.pack("<Q", len(text)) + text + blob)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
