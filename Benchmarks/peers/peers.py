#!/usr/bin/env python3
"""Times this program and its peers alternately on the same machine and prints the ratio table.

  peers.py setup                          a Python environment with the peers, from PyPI (7 GB)
  peers.py prove GOLDEN                   holds the PyTorch network to recorded values of the official one
  peers.py agree                          holds the outputs of all peers and of this program to PyTorch's
  peers.py prepare [TASK…] [--peers …]    converts and compiles ahead, where that takes minutes
  peers.py measure [TASK…] [--peers …]    rounds over all peers, one process after the other, one alone at a time
  peers.py table                          what was measured so far

A task is infer-128, infer-256, infer-512, train-paper-1, train-paper-2 (batch) or train-small-8. Everything lies in
.build-peers; measurements add up in its results.json, so that they can be taken piece by piece.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = pathlib.Path(os.environ.get("RESTORMER_PEERS", ROOT / ".build-peers"))
RESULTS = FOLDER / "results.json"
PYTHON = FOLDER / "venv" / "bin" / "python"
PROGRAM = pathlib.Path(os.environ.get("RESTORMER_PROGRAM", ROOT / ".build" / "release" / "restormer"))

PACKAGES = ["torch", "onnx", "onnxscript", "onnxruntime", "openvino", "ncnn", "pnnx", "safetensors", "numpy"]
TASKS = ["infer-128", "infer-256", "infer-512", "train-paper-1", "train-paper-2", "train-small-8"]
INFERENCE = ["eager", "eager-tuned", "compile-tuned", "onnxruntime", "openvino", "ncnn", "restormer", "restormer-cpu"]
TRAINING = ["eager", "eager-tuned", "compile-tuned", "restormer", "restormer-recompute"]
NAMES = {
    "eager": "PyTorch eager, as users run it", "eager-tuned": "PyTorch eager, tuned allocator",
    "compile-tuned": "torch.compile, channels-last, tuned", "onnxruntime": "ONNX Runtime",
    "onnxruntime-tuned": "ONNX Runtime, tuned allocator", "openvino": "OpenVINO",
    "openvino-tuned": "OpenVINO, tuned allocator", "ncnn": "ncnn", "ncnn-tuned": "ncnn, tuned allocator",
    "restormer": "this program, OpenCL (PoCL)", "restormer-recompute": "this program, OpenCL, recompute",
    "restormer-cpu": "this program, CPU backend",
}
# Without these, page faults of freed and taken memory double PyTorch's time.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}


def peers_of(task):
    return TRAINING if task.startswith("train") else INFERENCE


def setup():
    venv.create(FOLDER / "venv", with_pip=True)
    subprocess.run([PYTHON, "-m", "pip", "install", *PACKAGES], check=True)


def versions():
    """What was compared, for the record."""
    code = ("import importlib.metadata as m\n"
            "print(*(f'{n} {m.version(n)}' for n in ('torch', 'onnxruntime', 'openvino', 'ncnn')), sep=', ')")
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def command(peer, task, runs):
    """The command line and what reads its seconds."""
    if runs == 0 or not peer.startswith("restormer"):
        return [PYTHON, HERE / "peer.py", peer, task, FOLDER, str(runs)], json.loads
    kind, *rest = task.split("-")
    name = rest[0] if kind == "train" else "paper"
    arguments = ["--json", "--repeats", str(runs), "-m", FOLDER / f"{name}.safetensors"]
    if peer == "restormer-cpu":
        arguments += ["-d", "cpu"]
    if kind == "infer":
        arguments += ["inference", "--size", f"{rest[0]}x{rest[0]}"]
    else:
        recompute = "on" if peer.endswith("recompute") else "off"
        arguments += ["training", "--batch", rest[1], "--recompute", recompute]
    part = {"infer": "inference", "train": "training"}[kind]
    return [PROGRAM, "bench", *arguments], lambda text: json.loads(text)[part]["runs"]


def visit(peer, task, runs):
    """One process of one peer: its seconds and the peak of its memory in MiB."""
    line, parse = command(peer, task, runs)
    environment = dict(os.environ, OMP_NUM_THREADS="2", TORCHINDUCTOR_CACHE_DIR=str(FOLDER / "inductor"))
    if peer.endswith("tuned"):
        environment.update(TUNED)
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(line, env=environment, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{peer}, {task}: exit code {process.returncode}")
        output.seek(0)
        text = output.read()
    if runs == 0:
        return [], 0
    # Converters talk on standard output too: their result is the last line.
    return parse(text if peer.startswith("restormer") else text.strip().splitlines()[-1]), usage.ru_maxrss / 1024


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def measure(tasks, chosen, rounds, runs):
    for task in tasks:
        for _ in range(rounds):
            for peer in chosen or peers_of(task):
                seconds, peak = visit(peer, task, runs)
                results = load()
                results.append(dict(task=task, peer=peer, seconds=seconds, peak=peak,
                                    date=datetime.date.today().isoformat()))
                RESULTS.write_text(json.dumps(results, indent=0))
                print(f"{task:14} {peer:20} {statistics.median(seconds):8.3f} s  {peak:6.0f} MiB", flush=True)


def prepare(tasks, chosen):
    for task in tasks:
        for peer in chosen or peers_of(task):
            if not peer.startswith("eager"):
                visit(peer, task, 0)


def spread(seconds):
    """Half the distance between the quartiles, relative to the median."""
    ordered = sorted(seconds)
    quarter = len(ordered) // 4
    return (ordered[-1 - quarter] - ordered[quarter]) / 2 / statistics.median(ordered)


def table():
    results = load()
    print(versions(), "\n")
    for task in (task for task in TASKS if any(row["task"] == task for row in results)):
        rows = {}
        for row in results:
            if row["task"] == task:
                seconds, peaks = rows.setdefault(row["peer"], ([], []))
                seconds += row["seconds"]
                peaks.append(row["peak"])
        ours = rows.get("restormer")
        print(f"| {task} | median s | spread | runs | peak MiB | this program / it |\n|---|---|---|---|---|---|")
        for peer in (peer for peer in NAMES if peer in rows):
            seconds, peaks = rows[peer]
            ratio = f"{statistics.median(ours[0]) / statistics.median(seconds):.2f}" if ours else ""
            print(f"| {NAMES[peer]} | {statistics.median(seconds):.2f} | {100 * spread(seconds):.0f} % | "
                  f"{len(seconds)} | {max(peaks):.0f} | {ratio} |")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["setup", "prove", "agree", "prepare", "measure", "table"])
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--peers", nargs="+", choices=NAMES, help="some peers only")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each peer")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each process")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if arguments.command == "setup":
        setup()
    elif arguments.command == "prove":
        sys.exit(subprocess.run([PYTHON, HERE / "prove.py", *arguments.tasks]).returncode)
    elif arguments.command == "agree":
        prepare(["infer-128"], ["restormer"])
        sys.exit(subprocess.run([PYTHON, HERE / "agree.py", FOLDER, PROGRAM]).returncode)
    elif arguments.command == "table":
        table()
    else:
        tasks = arguments.tasks or TASKS
        if unknown := set(tasks) - set(TASKS):
            parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
        if arguments.command == "prepare":
            prepare(tasks, arguments.peers)
        else:
            measure(tasks, arguments.peers, arguments.rounds, arguments.runs)


if __name__ == "__main__":
    main()
