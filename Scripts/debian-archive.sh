#!/bin/bash
# Prints the address of the archive that this Debian installs from.
set -euo pipefail

cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null \
  | sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' \
  | grep -v security | head -n 1
