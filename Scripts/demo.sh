#!/bin/bash
# Restores the sample page with the bundled model, then trains a very small network on the bundled pages for about two
# minutes. Everything lands in demo-output/.
set -euo pipefail
cd "$(dirname "$0")/.."

restormer=.build/release/restormer
rm -rf demo-output
mkdir -p demo-output/blurred demo-output/sharp
cp Examples/page-blurred.png demo-output/blurred/page.png
cp Examples/page-sharp.png demo-output/sharp/page.png

# The mean PSNR of the images in a folder, in dB.
psnr() {
  "$restormer" evaluate "$1" "$2" --format csv | awk -F, 'END { printf "%.2f", $2 }'
}

echo "== Restoring the sample page"
# The program says which device and which model it uses.
"$restormer" restore demo-output/blurred -o demo-output/restored
echo "PSNR against the sharp page: blurred $(psnr demo-output/blurred demo-output/sharp) dB," \
  "restored $(psnr demo-output/restored demo-output/sharp) dB"

echo
echo "== Training a tiny network on Examples/pages, from nothing, about two minutes"
"$restormer" train --data Examples/pages/train --degrade "none defocus=1.5-2 noise=1" --val Examples/pages/val \
  --preset tiny --patch 64 --batch 4 --lr 3e-3 --schedule cosine --ema 0.95 --clip 1 \
  --steps 700 --val-every 70 --max-minutes 5 --experiments demo-output --name training

echo
echo "PSNR on held-out pages, none of which it trained on:"
awk -F, 'NR > 1 && $6 != "" { bar = sprintf("%*s", 3 * ($6 - 10), ""); gsub(/ /, "#", bar); printf "  step %4d  %5.2f dB  %s\n", $1, $6, bar }' \
  demo-output/training/metrics.csv
echo
echo "the page, blurred:   $PWD/demo-output/blurred/page.png"
echo "the page, restored:  $PWD/demo-output/restored/page.png"
echo "what the new network makes of held-out pages (input, output, target): $PWD/demo-output/training/samples"
