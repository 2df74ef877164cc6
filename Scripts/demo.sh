#!/bin/bash
# Restores the bundled sample page and says where the result lies.
set -euo pipefail
cd "$(dirname "$0")/.."

result=demo-output/page-restored.png
mkdir -p demo-output
rm -f "$result"
# The program says which device it uses.
.build/release/restormer restore Examples/page-blurred.png -o "$result" \
  -m Examples/test-weights.safetensors
[[ -s $result ]] || {
  echo "demo: restormer wrote no $result" >&2
  exit 1
}
echo
echo "blurred page:   $PWD/Examples/page-blurred.png"
echo "restored page:  $PWD/$result"
echo "The bundled weights are UNTRAINED: set by hand to sharpen a little, they show that every part"
echo "of the network runs on this device, not what Restormer can do. Give trained ones with -m."
