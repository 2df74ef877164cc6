#!/bin/bash
# Fuzzes the image readers under the address sanitizer.
# usage: Scripts/fuzz-images.sh [SECONDS] [SEEDS]      (a folder of images to begin with)
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
seeds=${2:-Examples}
work=.build/fuzz
mkdir -p "$work/corpus"
clang -std=c2x -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
  -ISources/Restormer/IO/CImage/include Tests/Fuzz/images.c Sources/Restormer/IO/CImage/*.c \
  -lpng -ljpeg -ltiff -lwebp -lwebpdemux -lz -lpthread -lm -o "$work/images"
"$work/images" -max_total_time="$seconds" -max_len=20000 -rss_limit_mb=2048 -timeout=20 \
  -artifact_prefix="$work/" "$work/corpus" "$seeds"
