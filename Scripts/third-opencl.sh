#!/bin/bash
# Runs the operator suite and a short training run on a third OpenCL implementation: Mesa's rusticl, which compiles on its own
# and, on the processor, poses as a GPU. It shows what the program computes there, not how fast.
# usage: Scripts/third-opencl.sh install | test | run COMMAND...
# `install` unpacks Debian's packages into .build-third; nothing is installed into the system.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.build-third
libraries=$home/root/usr/lib/$(uname -m)-linux-gnu

install() {
  mkdir -p "$home/packages" "$home/root" "$home/vendors"
  (cd "$home/packages" && apt-get -q download mesa-opencl-icd libclc-15 libclc-15-dev libllvmspirvlib15)
  local package
  for package in "$home"/packages/*.deb; do dpkg -x "$package" "$home/root"; done
  echo "$libraries/libRusticlOpenCL.so.1" >"$home/vendors/rusticl.icd"
  echo "third OpenCL implementation: $libraries/libRusticlOpenCL.so.1"
}

# Mesa looks for its library of built-in functions in /usr/lib/clc alone: a mount namespace puts it there for one command.
run() {
  local privileges=()
  if ((EUID != 0)); then privileges=(--user --map-root-user); fi
  mkdir -p "$home/over/upper" "$home/over/work"
  home=$home libraries=$libraries unshare "${privileges[@]}" --mount bash -c '
    set -e
    if [[ ! -d /usr/lib/clc ]]; then
      mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=$home/over/upper,workdir=$home/over/work" /usr/lib
      mkdir -p /usr/lib/clc
    fi
    mount --bind "$home/root/usr/lib/clc" /usr/lib/clc
    export LD_LIBRARY_PATH=$libraries GALLIUM_PIPE_SEARCH_DIR=$libraries/gallium-pipe
    export OCL_ICD_VENDORS=$home/vendors RUSTICL_ENABLE=llvmpipe RUSTICL_DEVICE_TYPE=gpu
    exec "$@"' third-opencl "$@"
}

check() {
  if [[ ! -e $libraries/libRusticlOpenCL.so.1 ]]; then
    echo "No third OpenCL implementation is there: nothing was tested. 'make setup-third' fetches Mesa's."
    return 0
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  export RESTORMER_CACHE_DIR=$work/cache
  echo "operator suite on $libraries/libRusticlOpenCL.so.1"
  # This driver aborts its process when a binary is none; the cache hands it only its own.
  run swift test -c release --skip-build --disable-swift-testing --skip testBinaryTheDriverRejectsIsBuiltAnew \
    --filter '^(CLBackendTests|KernelsTests)\.' 2>&1 | tee "$work/log"
  # Device tests skip themselves without a device; here that would be a pass that tested nothing.
  if grep -q "no OpenCL device" "$work/log"; then
    echo "third OpenCL implementation: it offers no device" >&2
    return 1
  fi
  run .build/release/restormer train --data Examples/pages/train --degrade document --preset tiny --patch 32 --steps 4 \
    --experiments "$work/runs" --device gpu
}

case ${1:-} in
  install) install ;;
  test) check ;;
  run)
    shift
    run "$@"
    ;;
  *)
    echo "usage: $0 install | test | run COMMAND..." >&2
    exit 2
    ;;
esac
