#!/bin/bash
# Builds the package Examples/Library, which uses this one as anybody's would, and runs what it makes. It shares the folder
# of builds: the same flags and the same sources are not compiled twice.
# usage: Scripts/test-examples.sh       SWIFT_FLAGS are handed to the build
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck disable=SC2086
swift build -c release ${SWIFT_FLAGS:-} --package-path Examples/Library --scratch-path .build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "test-examples: $1" >&2
  cat "$work/log" >&2
  exit 1
}

.build/release/restore-example Examples/page-blurred.png "$work/restored.png" >"$work/log" \
  && [[ -s $work/restored.png ]] || fail "restore-example"
.build/release/train-example Examples/pages/val "$work/runs" >"$work/log" \
  && [[ -s $work/runs/tiny/models/final.safetensors ]] || fail "train-example"
echo "ok: Examples/Library restores and trains"
