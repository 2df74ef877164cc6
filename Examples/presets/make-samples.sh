#!/bin/sh
# Makes the sample pairs of this folder from Examples/page-sharp.png: RESTORMER=path/to/restormer Examples/presets/make-samples.sh
set -eu
cd "$(dirname "$0")"
restormer=${RESTORMER:-restormer}

pair() {  # name, recipe, further options
  name=$1 recipe=$2
  shift 2
  rm -rf "$name"
  "$restormer" degrade ../page-sharp.png -o "$name" -r "$recipe" --crop 128 --count 1 --seed 3 "$@"
  rm -f "$name/manifest.json"
  mv "$name"/input/*.png "$name/input.png"
  mv "$name"/target/*.png "$name/target.png"
  rmdir "$name/input" "$name/target"
}

pair motion-deblurring 'none motion=7 noise=1'
pair defocus-single-image 'none defocus=2 noise=1'
pair denoising-gaussian-color 'none noise=25'
pair denoising-gaussian-gray 'none noise=25' --gray
pair denoising-real 'none shot=8 noise=6'
pair deraining 'none rain=200'

# Dual-pixel views are the two halves of the lens: each sees its half of the disk, shifted against the other.
rm -rf defocus-dual-pixel
mkdir defocus-dual-pixel
cp defocus-single-image/target.png defocus-dual-pixel/target.png
python3 - <<'PY'
import numpy as np
from PIL import Image

page = np.asarray(Image.open("defocus-dual-pixel/target.png").convert("RGB"), np.float32)
radius = 3
grid = np.arange(-radius, radius + 1)
disk = np.hypot(*np.meshgrid(grid, grid)) <= radius
padded = np.pad(page, ((radius, radius), (radius, radius), (0, 0)), "reflect")
height, width = page.shape[:2]
for name, half in (("left", grid <= 0), ("right", grid >= 0)):
    places = np.argwhere(disk & half[None, :])
    view = sum(padded[y : y + height, x : x + width] for y, x in places) / len(places)
    Image.fromarray((view + 0.5).astype(np.uint8)).save(f"defocus-dual-pixel/{name}.png")
PY
