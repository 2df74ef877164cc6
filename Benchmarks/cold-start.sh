#!/usr/bin/env bash
# The first restore of a small image after a build: seconds with no compiled program anywhere, then with all of them kept.
#   Benchmarks/cold-start.sh [IMAGE [WEIGHTS [RUNS]]]
# The program's own cache and PoCL's are both emptied before each cold run. Needs .build/release/restormer (make build).
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-Examples/page-blurred.png} weights=${2:-Examples/test-weights.safetensors} runs=${3:-3}
program=${RESTORMER_PROGRAM:-.build/release/restormer}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RESTORMER_CACHE_DIR=$work/restormer POCL_CACHE_DIR=$work/pocl

restore() { # NAME: prints the seconds of the whole process
  local start=$EPOCHREALTIME
  "$program" restore "$image" -o "$work/out.png" -m "$weights" --overwrite "${@:2}" 2>/dev/null
  echo "$1 $start $EPOCHREALTIME" | awk '{ printf "%-14s %.2f s\n", $1, $3 - $2 }'
}

for ((run = 0; run < runs; ++run)); do
  rm -rf "$RESTORMER_CACHE_DIR" "$POCL_CACHE_DIR"
  mkdir -p "$POCL_CACHE_DIR"
  # As users run it, and then the first OpenCL device, whose driver compiles.
  restore cold
  restore warm
  restore opencl-cold -d 0
  restore opencl-warm -d 0
done
