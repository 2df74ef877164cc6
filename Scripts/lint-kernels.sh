#!/bin/bash
# Checks kernels.cl with the Swift toolchain's clang as OpenCL C 1.2, once per family of kernels.
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain_clang() {
  local beside info
  beside=$(dirname "$(command -v swift)")/clang
  if [[ -x $beside ]]; then
    echo "$beside"
    return
  fi
  info=$(swift -print-target-info)
  if [[ $info =~ \"runtimeResourcePath\":\ \"([^\"]*)/lib/swift ]] \
    && [[ -x ${BASH_REMATCH[1]}/bin/clang ]]; then
    echo "${BASH_REMATCH[1]}/bin/clang"
  else
    command -v clang
  fi
}

if ! clang=$(toolchain_clang); then
  echo "lint: no clang beside swift or in PATH" >&2
  exit 1
fi
# The numbers that the program passes, with the example that stands beside each.
mapfile -t numbers < <(sed -nE 's/^#error "([A-Z0-9_]+): .*, such as ([^ ]+)"$/-D\1=\2/p' kernels.cl)
# What comes before the first operator, and the sections whose tensors may be half.
half=$(mktemp --suffix=.cl)
trap 'rm -f "$half"' EXIT
awk 'function flush() { if (common || text ~ /ACTIVATION_/) printf "%s", text; text = "" }
  BEGIN { common = 1 }
  /^\/\/ ---- .* ----$/ { flush(); common = /Common/ }
  { text = text $0 "\n" }
  END { flush() }' kernels.cl > "$half"
gpu="-UVEC -DVEC=1 -UVECTOR_WIDTH -DVECTOR_WIDTH=4"
for family in "-DCPU_DEVICE=1" "$gpu" "$gpu -UMATRIX_UNIT -DMATRIX_UNIT=2" \
  "$gpu -UMATRIX_UNIT -DMATRIX_UNIT=2 -UMATRIX_FACTORS -DMATRIX_FACTORS=1"; do
  for storage in "" "-DHALF_IN=1 -DHALF_OUT=1" "-DHALF_IN=1" "-DHALF_OUT=1"; do
    # shellcheck disable=SC2086
    "$clang" -x cl -cl-std=CL1.2 -target spir64-unknown-unknown -fsyntax-only -Wall -Wextra \
      -Werror "${numbers[@]}" $family $storage "$([[ $storage ]] && echo "$half" || echo kernels.cl)"
  done
done
echo "kernels.cl: no warnings as OpenCL C 1.2, CPU and GPU family, float and half storage"
