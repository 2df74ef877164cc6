#!/bin/bash
# Runs every operator at tiny sizes, with both families of kernels, on a simulated OpenCL device that reports data races,
# out-of-bounds accesses and divergent barriers.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v oclgrind >/dev/null; then
  echo "oclgrind: NOT RUN, it is not installed here (apt-get install oclgrind)" >&2
  # A server that checks changes must not pass without it.
  if [[ ${RESTORMER_STRICT:-} == 1 ]]; then exit 1; fi
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Programs built for the simulator must not come from, or go into, the user's cache.
for family in cpu gpu; do
  XDG_CACHE_HOME=$work oclgrind --log "$work/log" --data-races --check-api \
    .build/release/restormer doctor --tiny --device Oclgrind --kernels "$family"

  # The exit code knows nothing of what the simulator saw: only an empty log is a pass.
  if [[ -s $work/log ]]; then
    echo "oclgrind: findings in kernels.cl, $family family:" >&2
    cat "$work/log" >&2
    exit 1
  fi
  echo "oclgrind: no findings in the $family family"
done
