#!/usr/bin/env python3
"""Times one peer of peers.py in a process of its own and prints the seconds of every run as a JSON list.

usage: peer.py PEER TASK FOLDER RUNS   TASK is infer-SIDE or train-MODEL-BATCH; FOLDER keeps converted models
       peer.py PEER TASK FOLDER 0      only converts and compiles
       peer.py restormer TASK FOLDER 0 writes the weights for this program
"""

import json
import pathlib
import sys
import time

THREADS = 2
SIDE = 128  # of a training patch


def pixels(count, seed):
    """The same numbers for every peer: multiples of 1/65535, which a picture of 16 bits holds."""
    import torch
    return torch.randint(65536, (count,), generator=torch.Generator().manual_seed(seed)) / 65535


def model(name):
    """The network with the same weights for every peer."""
    import torch
    import restormer
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    return restormer.Restormer(**{"paper": restormer.PAPER, "small": restormer.SMALL}[name])


def image(batch, side):
    return pixels(batch * 3 * side * side, 2).reshape(batch, 3, side, side)


def timed(runs, body):
    """The first run is not measured."""
    seconds = []
    for index in range(runs + 1):
        start = time.perf_counter()
        body()
        if index:
            seconds.append(time.perf_counter() - start)
    return seconds


def layout(tensor_or_model, compiled):
    import torch
    return tensor_or_model.to(memory_format=torch.channels_last) if compiled else tensor_or_model


def torch_inference(side, compiled):
    """Returns a function that restores one image."""
    import torch
    network = layout(model("paper").eval(), compiled)
    x = layout(image(1, side), compiled)
    run = torch.compile(network) if compiled else network

    def body():
        with torch.inference_mode():
            return run(x)
    return body


def torch_training(name, batch, compiled):
    """Returns a function that makes one step: forward pass, L1 loss, backward pass, AdamW."""
    import torch
    network = layout(model(name).train(), compiled)
    x = layout(image(batch, SIDE), compiled)
    target = layout(pixels(x.numel(), 3).reshape(x.shape), compiled)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, weight_decay=1e-4, fused=True)
    run = torch.compile(network) if compiled else network

    def body():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.l1_loss(run(x), target).backward()
        optimizer.step()
    return body


def onnx_file(side, folder):
    """The network in ONNX, converted once."""
    path = folder / f"restormer-{side}.onnx"
    if not path.exists():
        import torch
        torch.onnx.export(model("paper").eval(), (image(1, side),), str(path), dynamo=True,
                          input_names=["image"], output_names=["restored"], external_data=True)
    return path


def onnxruntime_inference(side, folder):
    path = onnx_file(side, folder)
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = {session.get_inputs()[0].name: image(1, side).numpy()}
    return lambda: session.run(None, x)[0]


def openvino_inference(side, folder):
    path = onnx_file(side, folder)
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", {
        "INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
    })
    request = compiled.create_infer_request()
    x = image(1, side).numpy()
    return lambda: request.infer([x])[compiled.output(0)]


def ncnn_inference(side, folder):
    base = folder / f"restormer_{side}"
    if not base.with_suffix(".ncnn.param").exists():
        import os
        import pnnx
        import restormer
        # ncnn's converter normalises over channels whatever the dimension; the same in plain arithmetic comes out right.
        restormer.Attention.normalize = staticmethod(
            lambda x, dim: x * (x.square().sum(dim, keepdim=True) + 1e-24).rsqrt())
        here = os.getcwd()
        os.chdir(folder)
        pnnx.export(model("paper").eval(), f"{base.name}.pt", (image(1, side),), fp16=False)
        os.chdir(here)
    import ncnn
    import numpy
    net = ncnn.Net()
    net.opt.num_threads = THREADS
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.load_param(str(base.with_suffix(".ncnn.param")))
    net.load_model(str(base.with_suffix(".ncnn.bin")))
    x = image(1, side)[0].numpy()

    def body():
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(x).clone())
            return numpy.array(extractor.extract("out0")[1])[None]
    return body


def write_weights(folder, name):
    from safetensors.torch import save_file
    path = folder / f"{name}.safetensors"
    if not path.exists():
        save_file(model(name).state_dict(), path)


def prepare(peer, task, folder):
    """The function that one run of `peer` calls."""
    kind, *rest = task.split("-")
    compiled = peer.startswith("compile")
    if kind == "train":
        return torch_training(rest[0], int(rest[1]), compiled)
    side = int(rest[0])
    if peer.startswith("onnxruntime"):
        return onnxruntime_inference(side, folder)
    if peer.startswith("openvino"):
        return openvino_inference(side, folder)
    if peer.startswith("ncnn"):
        return ncnn_inference(side, folder)
    return torch_inference(side, compiled)


def main():
    peer, task, folder, runs = sys.argv[1:]
    if peer.startswith("restormer"):
        name = task.split("-")[1] if task.startswith("train") else "paper"
        return write_weights(pathlib.Path(folder), name)
    body = prepare(peer, task, pathlib.Path(folder))
    print(json.dumps(timed(int(runs), body)))


if __name__ == "__main__":
    main()
