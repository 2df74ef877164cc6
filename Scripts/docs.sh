#!/bin/bash
# Builds the documentation of the libraries out of the built modules, without building anything else.
# usage: Scripts/docs.sh BUILT-FOLDER OUT        for instance .build/release docs-output
set -euo pipefail
cd "$(dirname "$0")/.."
built=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

docc=$(dirname "$(readlink -f "$(command -v swift)")")/docc
triple=$(swift -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)".*/\1/p' | head -n 1)
# Where the C modules that the libraries import have their maps.
imports=(-I "$built/Modules" -I Sources/CLBackend/COpenCL -I "${built%/*}/checkouts/Yams/Sources/CYaml/include")
for map in "$built"/C*.build/module.modulemap; do imports+=(-Xcc "-fmodule-map-file=$map"); done

rm -rf "$out"
archives=()
for module in CLBackend Kernels Restormer Serve; do
  graphs=$work/$module
  mkdir -p "$graphs"
  swift symbolgraph-extract -module-name "$module" -target "$triple" "${imports[@]}" \
    -minimum-access-level public -output-dir "$graphs" >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
  # What other modules gain by this one is theirs.
  rm -f "$graphs"/*@*.symbols.json
  dependencies=()
  for archive in "${archives[@]}"; do dependencies+=(--dependency "$archive"); done
  "$docc" convert "Sources/$module/Documentation.docc" --additional-symbol-graph-dir "$graphs" \
    --fallback-display-name "$module" --fallback-bundle-identifier "restormer.$module" \
    --output-path "$work/$module.doccarchive" --enable-experimental-external-link-support \
    --warnings-as-errors "${dependencies[@]}"
  archives+=("$work/$module.doccarchive")
done
"$docc" merge "${archives[@]}" --output-path "$out" --synthesized-landing-page-name restormer
echo "docs: $out (to read it: python3 -m http.server -d $out, then http://127.0.0.1:8000/documentation/)"
