#!/usr/bin/env python3
"""Holds the outputs of all peers and of this program to that of PyTorch, for the same weights and the same picture.

usage: agree.py FOLDER PROGRAM [SIDE]   FOLDER keeps converted models, as for peer.py
"""

import pathlib
import struct
import subprocess
import sys
import zlib

import torch

import peer

LIMIT = 1e-4      # relative error; converters reorder sums
STEP = 1 / 65535  # the program's pictures have 16 bits


def write_picture(path, values):
    """A 16-bit PNG of values in [0, 1], [3, height, width]."""
    _, height, width = values.shape
    numbers = (values * 65535).round().to(torch.int32).permute(1, 2, 0).reshape(height, -1).tolist()
    rows = b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in numbers)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def read_picture(path):
    """The values of a 16-bit PNG by this program's writer, as write_picture takes them."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    packed, place = b"", 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place:place + 8])
        packed += data[place + 8:place + 8 + length] if name == b"IDAT" else b""
        place += length + 12
    raw, stride, line = zlib.decompress(packed), 6 * width, bytearray(6 * width)
    lines = []
    for row in range(height):
        filtered = raw[row * (stride + 1):(row + 1) * (stride + 1)]
        line = unfilter(filtered[0], filtered[1:], line)
        lines.append(struct.unpack(f">{3 * width}H", line))
    return torch.tensor(lines).reshape(height, width, 3).permute(2, 0, 1) / 65535


def unfilter(kind, data, above):
    line = bytearray(data)
    for i in range(len(line)):
        left, up = line[i - 6] if i >= 6 else 0, above[i]
        corner = above[i - 6] if i >= 6 else 0
        guess = left + up - corner
        paeth = min((left, up, corner), key=lambda value: abs(guess - value))
        line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
    return line


def restored(program, device, folder, side):
    """What this program makes of the picture."""
    source, target = folder / "picture.png", folder / "restored.png"
    write_picture(source, peer.image(1, side)[0])
    subprocess.run([program, "restore", source, "-o", target, "-m", folder / "paper.safetensors", "--overwrite",
                    "-t", "0", "-d", device], check=True, stderr=subprocess.DEVNULL)
    return read_picture(target)


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    side = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    expected = peer.torch_inference(side, compiled=False)()
    good = True
    for name in ("onnxruntime", "openvino", "ncnn"):
        found = torch.as_tensor(peer.prepare(name, f"infer-{side}", folder)())
        error = float((found - expected).norm() / expected.norm())
        good &= error <= LIMIT
        print(f"{name:12} relative error {error:.1e}")
    for device in ("auto", "cpu"):
        difference = (restored(program, device, folder, side) - expected[0].clamp(0, 1)).abs().max()
        good &= float(difference) <= 2 * STEP
        print(f"restormer    {device:4} largest difference {float(difference) / STEP:.2f} steps of 16 bits")
    if not good:
        sys.exit("the peers do not agree")


if __name__ == "__main__":
    main()
