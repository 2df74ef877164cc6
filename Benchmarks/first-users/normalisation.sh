#!/usr/bin/env bash
# The mistake of the first users in two pictures: a network trained on [-1, 1] answers in [-1, 1]; clamped to [0, 1] without undoing the
# normalisation, every value y of the right picture becomes max(0, 2 y - 1) and the dark half turns black.
#   Benchmarks/first-users/normalisation.sh DATA OUT [STEPS]
# DATA holds train/ and val/, each with input/ and target/. OUT gets the run and the pictures. Needs .build/release/restormer (make build)
# and Python with Pillow.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 out=$2 steps=${3:-300}
program=.build/release/restormer

mkdir -p "$out"
"$program" train --data "$data/train" --val "$data/val" --preset tiny --patch 64 --batch 4 --steps "$steps" \
  --val-every "$steps" --save-every "$steps" --lr 1e-3 --schedule cosine --normalize 0.5,0.5 --experiments "$out" --name normalised
"$program" restore Examples/page-blurred.png -o "$out/normalised-undone.png" --overwrite -m "$out/normalised/models/final.safetensors"
python3 - "$out/normalised-undone.png" "$out/normalised-not-undone.png" <<'PYTHON'
import sys
from PIL import Image
Image.open(sys.argv[1]).point(lambda value: max(0, 2 * value - 255)).save(sys.argv[2])
PYTHON
