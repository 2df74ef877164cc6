#!/bin/bash
# Runs the operator suite on a second OpenCL implementation, and installs one to run it on.
# usage: Scripts/second-opencl.sh install | test
# RESTORMER_SECOND_OPENCL may name another implementation: the path of its driver library (.so).
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.build-second

driver() {
  if [[ -n ${RESTORMER_SECOND_OPENCL:-} ]]; then
    echo "$RESTORMER_SECOND_OPENCL"
  else
    echo "$home/lib/libintelocl.so"
  fi
}

install() { # Intel's CPU runtime, which runs on AMD processors too (about 800 MB)
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check intel-opencl-rt intel-cmplr-lib-rt
  echo "second OpenCL implementation: $(driver)"
}

run_suite() {
  if [[ ! -f $(driver) ]]; then
    echo "No second OpenCL implementation is installed: nothing was tested."
    echo "'make setup-second' fetches Intel's CPU runtime; RESTORMER_SECOND_OPENCL=PATH names another."
    return 0
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/vendors"
  driver >"$work/vendors/second.icd"
  echo "operator suite on $(driver)"
  OCL_ICD_VENDORS=$work/vendors swift test -c release --skip-build --disable-swift-testing \
    --filter '^(CLBackendTests|KernelsTests)\.' 2>&1 | tee "$work/log"
  # Device tests skip themselves without a device; here that would be a pass that tested nothing.
  if grep -q "no OpenCL device" "$work/log"; then
    echo "second OpenCL implementation: $(driver) offers no device" >&2
    return 1
  fi
}

case ${1:-} in
  install) install ;;
  test) run_suite ;;
  *)
    echo "usage: $0 install | test" >&2
    exit 2
    ;;
esac
