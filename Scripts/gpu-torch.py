#!/usr/bin/env python3
"""The work of gpu-check.sh in PyTorch on the same GPU.

usage: gpu-torch.py PRESET                                        times, as JSON
       gpu-torch.py PRESET --agree PROGRAM DEVICE IMAGE FOLDER    the largest difference of restored pictures, as JSON"""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import torch
import restormer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIDE = 128  # of a training patch


def network(preset):
    torch.manual_seed(1)
    sizes = restormer.PAPER if preset == "paper" else restormer.SMALL
    return restormer.Restormer(**sizes).to(DEVICE)


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def median(body, seconds=3.0):
    """The median time of `body` after two runs that do not count."""
    for _ in range(2):
        body()
    wait()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or (len(times) < 10 and time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        body()
        wait()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def inference(preset, side, compiled):
    model, x = network(preset).eval(), torch.rand(1, 3, side, side, device=DEVICE)
    run = torch.compile(model) if compiled else model
    with torch.inference_mode():
        return median(lambda: run(x))


def training(preset, batch, compiled):
    model = network(preset)
    x, y = (torch.rand(batch, 3, SIDE, SIDE, device=DEVICE) for _ in range(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-4)
    run = torch.compile(model) if compiled else model

    def body():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.l1_loss(run(x), y).backward()
        optimizer.step()

    return median(body)


def precise(with_tf32):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = with_tf32


def timings(preset):
    rows = []
    # What matters most comes first: the time may end.
    for compiled in (False, True):
        for with_tf32 in (False, True):
            for task, work, size in ([("inference", inference, side) for side in (256, 512)]
                                     + [("training", training, batch) for batch in (1, 8)]):
                if compiled and size == 512:
                    continue
                precise(with_tf32)
                row = dict(task=task, size=size, compiled=compiled, tf32=with_tf32)
                try:
                    row["seconds"] = work(preset, size, compiled)
                except Exception as error:  # one that does not run must not hide the others
                    row["error"] = f"{type(error).__name__}: {str(error)[:200]}"
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    return dict(torch=torch.__version__, device=torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu", rows=rows)


def read_picture(path):
    """A picture as [1, 3, h, w] in [0, 1], by torchvision or Pillow, whichever is there."""
    try:
        from torchvision.io import ImageReadMode, read_image
        return read_image(path, ImageReadMode.RGB)[None].float() / 255
    except ImportError:
        import numpy
        from PIL import Image
        pixels = numpy.asarray(Image.open(path).convert("RGB"))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def agreement(preset, program, device, image, folder):
    from safetensors.torch import save_file
    model = network(preset).eval()
    weights, restored = os.path.join(folder, "weights.safetensors"), os.path.join(folder, "agreement.png")
    save_file({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}, weights)
    subprocess.run([program, "restore", image, "-m", weights, "-o", restored, "--device", device, "-t", "0", "--overwrite"],
                   check=True, stderr=subprocess.DEVNULL)
    os.remove(weights)
    precise(False)
    x = read_picture(image).to(DEVICE)
    padding = [-x.shape[3] % 8, -x.shape[2] % 8]
    with torch.inference_mode():
        y = model(torch.nn.functional.pad(x, (0, padding[0], 0, padding[1]), "reflect"))
    difference = (y[:, :, :x.shape[2], :x.shape[3]].cpu().clamp(0, 1) - read_picture(restored)).abs()
    return dict(largest=float(difference.max()) * 255, mean=float(difference.mean()) * 255, unit="steps of 8 bits")


if "--agree" in sys.argv:
    print(json.dumps(agreement(sys.argv[1], *sys.argv[3:7])))
else:
    print(json.dumps(timings(sys.argv[1])))
