#!/bin/bash
# Tries the program on this machine's GPU in less than seven minutes and leaves everything it found in one file, OUT/gpu-check.json.
# Comes in a folder made by Scripts/gpu-folder.sh; the machine needs nothing but glibc and the GPU's driver.
# Environment: OUT (gpu-check-out), DEVICE (gpu), DRIVER (the OpenCL driver's library, looked for if not named), BUDGET (seconds, 400),
# PRESET (paper), SIDES ("256 512", of restored pictures), BATCHES ("1 8"), PYTHON (python3): where PyTorch is there, it does the same
# work.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-gpu-check-out}
device=${DEVICE:-gpu}
preset=${PRESET:-paper}
read -ra sides <<<"${SIDES:-256 512}"
read -ra batches <<<"${BATCHES:-1 8}"
budget=${BUDGET:-400}
mkdir -p "$out/vendors"
out=$(cd "$out" && pwd)
rm -f "$out"/*.txt "$out"/*.json "$out"/vendors/*

find_driver() {
  local name path
  for name in libnvidia-opencl.so.1 libamdocl64.so libigdrcl.so libRusticlOpenCL.so.1; do
    path=$(ldconfig -p 2>/dev/null | sed -n "s|^\s*$name .*=> ||p" | head -n 1)
    [[ -n $path ]] || path=$(find /usr/lib /usr/lib64 /usr/local /opt -name "$name" 2>/dev/null | head -n 1)
    if [[ -n $path ]]; then
      echo "$path"
      return
    fi
  done
}

# Text as a JSON string.
quoted() {
  local text
  text=$(LC_ALL=C tr -d '\000-\010\013-\037\177' | sed 's/\\/\\\\/g;s/"/\\"/g;s/\t/\\t/g' | awk '{printf "%s\\n", $0}')
  printf '"%s"' "$text"
}

# One step's output as JSON: as it is where it is an object, else as text.
value() {
  if [[ $(head -c 1 "$1") == "{" ]]; then cat "$1"; else quoted <"$1"; fi
}

entries=()
# step NAME SECONDS COMMAND...: runs it for at most SECONDS and what is left of the budget, whatever becomes of it.
step() {
  local name=$1 limit=$2 left=$((budget - SECONDS)) begin=$SECONDS code
  shift 2
  ((limit > left)) && limit=$left
  if ((limit < 3)); then
    entries+=("{\"name\": \"$name\", \"skipped\": \"no time was left\"}")
    return 1
  fi
  timeout -k 3 "$limit" "$@" >"$out/$name.txt" 2>"$out/$name.errors.txt"
  code=$?
  echo "[$SECONDS s] $name: exit $code after $((SECONDS - begin)) s"
  entries+=("{\"name\": \"$name\", \"exit\": $code, \"seconds\": $((SECONDS - begin)), \"output\": $(value "$out/$name.txt"), \"errors\": $(tail -n 40 "$out/$name.errors.txt" | quoted)}")
  return $code
}

write_summary() {
  {
    printf '{"date": "%s", "device": "%s", "driver": "%s", "steps": [\n' "$(date -u +%FT%TZ)" "$device" "${driver:-}"
    local separator=""
    for entry in "${entries[@]}"; do
      printf '%s%s' "$separator" "$entry"
      separator=$',\n'
    done
    printf '\n]}\n'
  } >"$out/gpu-check.json"
}
trap write_summary EXIT

driver=${DRIVER:-$(find_driver)}
# Where the system's loader knows no driver, the one that was found is named to it.
if [[ -n $driver && (-n ${DRIVER:-} || -z $(ls /etc/OpenCL/vendors 2>/dev/null)) ]]; then
  echo "$driver" >"$out/vendors/found.icd"
  export OCL_ICD_VENDORS=$out/vendors
  export LD_LIBRARY_PATH=$(dirname "$driver"):${LD_LIBRARY_PATH:-}
fi
mkdir -p "$out/program"
if ! LD_LIBRARY_PATH=$here/xz "$here/xz/xz" -dc "$here/program.tar.xz" | tar -xf - -C "$out/program"; then
  echo "gpu-check.sh: cannot unpack $here/program.tar.xz to $out/program" >&2
  exit 1
fi
export LD_LIBRARY_PATH=$out/program/lib:${LD_LIBRARY_PATH:-} RESTORMER_CACHE_DIR=$out/cache
program=$out/program/restormer

step machine 10 bash -c 'uname -a; nproc; grep -m 1 "model name" /proc/cpuinfo; grep MemTotal /proc/meminfo; nvidia-smi 2>/dev/null; rocminfo 2>/dev/null | head -n 60; true'
step devices 20 "$program" devices
step doctor-tiny 60 "$program" doctor --device "$device" --tiny
step ceilings 20 "$program" bench ceilings --device "$device" --json
for side in "${sides[@]}"; do
  step "inference-$side" 40 "$program" bench inference --device "$device" --preset "$preset" --size "${side}x$side" --json
done
for batch in "${batches[@]}"; do
  step "training-$batch" 60 "$program" bench training --device "$device" --preset "$preset" --batch "$batch" --json
done
python=${PYTHON:-python3}
if "$python" -c 'import torch' 2>/dev/null; then
  step pytorch 90 "$python" "$here/gpu-torch.py" "$preset"
  step agreement 60 "$python" "$here/gpu-torch.py" "$preset" --agree "$program" "$device" "$here/page-blurred.png" "$out"
fi
step restore 30 "$program" restore "$here/page-blurred.png" -o "$out/restored.png" --device "$device" --overwrite --profile --verbose
step doctor 60 "$program" doctor --device "$device"
size=${sides[0]}x${sides[0]}
precisions=(half)
# What the matrix unit brings, where it multiplies.
if grep -q '^matrix unit: multiplies' "$out/doctor.txt"; then
  without=(env RESTORMER_MATRIX_UNIT=off "$program")
  step "inference-${sides[0]}-without-unit" 40 "${without[@]}" bench inference --device "$device" --preset "$preset" --size "$size" --json
  step "training-${batches[0]}-without-unit" 60 "${without[@]}" bench training --device "$device" --preset "$preset" \
    --batch "${batches[0]}" --json
fi
if grep -q '^matrix unit:' "$out/doctor.txt"; then precisions+=(tf32); fi
for precision in "${precisions[@]}"; do
  step "inference-${sides[0]}-$precision" 30 "$program" bench inference --device "$device" --preset "$preset" --size "$size" \
    --precision "$precision" --json
  step "training-${batches[0]}-$precision" 40 "$program" bench training --device "$device" --preset "$preset" \
    --batch "${batches[0]}" --precision "$precision" --json
done
if step tuning 90 "$program" bench --tune --device "$device" --preset "$preset" --size "$size" --repeats 3; then
  step "inference-${sides[0]}-tuned" 30 "$program" bench inference --device "$device" --preset "$preset" --size "$size" --json
fi
write_summary
echo "[$SECONDS s] everything is in $out/gpu-check.json"
