#!/usr/bin/env python3
"""Compares two builds of the program: times of inference and of a training step, side by side.

usage: Benchmarks/pairs.py OLD NEW [--rounds 9] [--device cpu --device pocl] [-- BENCH OPTIONS]

OLD and NEW are programs. They take turns, the order changing from round to round, so that whatever else
the machine does strikes both alike; what counts is the ratio NEW / OLD within a round. Prints for each device
and part the median ratio, the distance between its quartiles, and the peak memory that each program planned.
The exit code is 1 where a median ratio is above 1.02 by more than its quartiles allow, or memory grows.
Let nothing else run meanwhile.
"""
import argparse
import json
import statistics
import subprocess
import sys

PARTS = ["inference", "training"]
LIMIT = 1.02


def measure(program, device, options):
    command = [program, "bench", *PARTS, "--json", "--repeats", "3", "--device", device, *options]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.stderr.strip()}")
    report = json.loads(result.stdout)
    return {part: (report[part]["seconds"], report[part]["memory"]) for part in PARTS}


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def compare(old, new, device, rounds, options):
    pairs = {part: [] for part in PARTS}
    memory = {}
    for index in range(rounds + 1):
        programs = {"old": old, "new": new}
        order = ["old", "new"] if index % 2 == 0 else ["new", "old"]
        found = {name: measure(programs[name], device, options) for name in order}
        for part in PARTS:
            memory[part] = (found["old"][part][1], found["new"][part][1])
            # The first round fills caches, of programs and of the file system.
            if index > 0:
                pairs[part].append((found["old"][part][0], found["new"][part][0]))
    is_fine = True
    for part in PARTS:
        ratios = [b / a for a, b in pairs[part]]
        middle, (low, high) = statistics.median(ratios), quartiles(ratios)
        before, after = memory[part]
        seconds = [statistics.median(column) for column in zip(*pairs[part])]
        print(
            f"{device:8} {part:10} new / old {middle:.3f} (quartiles {low:.3f} to {high:.3f}, "
            f"{len(ratios)} pairs), {seconds[0]:.3f} -> {seconds[1]:.3f} s, "
            f"memory {before / 1e6:.1f} -> {after / 1e6:.1f} MB"
        )
        is_fine = is_fine and low <= LIMIT and after <= before
    return is_fine


def main():
    arguments = sys.argv[1:]
    options = []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, options = arguments[:place], arguments[place + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", action="append")
    chosen = parser.parse_args(arguments)
    devices = chosen.device or ["cpu", "pocl"]
    fine = [compare(chosen.old, chosen.new, device, chosen.rounds, options) for device in devices]
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
