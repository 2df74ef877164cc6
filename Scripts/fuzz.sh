#!/bin/bash
# Coverage-guided fuzzing of every reader with libFuzzer, under the address sanitizer and, for what is C, the undefined
# behaviour sanitizer.
# Usage: Scripts/fuzz.sh [READER...]; FUZZ_SECONDS is the time for each. What was learned stays in .build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-20}
work=$PWD/.build-fuzz
export RESTORMER_FUZZ=build
# shellcheck disable=SC2086
swift build -c release --product Fuzz --scratch-path .build-fuzz ${SWIFT_FLAGS:-} \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -enable-testing \
  -Xcc -fsanitize=fuzzer-no-link,address,undefined -Xcc -fno-sanitize-recover=undefined -Xcc -Wno-pass-failed

program=$work/release/Fuzz
rm -rf "$work/seeds"
RESTORMER_FUZZ_SEEDS=$work/seeds "$program"
readers=("$@")
[ $# -gt 0 ] || mapfile -t readers < <(ls "$work/seeds")

# Swift keeps what it allocates once for the whole run: that is no leak. A file that claims a large picture may ask for the
# memory, as long as it does not use it.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
total=0
for reader in "${readers[@]}"; do
  corpora=("$work/corpus/$reader" "$work/seeds/$reader")
  [ ! -d "Tests/Samples/$reader" ] || corpora+=("Tests/Samples/$reader")
  mkdir -p "$work/corpus/$reader" "$work/found/$reader"
  log=$work/$reader.log
  if ! RESTORMER_FUZZ=$reader "$program" "${corpora[@]}" -artifact_prefix="$work/found/$reader/" \
    -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=3000 -malloc_limit_mb=20000 \
    -print_final_stats=1 >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log"
    echo "$reader: failed; the input lies in $work/found/$reader"
    exit 1
  fi
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-12s %10d inputs\n' "$reader" "$count"
  total=$((total + count))
done
echo "$total inputs, nothing found"
