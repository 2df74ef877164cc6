# What the tests of ranks share; they define train NAME STEPS LOG and work in a folder of their own. To be sourced.

fail() { echo "$(basename "$0" .sh): $1" >&2; cat "$2" >&2; exit 1; }

# Starts a run that is to be disturbed, as $job, and waits for its first state. A shell says on its own what is killed.
start() { # NAME [OPTIONS]
  local name=$1
  shift
  train "$name" 100000 "$name.log" "$@" 2>/dev/null & job=$!
  for _ in $(seq 600); do
    compgen -G "experiments/$name/states/*" >/dev/null && return
    sleep 0.1
  done
}

# A disturbed run goes on from its last state, $state, and ends with the weights of an undisturbed one.
goes_on() { # NAME
  local name=$1
  state=$(ls "experiments/$name/states" | tail -n 1 | tr -dc 0-9)
  state=$((10#$state))
  train "$name" $((state + 6)) "$name.log" || fail "$name: the run does not go on" "$name.log"
  grep -q "going on after step $state" "$name.log" || fail "$name: it does not go on after step $state" "$name.log"
  train "$name-whole" $((state + 6)) "$name.log" || fail "$name: an undisturbed run fails" "$name.log"
  cmp "experiments/$name/models/final.safetensors" "experiments/$name-whole/models/final.safetensors"
}
