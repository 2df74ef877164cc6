#!/bin/bash
# Builds the plug-in for every MPI library whose compiler is there, into the program's folder.
# usage: Scripts/mpi.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.build/release}
source=Sources/Restormer/Distributed
mkdir -p "$folder"

build() { # NAME COMPILER
  command -v "$2" >/dev/null || return 0
  "$2" -std=c11 -O2 -Wall -Wextra -Werror -shared -fPIC -I "$source/CMessagePassing/include" \
    -o "$folder/librestormer-$1.so" "$source/MPIPlugin/plugin.c"
  echo "mpi: $folder/librestormer-$1.so"
  built=1
}

built=0
build openmpi mpicc.openmpi
build mpich mpicc.mpich
if ((!built)) && command -v mpicc >/dev/null; then
  # Elsewhere than on Debian there is one library at a time, under the plain name.
  if mpicc -show 2>/dev/null | grep -q mpich; then build mpich mpicc; else build openmpi mpicc; fi
fi
if ((!built)); then
  echo "mpi: no mpicc here; on Debian and Ubuntu: apt-get install libopenmpi-dev openmpi-bin, or libmpich-dev mpich" >&2
  exit 1
fi
