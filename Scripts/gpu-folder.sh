#!/bin/bash
# Makes .build-gpu-folder/gpu-check: one folder of less than 30 MB with all that a machine with nothing but glibc and a GPU's driver
# needs to try the program. Copy it there and run gpu-check.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

build=.build-gpu-folder
folder=$build/gpu-check

library() { # the file of a shared library of this machine
  ldconfig -p | sed -n "s|^\s*$1 .*x86-64.* => ||p;s|^\s*$1 .*=> ||p" | head -n 1
}

# The Swift runtime is linked in; what else the program needs goes beside it.
swift build -c release --static-swift-stdlib --product restormer --scratch-path "$build/build"
rm -rf "$folder"
mkdir -p "$folder/lib" "$folder/peers"
cp "$build/build/release/restormer" "$folder/restormer"
strip "$folder/restormer"
# libOpenCL is the loader that finds the driver; a machine may have the one without the other.
for name in $(objdump -p "$folder/restormer" | sed -n 's/^ *NEEDED *//p'); do
  case $name in
    libc.so.* | libm.so.* | ld-linux*) ;; # glibc is there
    *) cp -L "$(library "$name")" "$folder/lib/" ;;
  esac
done
cp Scripts/gpu-check.sh Scripts/gpu-torch.py "$folder/"
cp Benchmarks/peers/restormer.py "$folder/peers/"
cp Examples/page-blurred.png "$folder/"

size=$(du -sm "$folder" | cut -f 1)
echo "$folder: $size MB"
if ((size >= 30)); then
  echo "gpu-folder: larger than 30 MB" >&2
  exit 1
fi
