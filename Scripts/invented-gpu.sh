#!/bin/bash
# Runs a command where the only OpenCL device is an invented GPU (Tests/InventedGPU), whose size the environment sets.
# usage: Scripts/invented-gpu.sh COMMAND...
#   INVENTED_GPU_MEMORY=4294967296 Scripts/invented-gpu.sh .build/release/restormer bench training -d gpu --repeats 1
# Scripts/invented-gpu.sh --build FOLDER only makes the driver: FOLDER is then the value of OCL_ICD_VENDORS.
set -euo pipefail

build() {
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../Tests/InventedGPU" && pwd)
  mkdir -p "$1"
  "${CC:-cc}" -std=c11 -O1 -shared -fPIC -fvisibility=hidden -Wall -Werror \
    "$here"/*.c -o "$1/libinvented.so"
  echo "$1/libinvented.so" >"$1/invented.icd"
}

if [[ ${1:-} == --build ]]; then
  build "$(realpath -m "$2")"
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  build "$work"
  OCL_ICD_VENDORS=$work RESTORMER_CACHE_DIR=$work/cache "$@"
fi
