#!/bin/bash
# Coverage-guided fuzzing of every reader with libFuzzer and the address sanitizer.
# Usage: Scripts/fuzz.sh [READER...]; FUZZ_SECONDS is the time for each. What was learned stays in .build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-20}
work=$PWD/.build-fuzz
export RESTORMER_FUZZ=build
# shellcheck disable=SC2086
swift build -c release --product Fuzz --scratch-path .build-fuzz ${SWIFT_FLAGS:-} \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -enable-testing \
  -Xcc -fsanitize=fuzzer-no-link,address -Xlinker -fsanitize=fuzzer

program=$work/release/Fuzz
RESTORMER_FUZZ_SEEDS=$work/seeds "$program"
readers=("$@")
[ $# -gt 0 ] || mapfile -t readers < <(ls "$work/seeds")

total=0
for reader in "${readers[@]}"; do
  mkdir -p "$work/corpus/$reader" "$work/found/$reader"
  log=$work/$reader.log
  # Swift keeps what it allocates once for the whole run: that is no leak.
  if ! RESTORMER_FUZZ=$reader ASAN_OPTIONS=detect_leaks=0 "$program" "$work/corpus/$reader" "$work/seeds/$reader" \
    -artifact_prefix="$work/found/$reader/" -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=3000 \
    -print_final_stats=1 >"$log" 2>&1; then
    tail -n 30 "$log"
    echo "$reader: failed; the input lies in $work/found/$reader"
    exit 1
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-12s %10d inputs\n' "$reader" "$count"
  total=$((total + count))
done
echo "$total inputs, nothing found"
