#!/bin/bash
# Runs every command of the tutorial as it is written, in an empty folder.
# usage: Scripts/test-tutorial.sh [FOLDER-OF-THE-PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/.."

article=$PWD/Sources/Restormer/Documentation.docc/FromNothingToACSV.md
program=$(cd "${1:-.build/release}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$PWD/Examples" "$work/Examples"

# The blocks of commands, one after the other; a line before each says what is run.
awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$article" >"$work/commands"
[[ -s $work/commands ]] || { echo "test-tutorial: no commands in $article" >&2; exit 1; }
cd "$work"
PATH=$program:$PATH bash -euxo pipefail "$work/commands" >"$work/log" 2>&1 \
  || { cat "$work/log" >&2; exit 1; }
# What the text promises is there.
for file in tutorial/val/manifest.json tutorial/runs/first/metrics.csv tutorial/report.html \
  tutorial/submission.csv tutorial/runs/rates/sweep.md tutorial/runs/rates/sweep.svg; do
  [[ -s $file ]] || { echo "test-tutorial: no $file" >&2; exit 1; }
done
echo "ok: every command of the tutorial"
