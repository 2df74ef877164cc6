#!/usr/bin/env python3
"""Compiles recorded OpenCL programs for NVIDIA, AMD and Intel chips and writes a table of what their kernels became.

usage: gpu-table.py TOOLS PROGRAMS TABLE.md
TOOLS is filled by lint-gpu.sh; PROGRAMS holds HASH.cl and HASH.options, as the invented GPU leaves them. The exit code is 1 where
a compiler refuses a program, spills registers or uses scratch memory."""
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOOLS, PROGRAMS, TABLE = (pathlib.Path(p).resolve() for p in sys.argv[1:4])
LLVM = TOOLS / "llvm/usr"
CLANG = [str(LLVM / "lib/llvm-19/bin/clang-19"), "-x", "cl", "-cl-std=CL1.2", "-O3", "-S",
         "-Xclang", "-finclude-default-header"]
CUDA = TOOLS / "cuda/nvidia/cu13/bin"
CHIPS = ["sm_75", "sm_86", "sm_90", "gfx1030", "gfx1100", "gfx90a", "dg2"]
# Names of AMD's chips in its library of device functions.
LIBRARY_CHIP = {"gfx1100": "1036"}


class Refused(Exception):
    """A compiler would not take a program; the text is its first lines."""


def run(*command, libraries):
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, libraries)))
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    if done.returncode:
        raise Refused((done.stderr + done.stdout).strip()[:600])
    return done.stdout + done.stderr


def clang(source, options, target, output):
    run(*CLANG, "-target", *target, "-o", output, source, *options,
        libraries=[LLVM / "lib/x86_64-linux-gnu", LLVM / "lib/llvm-19/lib"])
    return output.read_text()


def count(pattern, operations):
    return sum(n for name, n in operations.items() if re.match(pattern, name))


def linked(*libraries):
    return [word for path in libraries
            for word in ("-Xclang", "-mlink-builtin-bitcode", "-Xclang", str(path))]


def nvidia(source, options, chip, folder):
    """Registers, spills, local memory and instructions of each kernel, by ptxas and nvdisasm."""
    ptx, binary = folder / "k.ptx", folder / "k.cubin"
    text = clang(source, options, [
        "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", chip, "-Xclang", "-target-feature",
        "-Xclang", "+ptx80", *linked(LLVM / "lib/clc/nvptx64--nvidiacl.bc")], ptx)
    ptx.write_text(text.replace(", texmode_independent", ""))
    log = run(CUDA / "ptxas", "-v", f"-arch={chip}", "-o", binary, ptx, libraries=[])
    rows, name = {}, None
    for line in log.splitlines():
        if found := re.search(r"entry function '(\w+)'", line):
            name = found[1]
            rows[name] = dict(spill=0, local=0, operations=collections.Counter())
        elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            rows[name]["spill"] = int(found[1]) + int(found[2])
        elif found := re.search(r"Used (\d+) registers", line):
            rows[name]["registers"] = int(found[1])
            memory = re.search(r"(\d+) bytes smem", line)
            rows[name]["local"] = int(memory[1]) if memory else 0
    for line in run(CUDA / "nvdisasm", "-c", binary, libraries=[]).splitlines():
        if found := re.match(r"\s*\.section\s+\.text\.(\w+)", line):
            name = found[1]
        elif found := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][A-Z0-9_.]+)", line):
            rows[name]["operations"][found[1]] += 1
    for row in rows.values():
        operations = row["operations"]
        row.update(fma=count("FFMA", operations), wide=count(r"LDG.*\.(64|128)", operations),
                   loads=count("LDG", operations), all=sum(operations.values()))
    return rows


def amd(source, options, chip, folder):
    """The same by AMD's back end of LLVM; spills go to scratch memory there."""
    bitcode = LLVM / "lib/x86_64-linux-gnu/amdgcn/bitcode"
    waves = "on" if chip.startswith("gfx9") else "off"
    names = ["opencl", "ocml", "ockl", "oclc_finite_only_off", "oclc_unsafe_math_off", "oclc_daz_opt_off",
             "oclc_correctly_rounded_sqrt_off", "oclc_abi_version_500", f"oclc_wavefrontsize64_{waves}",
             f"oclc_isa_version_{LIBRARY_CHIP.get(chip, chip[3:])}"]
    text = clang(source, options, [
        "amdgcn-amd-amdhsa", f"-mcpu={chip}", "-nogpulib", "-mcode-object-version=5",
        *linked(*(bitcode / f"{name}.bc" for name in names))], folder / "k.s")
    rows = {}
    for found in re.finditer(
            r"^(\w+):\s+; @\1\n(.*?)^\s+\.end_amdhsa_kernel(.*?)(?=^\w+:\s+; @|\Z)", text, re.S | re.M):
        operations = collections.Counter(re.findall(r"^\s+([a-z][a-z0-9_]+)\s", found[2], re.M))
        fact = lambda label: int((re.search(rf"; {label}: (\d+)", found[3]) or [0, 0])[1])
        rows[found[1]] = dict(
            registers=fact("NumVgprs"), spill=fact("ScratchSize"), local=fact("LDSByteSize"),
            fma=count("v_(fma|fmac|dual_fma|pk_fma|mac)", operations),
            wide=count("(global|flat|buffer)_load_(dwordx|b)(2|4|64|128)", operations),
            loads=count("(global|flat|buffer)_load", operations), all=sum(operations.values()))
    return rows


def intel(source, options, chip, folder):
    """Whether Intel's compiler takes the program; it tells of spills in a warning."""
    library = TOOLS / "intel/usr/lib/x86_64-linux-gnu"
    log = run(TOOLS / "intel/usr/bin/ocloc", "compile", "-q", "-file", source, "-device", chip, "-out_dir", folder,
              "-options", " ".join(options), libraries=[library])
    spills = re.findall(r"kernel (\w+).*?(?:spill|scratch)[^\d]*(\d+)", log, re.I)
    return {name: dict(spill=int(size)) for name, size in spills}


def compile_one(job):
    program, chip = job
    options = [word for word in program.with_suffix(".options").read_text().split() if word != "-w"]
    maker = nvidia if chip.startswith("sm_") else amd if chip.startswith("gfx") else intel
    with tempfile.TemporaryDirectory() as folder:
        try:
            return job, maker(program, options, chip, pathlib.Path(folder)), None
        except Refused as error:
            return job, {}, f"{chip}: {program.name} does not compile: {error}"


def used_kernels():
    """Kernels of GPU programs by the program that holds them."""
    return {program: re.findall(r"^__kernel void (\w+)", program.read_text(), re.M)
            for program in sorted(PROGRAMS.glob("*.cl"))}


def merge(results):
    """The worst that any program made of a kernel, by kernel and chip: programs differ in their tunables."""
    table = collections.defaultdict(dict)
    for (_, chip), rows, _ in results:
        for name, row in rows.items():
            old = table[name].get(chip)
            if old is None or row.get("all", 0) > old.get("all", 0):
                table[name][chip] = row
    return table


def cell(row):
    if not row:
        return "-"
    fma = f"{row['all'] / row['fma']:.1f}" if row["fma"] >= 32 else "-"
    wide = f"{row['wide']}/{row['loads']}"
    spill = f" **{row['spill']} B spilled**" if row["spill"] else ""
    return f"{row['registers']} / {row['local'] / 1024:.1f} / {fma} / {wide}{spill}"


def main():
    programs = used_kernels()
    jobs = [(program, chip) for program in programs for chip in CHIPS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_one, jobs))
    findings = [error for _, _, error in results if error]
    table = merge(results)
    findings += [f"{chip}: {name} spills {row['spill']} bytes"
                 for name, chips in sorted(table.items()) for chip, row in chips.items() if row["spill"]]
    shown = [chip for chip in CHIPS if chip != "dg2"]
    lines = [
        "# What GPU compilers make of the kernels", "",
        "Made by `make lint-gpu` from the programs of inference at 256x256 and a training step at 128x128 of the paper's network.",
        "Each cell: registers / KiB of local memory / instructions per fused multiply-add / wide loads of all loads from global",
        f"memory. Programs: {len(programs)}; Intel's compiler (`{CHIPS[-1]}`) takes "
        f"{sum(1 for (_, chip), _, error in results if chip == 'dg2' and not error)} of them.", "",
        "| kernel | " + " | ".join(shown) + " |", "|---|" + "---|" * len(shown)]
    lines += [f"| {name} | " + " | ".join(cell(chips.get(chip)) for chip in shown) + " |"
              for name, chips in sorted(table.items()) if any(chip in chips for chip in shown)]
    TABLE.write_text("\n".join(lines) + "\n")
    for finding in findings:
        print(f"lint-gpu: {finding}")
    print(f"lint-gpu: {len(programs)} programs for {len(CHIPS)} chips, {len(findings)} findings; {TABLE.name}")
    sys.exit(1 if findings else 0)


main()
