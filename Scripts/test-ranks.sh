#!/bin/bash
# Kills a rank in the midst of training, lets the run go on, and compares it with one that was never disturbed; then asks
# ranks to stop. With Open MPI and MPICH, whichever are there.   usage: Scripts/test-ranks.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/rank-runs.sh
program=$(realpath "${1:-.build/release/restormer}")
examples=$PWD/Examples
Scripts/mpi.sh "$(dirname "$program")" >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

train() { # NAME STEPS LOG [OPTIONS]: two ranks, for at most 90 seconds
  local name=$1 steps=$2 log=$3
  shift 3
  timeout 90 "${launch[@]}" "$program" train --degrade document --data "$examples" --preset tiny --patch 16 --batch 1 \
    --save-every 10 --ema 0.9 --accumulate 2 -d cpu --name "$name" --steps "$steps" "$@" >"$log" 2>&1
}

signal_ranks() { # SIGNAL RANK: those of this folder; RANK may be a pattern
  local pid rank
  for pid in $(pgrep -x restormer); do
    [ "$(readlink "/proc/$pid/cwd")" = "$PWD" ] || continue
    rank=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=//p')
    # shellcheck disable=SC2053
    if [[ $rank == $2 ]]; then kill "-$1" "$pid"; fi
  done
}

try() { # NAME LAUNCHER...
  local name=$1 status=0 job state
  shift
  launch=("$@")
  start "$name"
  signal_ranks KILL 1
  wait $job || status=$?
  [ "$status" -ne 0 ] && [ "$status" -ne 124 ] || fail "a killed rank ends the job with code $status" "$name.log"
  # MPICH's launcher may kill the other ranks, too, before they can say what happened; it then names the lost one itself.
  [ "$(grep -c '^error: rank 1 on ' "$name.log")" -eq 1 ] || grep -q 'BAD TERMINATION' "$name.log" ||
    fail "a killed rank is not named" "$name.log"
  goes_on "$name"
  start "$name-stopped" --shard-optimizer
  signal_ranks TERM '*'
  wait $job || fail "ranks that are asked to stop fail" "$name-stopped.log"
  grep -q "stopped and saved" "$name-stopped.log" || fail "they do not save" "$name-stopped.log"
  echo "test-ranks: $name: killed after step $state, went on bit for bit; stopped and saved"
}

if command -v mpirun.openmpi >/dev/null; then
  try openmpi mpirun.openmpi --allow-run-as-root --oversubscribe -q -n 2
fi
if command -v mpirun.mpich >/dev/null; then try mpich mpirun.mpich -n 2; fi
