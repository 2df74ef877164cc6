#!/usr/bin/env python3
"""Runs exported networks in ONNX Runtime, OpenVINO and ONNX's reference evaluator beside the program itself.

usage: export-check.py PROGRAM WEIGHTS...     (pip install numpy onnx onnxruntime openvino torch safetensors)

For every file of weights: the largest difference at three sizes, on 16-bit pictures with values between 0 and 1, and what
torch.load(weights_only=True) and safetensors find in the other forms.
"""
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy
import onnx
import onnx.reference
import onnxruntime
import openvino
import safetensors.torch
import torch

SIZES = [(64, 48), (136, 200), (256, 320)]
ALLOWED = 1e-4


def write_png(path, image):
    """Channels first, 0 to 1, as 16 bits."""
    channels, height, width = image.shape
    samples = numpy.rint(image * 65535).astype(">u2").transpose(1, 2, 0).reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]:
            file.write(struct.pack(">I", len(data)) + kind + data)
            file.write(struct.pack(">I", zlib.crc32(kind + data)))


def read_png(path):
    """A PNG of 16 bits without interlacing."""
    with open(path, "rb") as file:
        data = file.read()
    at, pixels = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        if kind == b"IDAT":
            pixels += body
        at += length + 12
    assert depth == 16, depth
    step = 2 * {0: 1, 2: 3}[colour]
    raw = numpy.frombuffer(zlib.decompress(pixels), numpy.uint8).reshape(height, 1 + width * step)
    before, rows = numpy.zeros(width * step, int), []
    for line in raw:
        row = line[1:].astype(int)
        if line[0] == 2:
            row = (row + before) & 255
        elif line[0] != 0:
            for i in range(len(row)):
                left = row[i - step] if i >= step else 0
                corner = before[i - step] if i >= step else 0
                estimate = left + before[i] - corner
                near = min((abs(estimate - one), order, one)
                           for order, one in enumerate([left, before[i], corner]))[2]
                row[i] = (row[i] + {1: left, 3: (left + before[i]) // 2, 4: near}[line[0]]) & 255
        rows.append(row)
        before = row
    values = numpy.array(rows, numpy.uint8).tobytes()
    return numpy.frombuffer(values, ">u2").reshape(height, width, -1).transpose(2, 0, 1) / 65535.0


def runtimes(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    reference = onnx.reference.ReferenceEvaluator(path)
    return {
        "ONNX Runtime": lambda x: session.run(None, {name: x})[0],
        "OpenVINO": lambda x: compiled(x)[0],
        "reference evaluator": lambda x: reference.run(None, {name: x})[0],
    }


def check(program, weights, folder):
    def run(*words):
        subprocess.run([program, *words], check=True, stderr=subprocess.DEVNULL)

    faults = 0
    path = os.path.join(folder, "network.onnx")
    run("export", weights, "-o", path, "--overwrite")
    onnx.checker.check_model(path, full_check=True)
    channels = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    random = numpy.random.default_rng(1)
    for height, width in SIZES:
        image = random.random((channels, height // 8, width // 8)).repeat(8, 1).repeat(8, 2)
        image = 0.2 + 0.5 * image + 0.1 * random.random(image.shape)
        write_png(os.path.join(folder, "in.png"), image)
        run("restore", os.path.join(folder, "in.png"), "-o", os.path.join(folder, "out.png"),
            "-m", weights, "-t", "0", "--even-sharp", "--overwrite")
        ours = read_png(os.path.join(folder, "out.png"))
        x = (numpy.rint(image * 65535) / 65535)[None].astype(numpy.float32)
        for name, infer in runtimes(path).items():
            error = abs(numpy.clip(infer(x)[0], 0, 1) - ours).max()
            faults += not error <= ALLOWED
            print(f"{os.path.basename(weights)}  {height}x{width}  {name}: {error:.1e}")
    for kind in ["f32", "f16", "bf16"]:
        names = [os.path.join(folder, f"{kind}.{ending}") for ending in ["pth", "safetensors"]]
        for name in names:
            run("export", weights, "-o", name, "--type", kind, "--overwrite")
        torch_file = torch.load(names[0], weights_only=True)
        assert list(torch_file) == ["params"], list(torch_file)
        tensors = safetensors.torch.load_file(names[1])
        same = all(torch.equal(tensors[key], value) for key, value in torch_file["params"].items())
        types = {value.dtype for value in tensors.values()}
        faults += not same or len(tensors) != len(torch_file["params"]) or len(types) != 1
        print(f"{os.path.basename(weights)}  {kind}: {len(tensors)} tensors of {types}, both forms agree: {same}")
    return faults


def main():
    with tempfile.TemporaryDirectory() as folder:
        faults = sum(check(sys.argv[1], weights, folder) for weights in sys.argv[2:])
    print("all within", ALLOWED if not faults else f"{ALLOWED}: NO, {faults} are not")
    sys.exit(1 if faults else 0)


main()
