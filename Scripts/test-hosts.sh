#!/bin/bash
# Trains with two ranks on two hosts and cuts one of them off in the midst of it. The hosts are network namespaces with
# names and addresses of their own, so this wants to be root. With Open MPI and MPICH, whichever are there.
# usage: Scripts/test-hosts.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/rank-runs.sh
((EUID == 0)) || { echo "test-hosts: network namespaces are for root only" >&2; exit 1; }
program=$(realpath "${1:-.build/release/restormer}")
examples=$PWD/Examples
Scripts/mpi.sh "$(dirname "$program")" >/dev/null
folder=$(mktemp -d)
cd "$folder"
hosts=(restormer-a restormer-b)

remove_hosts() {
  local host
  for host in "${hosts[@]}"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns delete "$host" 2>/dev/null || true
    rm -rf "/etc/netns/$host"
  done
}
trap 'remove_hosts; rm -rf "$folder"' EXIT

make_hosts() {
  local number host
  remove_hosts
  for host in "${hosts[@]}"; do ip netns add "$host"; done
  ip link add wire netns "${hosts[0]}" type veth peer name wire netns "${hosts[1]}"
  for number in 0 1; do
    host=${hosts[number]}
    ip -n "$host" address add "10.77.77.$((number + 1))/24" dev wire
    ip -n "$host" link set wire up
    ip -n "$host" link set lo up
    mkdir -p "/etc/netns/$host"
    printf '127.0.0.1 localhost\n10.77.77.1 %s\n10.77.77.2 %s\n' "${hosts[@]}" >"/etc/netns/$host/hosts"
  done
}

# What launchers call instead of ssh: HOST COMMAND...
cat >on-host <<'AGENT'
#!/bin/bash
while [[ $1 == -* ]]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts bash -c "hostname $host; $*"
AGENT
chmod +x on-host

train() { # NAME STEPS LOG
  timeout 120 "$folder/on-host" "${hosts[0]}" "cd '$folder' && exec ${launch[*]} '$program' train --degrade document \
    --data '$examples' --preset tiny --patch 16 --batch 1 --save-every 10 -d cpu -j 1 --name '$1' --steps $2" >"$3" 2>&1
}

try() { # NAME LAUNCHER...
  local name=$1 status=0 started job state
  shift
  launch=("$@")
  make_hosts
  start "$name"
  ip -n "${hosts[1]}" link set wire down
  started=$SECONDS
  wait $job || status=$?
  ((status != 0 && status != 124)) || fail "$name: a lost host ends the job with code $status" "$name.log"
  ((SECONDS - started <= 15)) || fail "$name: the job ends $((SECONDS - started)) s after its host is lost" "$name.log"
  grep -q "^error: rank 1 on ${hosts[1]}: " "$name.log" || fail "$name: the lost host is not named" "$name.log"
  echo "test-hosts: $name: $(grep '^error: rank 1' "$name.log"), code $status after $((SECONDS - started)) s"
  make_hosts
  goes_on "$name"
  echo "test-hosts: $name: went on after step $state bit for bit"
}

if command -v mpirun.openmpi >/dev/null; then
  try openmpi mpirun.openmpi --allow-run-as-root -q --host "${hosts[0]},${hosts[1]}" -n 2 --mca plm_rsh_agent "$folder/on-host" \
    --mca btl tcp,self
fi
if command -v mpiexec.mpich >/dev/null; then
  try mpich mpiexec.mpich -launcher ssh -launcher-exec "$folder/on-host" -hosts "${hosts[0]},${hosts[1]}" -n 2
fi
