#!/bin/bash
# Has a running Slurm train by Examples/slurm/train.sbatch under a limit of two minutes, so that the job is stopped, saves, is
# queued again and goes on, until it has finished; then compares its weights with those of an undisturbed run of the same MPI.
# Takes some minutes for each limit that is met: Slurm waits two before it starts a job again.
# usage: Scripts/test-slurm.sh openmpi|mpich [PROGRAM] [STEPS]
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/rank-runs.sh
case ${1:-} in
openmpi) export RESTORMER_SLURM_MPI=pmix; launch=(mpirun.openmpi --oversubscribe -n 2) ;;
mpich) export RESTORMER_SLURM_MPI=pmi2; launch=(mpiexec.mpich -n 2) ;;
*) echo "usage: Scripts/test-slurm.sh openmpi|mpich [PROGRAM] [STEPS]" >&2; exit 64 ;;
esac
command -v sinfo >/dev/null && sinfo -h >/dev/null || { echo "test-slurm: no Slurm runs here" >&2; exit 1; }
program=$(realpath "${2:-.build/release/restormer}")
Scripts/mpi.sh "$(dirname "$program")" >/dev/null
PATH=$(dirname "$program"):$PATH
options=(--degrade document --data "$PWD/Examples" --preset tiny --patch 16 --batch 1 --save-every 50 -d cpu -j 1 --steps "${3:-1000}")
script=$PWD/Examples/slurm/train.sbatch
folder=$(mktemp -d)
trap 'scancel "$job" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

job=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --gpus-per-node=0 --time=2 "$script" "${options[@]}")
while squeue -h -j "$job" 2>/dev/null | grep -q .; do sleep 1; done
log=restormer-$job.log
restarts=$(grep -c "going on after step" "$log") || fail "the job was not queued again: give it more steps" "$log"
grep -q "^finished" "$log" || fail "the job has not finished" "$log"
"${launch[@]}" restormer train --name whole "${options[@]}" >whole.log 2>&1 || fail "an undisturbed run fails" whole.log
cmp "experiments/job-$job/models/final.safetensors" experiments/whole/models/final.safetensors
echo "test-slurm: $1: queued again $restarts times, the weights are those of an undisturbed run"
