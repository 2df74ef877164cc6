#!/bin/bash
# Prints the path of axe-core, which checks the accessibility of pages; fetches it into .build-axe where pip can.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/.build-axe
script=$folder/axe_core_python/axe.min.js
if [[ ! -e $script ]]; then
  python3 -m pip download -q --no-deps -d "$folder" axe-core-python==0.1.0 >&2 \
    && python3 -m zipfile -e "$folder"/axe_core_python-*.whl "$folder" >&2 || true
fi
if [[ -e $script ]]; then
  echo "$script"
else
  echo "fetch-axe: no axe-core: the pages' accessibility is not checked" >&2
fi
