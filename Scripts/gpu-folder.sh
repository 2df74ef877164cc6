#!/bin/bash
# Makes .build-gpu-folder/gpu-check: one folder of less than 30 MB with all that a machine with nothing but glibc and a GPU's driver
# needs to try the program. Copy it there and run gpu-check.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

build=.build-gpu-folder
folder=$build/gpu-check
whole=$build/program

library() { # the file of a shared library of this machine
  ldconfig -p | sed -n "s|^\s*$1 .*x86-64.* => ||p;s|^\s*$1 .*=> ||p" | head -n 1
}

# Copies what FILE needs of shared libraries, and what those need, to FOLDER; glibc is there.
copy_libraries() { # FILE FOLDER
  local name
  for name in $(objdump -p "$1" | sed -n 's/^ *NEEDED *//p'); do
    case $name in
      libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | ld-linux*) ;;
      *)
        [[ -e $2/$name ]] && continue
        cp -L "$(library "$name")" "$2/$name"
        copy_libraries "$2/$name" "$2"
        ;;
    esac
  done
}

# The Swift runtime is linked in; what else the program needs goes beside it, libOpenCL too: that is the loader that finds the
# driver, and a machine may have the one without the other.
swift build -c release --static-swift-stdlib --product restormer --scratch-path "$build/build"
rm -rf "$folder" "$whole"
mkdir -p "$whole/lib" "$folder/xz" "$folder/peers"
strip -o "$whole/restormer" "$build/build/release/restormer"
copy_libraries "$whole/restormer" "$whole/lib"
# Half of the program is tables of the world's languages, which pack well; what unpacks it comes along.
tar -cf - -C "$whole" restormer lib | xz -T 0 >"$folder/program.tar.xz"
cp -L "$(command -v xz)" "$folder/xz/xz"
copy_libraries "$folder/xz/xz" "$folder/xz"
cp Scripts/gpu-check.sh Scripts/gpu-torch.py "$folder/"
cp Benchmarks/peers/restormer.py "$folder/peers/"
cp Examples/page-blurred.png "$folder/"

size=$(du -sm "$folder" | cut -f 1)
echo "$folder: $size MB"
if ((size >= 30)); then
  echo "gpu-folder: larger than 30 MB" >&2
  exit 1
fi
