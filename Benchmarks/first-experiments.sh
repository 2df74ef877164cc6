#!/usr/bin/env bash
# The choices of the first users at small scale: one run each, all else equal, scored on the validation pages.
#   Benchmarks/first-experiments.sh DATA OUT [STEPS]
# DATA holds train/ and val/, each with input/ and target/. OUT gets the runs, table.md and the pictures of the
# normalisation mistake. Needs .build/release/restormer (make build).
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 out=$2 steps=${3:-400}
program=.build/release/restormer

run() { # NAME OPTIONS...
  local name=$1
  shift
  "$program" train --data "$data/train" --val "$data/val" --preset tiny --patch 64 --batch 4 \
    --steps "$steps" --val-every "$steps" --save-every "$steps" --experiments "$out" --name "$name" "$@" \
    2>"$out/$name.log"
}

score() { # NAME: mean PSNR, SSIM, L1, L2 of the final weights
  "$program" evaluate "$data/val/input" "$data/val/target" -m "$out/$1/models/final.safetensors" \
    --format csv 2>/dev/null | tail -1 | awk -F, '{printf "%.2f | %.4f | %.4f | %.5f", $2, $3, $6, $7}'
}

mkdir -p "$out"
run base --loss l1 --optimizer adamw --lr 1e-3 --schedule cosine
run mse --loss mse --optimizer adamw --lr 1e-3 --schedule cosine
run sgd --loss l1 --optimizer sgd --lr 1e-1 --clip 1 --schedule cosine
run constant --loss l1 --optimizer adamw --lr 1e-3 --schedule constant
run normalised --loss l1 --optimizer adamw --lr 1e-3 --schedule cosine --normalize 0.5,0.5

# The mistake: a network trained on [-1, 1] answers in [-1, 1]; clamped to [0, 1] without undoing the normalisation, every
# value y of the right picture becomes max(0, 2 y - 1) and the dark half turns black. Needs Pillow for this picture only.
"$program" restore Examples/page-blurred.png -o "$out/normalised-undone.png" --overwrite \
  -m "$out/normalised/models/final.safetensors" 2>/dev/null
python3 - "$out/normalised-undone.png" "$out/normalised-not-undone.png" <<'PYTHON' || echo "no Pillow: no picture" >&2
import sys
from PIL import Image
Image.open(sys.argv[1]).point(lambda value: max(0, 2 * value - 255)).save(sys.argv[2])
PYTHON

{
  echo "| run ($steps steps, tiny, 4 patches of 64) | PSNR | SSIM | L1 | L2 |"
  echo "|---|---|---|---|---|"
  "$program" evaluate "$data/val/input" "$data/val/target" --format csv | tail -1 |
    awk -F, '{printf "| blurred input | %.2f | %.4f | %.4f | %.5f |\n", $2, $3, $6, $7}'
  echo "| L1, AdamW, cosine | $(score base) |"
  echo "| **L2** instead of L1 | $(score mse) |"
  echo "| **SGD** (momentum 0.9) instead of AdamW | $(score sgd) |"
  echo "| **constant** rate instead of cosine | $(score constant) |"
  echo "| normalised to [-1, 1], undone | $(score normalised) |"
} | tee "$out/table.md"
