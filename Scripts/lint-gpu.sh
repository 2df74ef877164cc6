#!/bin/bash
# Compiles every GPU program of the paper's network for chips that need not be here, and tabulates what the compilers made of it.
# usage: Scripts/lint-gpu.sh [PROGRAM]     (PROGRAM: .build/release/restormer by default)
# The compilers (clang with libclc, ptxas, AMD's device libraries, Intel's ocloc; 500 MB) are unpacked into .build-gpu from Debian's
# packages and PyPI; nothing is installed. Fails where a compiler refuses a program, spills
# registers, uses scratch memory or a stack, and where a kernel misses a bar that gpu-table.py names.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-.build/release/restormer}
home=${RESTORMER_GPU_TOOLS:-$PWD/.build-gpu}

fetch() {
  mkdir -p "$home/debs" "$home/wheels"
  local clang=(clang-19 libclang-common-19-dev libclang-cpp19 libclang1-19 libllvm19 libclc-19
    libclc-19-dev lld-19 llvm-19 rocm-device-libs)
  local intel=(intel-opencl-icd libigc1 libigdfcl1 libigdgmm12 libllvmspirvlib14 libopencl-clang14)
  (cd "$home/debs" && apt-get -q download "${clang[@]}" "${intel[@]}")
  local package
  for package in "${clang[@]}"; do dpkg -x "$home/debs/$package"_*.deb "$home/llvm"; done
  for package in "${intel[@]}"; do dpkg -x "$home/debs/$package"_*.deb "$home/intel"; done
  python3 -m pip download -q --no-deps -d "$home/wheels" nvidia-cuda-nvcc==13.0.88 \
    nvidia-cuda-nvdisasm==13.2.86 nvidia-nvvm==13.0.88
  for package in "$home"/wheels/*.whl; do python3 -m zipfile -e "$package" "$home/cuda"; done
  chmod +x "$home"/cuda/nvidia/cu13/bin/*
}

[[ -x $home/cuda/nvidia/cu13/bin/ptxas && -x $home/intel/usr/bin/ocloc ]] || fetch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export INVENTED_GPU_MEMORY=$((24 << 30))
bench() { # PRECISION
  Scripts/invented-gpu.sh "$program" bench inference training --device gpu --repeats 1 --precision "$1" >/dev/null
}
failed=0
for precision in float half tf32; do
  export INVENTED_GPU_PROGRAMS=$work/$precision INVENTED_GPU_LOG=$work/$precision.launches
  mkdir "$INVENTED_GPU_PROGRAMS"
  [[ $precision == tf32 ]] || bench "$precision"
  RESTORMER_MATRIX_UNIT=on INVENTED_GPU_CAPABILITY=9 bench "$precision"
  # In TF32 programs are those of float but for products: that they compile is enough.
  case $precision in
    float) table=Benchmarks/gpu-kernels.md ;;
    half) table=Benchmarks/gpu-kernels-half.md ;;
    tf32) table=$work/tf32.md ;;
  esac
  python3 Scripts/gpu-table.py "$home" "$INVENTED_GPU_PROGRAMS" "$INVENTED_GPU_LOG" "$precision" "$table" || failed=1
done
exit $failed
