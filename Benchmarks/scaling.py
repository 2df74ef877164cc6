#!/usr/bin/env python3
"""What data-parallel training costs on more machines than there are here, by a model, and the model's check.

    scaling.py table                         the table of Benchmarks/scaling.md
    scaling.py predict -n 2 --rate 0.5 --step 1.2 --gradients 10.5
    scaling.py check PROGRAM [--rate 0.2 0.5 1]   trains with 1 and 2 ranks over a loopback of limited rate (root)

The model: a step computes for S seconds, of which the backward pass takes two thirds. A ring over p ranks moves 2 (p - 1) / p
of the gradients through every link, in 2 (p - 1) turns of a latency each, bucket by bucket. The first bucket is final when the
part of the backward pass that its parameters stand for is done; what does not fit into the rest of the pass is waited for.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

BUCKET = 4.2e6  # bytes
LATENCY = 30e-6  # seconds a turn: Ethernet through the system's stack


def reduction(size, ranks, rate, latency=LATENCY):
    """Seconds of summing `size` bytes over a ring of `ranks` at `rate` Gbit/s."""
    if ranks == 1:
        return 0.0
    buckets = max(1, round(size / BUCKET))
    return 2 * (ranks - 1) / ranks * size * 8 / (rate * 1e9) + buckets * 2 * (ranks - 1) * latency


def step(compute, size, ranks, rate):
    """Seconds of a step with `ranks`, and without hiding anything."""
    backward = 2 / 3 * compute
    first = backward * min(1.0, BUCKET / size)
    sums = reduction(size, ranks, rate)
    return compute + max(0.0, sums - (backward - first)), compute + sums


def table():
    size = 104e6
    print("Efficiency (one rank = 100 %) of the paper's network, 104 MB of gradients, with the backward pass hiding what it can")
    for compute in (0.1, 0.3, 1.0):
        print(f"\nA step computes for {compute} s:\n")
        ranks = (2, 4, 8, 16, 64, 256, 1024)
        print("| Gbit/s | " + " | ".join(f"{p}" for p in ranks) + " |")
        print("|---|" + "---|" * len(ranks))
        for rate in (10, 25, 100, 400):
            cells = [f"{100 * compute / step(compute, size, p, rate)[0]:.0f} %" for p in ranks]
            print(f"| {rate} | " + " | ".join(cells) + " |")


def predict(options):
    hidden, plain = step(options.step, options.gradients * 1e6, options.n, options.rate)
    print(f"{hidden:.3f} s a step, {plain:.3f} s without overlap")


SHELL = """
ip link set lo up
tc qdisc add dev lo root tbf rate {rate}mbit burst 512kb latency 200ms
exec timeout 300 mpirun.openmpi --allow-run-as-root --oversubscribe -q --bind-to core --mca btl tcp,self \
  --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo -n {ranks} {program} train --degrade document --data Examples \
  --preset compact --patch {patch} --batch 1 --steps {steps} --name r{ranks}-{rate}-{steps} --experiments {folder} -d cpu --profile
"""


def run(program, ranks, rate, folder, steps, patch=64):
    """Seconds of a whole run, and what the program says of its sums."""
    script = SHELL.format(
        program=program, ranks=ranks, rate=int(1000 * rate), folder=folder, steps=steps, patch=patch)
    start = time.monotonic()
    done = subprocess.run(["unshare", "-n", "bash", "-c", script], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{ranks} ranks: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    note = re.search(r"summing.*", done.stderr)
    return time.monotonic() - start, note.group(0) if note else ""


def measure(program, ranks, rate, folder, few=4, many=16):
    """Seconds of a step: what a longer run takes more than a short one."""
    short, _ = run(program, ranks, rate, folder, few)
    long, note = run(program, ranks, rate, folder, many)
    return (long - short) / (many - few), note


def check(options):
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.abspath(options.program)
        for rate in options.rate:
            for ranks in (1, 2):
                seconds, note = measure(program, ranks, rate, folder)
                print(f"{rate} Gbit/s, {ranks} ranks: {seconds:.3f} s a step; {note}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("table")
    one = commands.add_parser("predict")
    one.add_argument("-n", type=int, required=True, help="ranks")
    one.add_argument("--rate", type=float, required=True, help="Gbit/s")
    one.add_argument("--step", type=float, required=True, help="seconds of a step of one rank")
    one.add_argument("--gradients", type=float, default=104, help="MB")
    two = commands.add_parser("check")
    two.add_argument("program")
    two.add_argument("--rate", type=float, nargs="+", default=[0.2, 0.5, 1.0], help="Gbit/s")
    options = parser.parse_args()
    {"table": table, "predict": lambda: predict(options), "check": lambda: check(options)}[options.command]()


if __name__ == "__main__":
    main()
