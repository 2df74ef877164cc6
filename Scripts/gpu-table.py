#!/usr/bin/env python3
"""Compiles recorded OpenCL programs for NVIDIA, AMD and Intel chips and writes a table of what their kernels became.

usage: gpu-table.py TOOLS PROGRAMS LAUNCHES float|half|tf32 TABLE.md
TOOLS is filled by lint-gpu.sh; PROGRAMS holds HASH.cl and HASH.options and LAUNCHES is the log of launches, as the invented GPU leaves
them; kernels that were not launched are left out. The exit code is 1 where a compiler refuses a program, spills registers, uses
scratch memory or a stack, and where a kernel misses its bar."""
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOOLS, PROGRAMS, LAUNCHES, TABLE = (pathlib.Path(p).resolve() for p in sys.argv[1:4] + sys.argv[5:6])
STORED = sys.argv[4]
LLVM = TOOLS / "llvm/usr"
CLANG = [str(LLVM / "lib/llvm-19/bin/clang-19"), "-x", "cl", "-cl-std=CL1.2", "-O3", "-S",
         "-Xclang", "-finclude-default-header"]
CUDA = TOOLS / "cuda/nvidia/cu13/bin"
# The chips that have what a matrix unit's programs ask for.
MATRIX_CHIPS = ["sm_86", "sm_90"]
# Multiply-adds of an item in an instruction of the unit, and how many of those a product takes: three of floats, two where one side
# is stored as half, one where both are, or in TF32.
MATRIX_MULTIPLY_ADDS = 32
STEPS = {"float": collections.defaultdict(lambda: 3), "tf32": collections.defaultdict(lambda: 1),
         "half": {"conv1x1_tiles": 2, "norm_product_tiles": 3, "conv1x1_backward_weight_tiles": 1, "attention_gram_tiles": 1}}[STORED]
CHIPS = ["sm_75", "sm_86", "sm_90", "gfx1030", "gfx1100", "gfx90a", "dg2"]
# The most instructions per fused multiply-add that the hottest loop of a kernel may have on a chip.
# Sums over pixels widen each half that they load.
BARS = {("conv1x1_tiles", "sm_90"): 1.35,
        ("conv1x1_backward_weight_tiles", "sm_90"): 1.45 if STORED == "half" else 1.35}
# The least share of the work-items that a multiprocessor could hold.
LEAST_OCCUPANCY, OCCUPANCY_CHIP = 25, "sm_86"
# Work-items, groups and bytes of local memory of a multiprocessor; each has 65,536 registers.
MULTIPROCESSORS = {"sm_75": (1024, 16, 64 << 10), "sm_86": (1536, 16, 100 << 10), "sm_90": (2048, 32, 227 << 10)}
# The least share of wide loads in the loops where products are computed; elsewhere neighbouring items load neighbouring floats.
LEAST_WIDE = 50
# How often a LayerNorm may load for each channel of an item: what it reads per pixel once, and the weight and the bias.
NORM_LOADS = {"layer_norm_groups": 3, "layer_norm_backward_input_groups": 3}
# Sums over pixels by the matrix unit: of a tile an item has NT_SIDE / 2 pairs of rows and as many blocks of columns.
SUMS_OVER_PIXELS = {"conv1x1_backward_weight_tiles", "attention_gram_tiles"}
# Names of AMD's chips in its library of device functions.
LIBRARY_CHIP = {"gfx1100": "1036"}


# libclc lacks this function; NVIDIA's driver keeps the offset in such a register.
OFFSET = """size_t __attribute__((overloadable)) get_global_offset(uint dimension) {
  uint offset;
  __asm__("mov.u32 %0, %%envreg3;" : "=r"(offset));
  return offset;
}
"""


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
    ptx, binary, offset = folder / "k.ptx", folder / "k.cubin", folder / "offset.cl"
    offset.write_text(OFFSET)
    text = clang(source, options, [
        "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", chip, "-Xclang", "-target-feature",
        "-Xclang", "+ptx80", "-include", str(offset), *linked(LLVM / "lib/clc/nvptx64--nvidiacl.bc")], ptx)
    ptx.write_text(text.replace(", texmode_independent", ""))
    log = run(CUDA / "ptxas", "-v", f"-arch={chip}", "-o", binary, ptx, libraries=[])
    rows, name = {}, None
    for line in log.splitlines():
        if found := re.search(r"entry function '(\w+)'", line):
            name = found[1]
            rows[name] = dict(spill=0, local=0, stack=0)
        elif found := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            rows[name]["spill"] = int(found[1]) + int(found[2])
            rows[name]["stack"] = int(re.search(r"(\d+) bytes stack", line)[1])
        elif found := re.search(r"Used (\d+) registers", line):
            rows[name]["registers"] = int(found[1])
            memory = re.search(r"(\d+) bytes smem", line)
            rows[name]["local"] = int(memory[1]) if memory else 0
    for name, body in disassemble(binary).items():
        operations = collections.Counter(operation for operation, _ in body)
        hot, multiply_adds = hottest_loop(body, STEPS[name] if count("HMMA", operations) else 1)
        rows[name].update(unit=count("HMMA", operations), ratio=len(hot) / multiply_adds if multiply_adds >= 32 else None,
                          loop_wide=wide_loads(hot), loop_loads=count("LDG", collections.Counter(hot)),
                          wide=wide_loads(operations), loads=count("LDG", operations), all=len(body))
    return rows


def disassemble(binary):
    """The operations of each kernel with the place that a branch goes back to, if it is one."""
    bodies, labels, name = {}, {}, None
    for line in run(CUDA / "nvdisasm", "-c", binary, libraries=[]).splitlines():
        if found := re.match(r"\s*\.section\s+\.text\.(\w+)", line):
            name, labels = found[1], {}
            bodies[name] = []
        elif found := re.match(r"(\.L\w+):", line):
            labels[found[1]] = len(bodies.get(name, []))
        elif found := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][A-Z0-9_.]+)(.*)", line):
            target = re.search(r"\.L\w+", found[2]) if found[1].startswith("BRA") else None
            bodies[name].append((found[1], labels.get(target[0]) if target else None))
    return bodies


def wide_loads(operations):
    """Loads of 8 or 16 bytes from global memory."""
    return count(r"LDG.*\.(64|128)", collections.Counter(operations))


def multiply_adds_of(loop, steps):
    """Multiply-adds of an item in a pass of a loop."""
    return sum(1 if operation.startswith("FFMA") else MATRIX_MULTIPLY_ADDS / steps if operation.startswith("HMMA") else 0
               for operation in loop)


def hottest_loop(body, steps):
    """The operations of the loop that has most fused multiply-adds, and how many it has."""
    loops = [[operation for operation, _ in body[start:end + 1]]
             for end, (_, start) in enumerate(body) if start is not None]
    loops = [(multiply_adds_of(loop, steps), -len(loop), loop) for loop in loops]
    multiply_adds, _, loop = max(loops, default=(0, 0, []))
    return loop, multiply_adds


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
            ratio=None, wide=count("(global|flat|buffer)_load_(dwordx|b)(2|4|64|128)", operations),
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


def launched():
    """Work-items of a group and all work-items launched, by program and kernel."""
    launches = {}
    for line in LAUNCHES.read_text().splitlines():
        if found := re.match(r"launch (\w+) groups (\d+) items (\d+) of (\w+)", line):
            name, groups, items, program = found[1], int(found[2]), int(found[3]), found[4]
            _, before = launches.get((program, name), (items, 0))
            launches[program, name] = (items, before + groups * items)
    return launches


def occupancy(row, items, chip):
    """Per cent of a multiprocessor's work-items that groups of `items` fill."""
    most_items, most_groups, local = MULTIPROCESSORS[chip]
    warps = -(-items // 32)
    # Registers are given to warps by the 256, and each group takes a kibibyte of local memory for the system.
    by_registers = 65536 // (warps * 32 * (-(-row["registers"] // 8) * 8))
    groups = min(most_groups, most_items // (32 * warps), by_registers, local // (row["local"] + 1024))
    return 100 * groups * warps * 32 // most_items


def merge(results, launches):
    """By kernel and chip what became of each of its programs that was launched, the most launched first."""
    table = collections.defaultdict(lambda: collections.defaultdict(list))
    for (program, chip), rows, _ in results:
        for name, row in rows.items():
            if (program.stem, name) not in launches:
                continue
            items, work = launches[program.stem, name]
            row.update(items=items, work=work, defines=defines(program))
            if uses_matrix_unit(program):
                if not row["unit"]:  # as without the unit
                    continue
                name += " (matrix unit)"
            if chip in MULTIPROCESSORS:
                row["occupancy"] = occupancy(row, items, chip)
            table[name][chip].append(row)
    for chips in table.values():
        for rows in chips.values():
            rows.sort(key=lambda row: -row["work"])
    return table


def uses_matrix_unit(program):
    return defines(program)["MATRIX_UNIT"] == "1"


def defines(program):
    return dict(re.findall(r"-D (\w+)=(\w+)", program.with_suffix(".options").read_text()))


def misses(name, chip, rows):
    """What a kernel misses on a chip, one line each."""
    for row in rows:
        for fault, unit in (("spill", "bytes spilled"), ("stack", "bytes of stack")):
            if row.get(fault):
                yield f"{row[fault]} {unit}"
        if chip == OCCUPANCY_CHIP and row["occupancy"] < LEAST_OCCUPANCY:
            yield f"{row['occupancy']} % occupancy, at least {LEAST_OCCUPANCY} are good"
        if chip in MULTIPROCESSORS and name in NORM_LOADS:
            most = NORM_LOADS[name] * int(row["defines"]["NORM_SHARE"]) + NORM_LOADS[name]
            if row["loads"] > most:
                yield f"{row['loads']} loads, {most} read everything once"
        kernel = name.removesuffix(" (matrix unit)")
        if kernel != name and kernel in SUMS_OVER_PIXELS:
            most = (int(row["defines"]["NT_SIDE"]) // 2) ** 2 * STEPS[kernel]
            if row["unit"] > most:
                yield f"{row['unit']} instructions of the matrix unit, {most} are enough"
    ratio, bar = rows[0].get("ratio"), BARS.get((name, chip))
    if bar and (ratio is None or ratio > bar):
        yield f"{ratio or 0:.2f} instructions per multiply-add, at most {bar} are good"


def cell(rows):
    if not rows:
        return "-"
    row = rows[0]
    ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
    filled = f" / {row['occupancy']} %" if "occupancy" in row else ""
    return f"{row['registers']} / {row['local'] / 1024:.1f} / {ratio} / {row['wide']} of {row['loads']}{filled}"


def wide_share(table, chip):
    """Per cent of wide loads among those in the loops where products are computed; None where loops are not known."""
    rows = [chips[chip][0] for chips in table.values() if chips.get(chip) and chips[chip][0]["ratio"]]
    loads = sum(row["loop_loads"] for row in rows)
    return 100 * sum(row["loop_wide"] for row in rows) // loads if loads else None


def main():
    programs = sorted(PROGRAMS.glob("*.cl"))
    jobs = [(program, chip) for program in programs
            for chip in (MATRIX_CHIPS if uses_matrix_unit(program) else CHIPS)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_one, jobs))
    findings = [error for _, _, error in results if error]
    table = merge(results, launched())
    findings += sorted({f"{chip}: {name}: {miss}" for name, chips in table.items() for chip, rows in chips.items()
                        for miss in misses(name, chip, rows)})
    findings += [f"{chip}: {share} % of the loads in loops of products are wide, at least {LEAST_WIDE} are good"
                 for chip in MULTIPROCESSORS if STORED != "tf32" and (share := wide_share(table, chip)) < LEAST_WIDE]
    shown = CHIPS[:-1]
    taken = sum(1 for (_, chip), _, error in results if chip == CHIPS[-1] and not error)
    lines = [
        "# What GPU compilers make of the kernels", "",
        "Made by `make lint-gpu` from the programs of inference at 256x256 and a training step at 128x128 of the paper's network,",
        "with products in TF32." if STORED == "tf32" else f"with activations stored as {STORED}.",
        "Each cell is of the form of the kernel that most work-items of those run: registers / KiB of local memory / instructions per fused",
        "multiply-add in the loop that has most of them (NVIDIA) / wide loads of all loads from global memory / the share of a",
        "multiprocessor's work-items that registers, local memory and groups leave room for (NVIDIA). Three instructions of the matrix unit are",
        f"counted as 32 multiply-adds of an item, two where one side is stored as half, one where both are. Programs: {len(programs)}; Intel's",
        f"compiler (`{CHIPS[-1]}`) takes {taken} of them. Wide loads of all in the loops where products are computed: "
        + ", ".join(f"{chip} {wide_share(table, chip)} %" for chip in MULTIPROCESSORS) + ".", "",
        "| kernel | items | " + " | ".join(shown) + " |", "|---|---|" + "---|" * len(shown)]
    lines += [f"| {name} | {next(iter(chips.values()))[0]['items']} | " + " | ".join(cell(chips.get(chip)) for chip in shown) + " |"
              for name, chips in sorted(table.items()) if any(chip in chips for chip in shown)]
    lines += ["", "What misses a bar:" if findings else "Nothing misses a bar: no spills, scratch or stack; the share of wide loads; the"
              " instructions of products; the occupancy; LayerNorm's single read.", ""]
    lines += [f"* {finding}" for finding in findings]
    TABLE.write_text("\n".join(lines).rstrip() + "\n")
    for finding in findings:
        print(f"lint-gpu: {finding}")
    print(f"lint-gpu: {len(programs)} programs for {len(CHIPS)} chips, {len(findings)} findings; {TABLE.name}")
    sys.exit(1 if findings else 0)


main()
