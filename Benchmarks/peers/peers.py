#!/usr/bin/env python3
"""Times this program and its peers alternately on the same machine and prints the ratio table.

  peers.py setup                          a Python environment with the peers, from PyPI (7 GB)
  peers.py prove GOLDEN                   holds the PyTorch network to recorded values of the official one
  peers.py agree                          holds the outputs of all peers and of this program to PyTorch's
  peers.py prepare [TASK…] [--peers …]    converts and compiles ahead, where that takes minutes
  peers.py measure [TASK…] [--peers …]    rounds over all peers; before each comes this program, so that a machine whose
                                          speed changes changes both; one process alone at a time
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
INFERENCE = ["eager", "eager-tuned", "compile-tuned", "onnxruntime", "openvino", "ncnn", "restormer", "restormer-opencl",
             "restormer-cpu"]
TRAINING = ["eager", "eager-tuned", "compile-tuned", "restormer", "restormer-recompute", "restormer-opencl"]
NAMES = {
    "eager": "PyTorch eager, as users run it", "eager-tuned": "PyTorch eager, tuned allocator",
    "compile-tuned": "torch.compile, channels-last, tuned", "onnxruntime": "ONNX Runtime",
    "onnxruntime-tuned": "ONNX Runtime, tuned allocator", "openvino": "OpenVINO",
    "openvino-tuned": "OpenVINO, tuned allocator", "ncnn": "ncnn", "ncnn-tuned": "ncnn, tuned allocator",
    "restormer": "this program, as users run it", "restormer-recompute": "this program, recomputing",
    "restormer-opencl": "this program, first OpenCL device", "restormer-cpu": "this program, CPU backend",
}
DEVICES = {"restormer-cpu": "cpu", "restormer-opencl": "0"}
# Without these, page faults of freed and taken memory double PyTorch's time.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}


class PeerFailure(Exception):
    """A peer's process did not end well."""


def peers_of(task):
    return TRAINING if task.startswith("train") else INFERENCE


def setup():
    venv.create(FOLDER / "venv", with_pip=True)
    subprocess.run([PYTHON, "-m", "pip", "install", *PACKAGES], check=True)


def versions():
    """What was compared, for the record."""
    code = ("import importlib.metadata as m\n"
            "names = {d.metadata['Name'].lower() for d in m.distributions()}\n"
            "print(*(f'{n} {m.version(n)}' for n in ('torch', 'onnxruntime', 'openvino', 'ncnn') if n in names), sep=', ')")
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def command(peer, task, runs):
    """The command line and what reads its seconds."""
    if runs == 0 or not peer.startswith("restormer"):
        return [PYTHON, HERE / "peer.py", peer, task, FOLDER, str(runs)], json.loads
    kind, *rest = task.split("-")
    name = rest[0] if kind == "train" else "paper"
    arguments = ["--json", "--repeats", str(runs), "-m", FOLDER / f"{name}.safetensors"]
    # By default 'auto' chooses, which takes the CPU backend where OpenCL has only the same cores.
    if peer in DEVICES:
        arguments += ["-d", DEVICES[peer]]
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
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(line, env=environment, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text, last = output.read(), (errors.read().strip().splitlines() or ["no word"])[-1]
    if process.returncode:
        raise PeerFailure(f"{peer}, {task}: exit code {process.returncode}: {last}")
    if runs == 0:
        return [], 0
    # Converters talk on standard output too: their result is the last line.
    return parse(text if peer.startswith("restormer") else text.strip().splitlines()[-1]), usage.ru_maxrss / 1024


def load():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def note(**row):
    """Adds a row to what was measured."""
    RESULTS.write_text(json.dumps([*load(), dict(row, date=datetime.date.today().isoformat())], indent=0))
    print(f"{row['task']:14} {row['peer']:20} {statistics.median(row['seconds']):8.3f} s  {row['peak']:6.0f} MiB", flush=True)


def pair(peer, task, runs):
    """This program and then the peer, so that both meet the machine in the same state."""
    seconds, peak = visit("restormer", task, runs)
    note(task=task, peer="restormer", seconds=seconds, peak=peak)
    theirs, peak = visit(peer, task, runs)
    note(task=task, peer=peer, seconds=theirs, peak=peak, beside=statistics.median(seconds))


def measure(tasks, chosen, rounds, runs):
    """One peer that fails is named and does not keep the others from being measured."""
    failures = {}
    for task in tasks:
        # The weights of this program come from the same seed as the peers'.
        visit("restormer", task, 0)
        for _ in range(rounds):
            for peer in (peer for peer in chosen or peers_of(task) if peer != "restormer"):
                if (peer, task) in failures:
                    continue
                try:
                    pair(peer, task, runs)
                except PeerFailure as failure:
                    failures[peer, task] = failure
                    print(failure, file=sys.stderr, flush=True)
    return 1 if failures else 0


def prepare(tasks, chosen):
    failed = 0
    for task in tasks:
        for peer in chosen or peers_of(task):
            if not peer.startswith("eager"):
                try:
                    visit(peer, task, 0)
                except PeerFailure as failure:
                    failed = 1
                    print(failure, file=sys.stderr, flush=True)
    return failed


def spread(seconds):
    """Half the distance between the quartiles, relative to the median."""
    ordered = sorted(seconds)
    quarter = len(ordered) // 4
    return (ordered[-1 - quarter] - ordered[quarter]) / 2 / statistics.median(ordered)


def table():
    """The ratio is the median over pairs, so that it holds on a machine whose speed changes between them."""
    results = load()
    print(versions(), "\n")
    for task in (task for task in TASKS if any(row["task"] == task for row in results)):
        rows = {}
        for row in results:
            if row["task"] == task:
                seconds, peaks, ratios = rows.setdefault(row["peer"], ([], [], []))
                seconds += row["seconds"]
                peaks.append(row["peak"])
                if "beside" in row:
                    ratios.append(row["beside"] / statistics.median(row["seconds"]))
        print(f"| {task} | median s | spread | runs | peak MiB | this program / it, in pairs | spread | pairs |\n"
              "|---|---|---|---|---|---|---|---|")
        for peer in (peer for peer in NAMES if peer in rows):
            seconds, peaks, ratios = rows[peer]
            pairs = f"{statistics.median(ratios):.2f} | {100 * spread(ratios):.0f} % | {len(ratios)}" if ratios else " | | "
            print(f"| {NAMES[peer]} | {statistics.median(seconds):.2f} | {100 * spread(seconds):.0f} % | "
                  f"{len(seconds)} | {max(peaks):.0f} | {pairs} |")
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
        visit("restormer", "infer-128", 0)
        sys.exit(subprocess.run([PYTHON, HERE / "agree.py", FOLDER, PROGRAM]).returncode)
    elif arguments.command == "table":
        table()
    else:
        tasks = arguments.tasks or TASKS
        if unknown := set(tasks) - set(TASKS):
            parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
        if arguments.command == "prepare":
            sys.exit(prepare(tasks, arguments.peers))
        sys.exit(measure(tasks, arguments.peers, arguments.rounds, arguments.runs))


if __name__ == "__main__":
    main()
