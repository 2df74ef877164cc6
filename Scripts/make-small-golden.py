#!/usr/bin/env python3
"""Writes Tests/Golden, the small copy of the recorded values (but for 07_metrics), from a full set.

usage: Scripts/make-small-golden.py FULL_SET

Tensors are copied bit by bit; large files keep only their small tensors, manifests lose their lists of files.
"""

import json
import pathlib
import shutil
import struct
import sys

LARGEST_TENSOR = 4096  # elements of a gradient that is kept

TENSORS = {
    "02_dualpixel_bias": ["weights", "io"],
    "03_ops": [
        "block_BiasFree_biasTrue", "conv3x3_1x1", "dwconv3x3_1x1", "dwconv3x3_1x9", "dwconv3x3_2x2",
        "dwconv3x3_9x1", "gelu_erf", "l2normalize_zero_rows", "layernorm_BiasFree_lowvar",
        "layernorm_WithBias_lowvar", "losses", "mdta_h1_bias_1x1", "mdta_h1_smallHW",
        "mdta_h3_smallHW", "pixelshuffle2", "pixelunshuffle2", "softmax",
    ],
    "04_lr_schedules": [],
    "05_full": [],
    "06_checkpoints": ["expected_half", "model_f16", "handmade_ok"],
    "08_tiled": ["weights"],
}
THINNED = {
    "02_dualpixel_bias": (["grads_l1"], LARGEST_TENSOR),
    "05_full": (["run_1x3x64x64"], 3 * 64 * 64),
    "08_tiled": (["io"], 3 * 75 * 101),
}
OTHER = {
    "04_lr_schedules": ["*.csv"],
    "06_checkpoints": [
        "params_half.pth", "evil_eval.pth", "evil_os_system_*.pth", "evil_popen.pth", "text.pth",
        "empty.pth", "st_[!d]*.safetensors", "st_dup_key.safetensors",
    ],
    "08_tiled": ["input.png", "tiled_output.png", "whole_output.png"],
}
DROPPED_FROM_MANIFESTS = ["files", "parameter_shapes", "parameter_sum_float64"]


def thin(source, target, largest):
    """Copies a safetensors file without the tensors of more than `largest` elements."""
    data = source.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    kept, body = {}, b""
    for name, entry in sorted(header.items(), key=lambda item: item[1].get("data_offsets", [0])):
        if name == "__metadata__":
            continue
        first, end = entry["data_offsets"]
        if end - first > 4 * largest:
            continue
        kept[name] = {**entry, "data_offsets": [len(body), len(body) + end - first]}
        body += data[8 + size + first : 8 + size + end]
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + body)


def copy_case(source, target):
    case = source.name
    target.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((source / "manifest.json").read_text())
    for key in DROPPED_FROM_MANIFESTS:
        manifest.pop(key, None)
    if case == "05_full":
        manifest["runs"] = {"1x3x64x64": {"input_shape": [1, 3, 64, 64]}}
    (target / "manifest.json").write_text(json.dumps(manifest, separators=(",", ":")) + "\n")
    names = [name + ".safetensors" for name in TENSORS[case]] + OTHER.get(case, [])
    for path in (path for name in names for path in source.glob(name)):
        shutil.copyfile(path, target / path.name)
    thinned, largest = THINNED.get(case, ([], 0))
    for name in thinned:
        thin(source / f"{name}.safetensors", target / f"{name}.safetensors", largest)


full = pathlib.Path(sys.argv[1])
for case in TENSORS:
    copy_case(full / case, pathlib.Path(__file__).parent.parent / "Tests/Golden" / case)
