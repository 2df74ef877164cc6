#!/bin/bash
# Installs what building, running and testing need. Prints nothing when nothing is missing.
# usage: Scripts/setup.sh [build|test|browser|package|mpi|protocols]
# (test also wants oclgrind, browser a Chromium without windows, package what packs and what tries the packages, protocols protoc)
set -euo pipefail

purpose=${1:-test}
minimum_major=6
minimum_minor=1
# Only for testing this script: look for files under another root.
root=${RESTORMER_SETUP_ROOT:-}
# Remembers that this system's archive has no simulator, so that it is not asked every time.
no_simulator=${root:-$(dirname "$0")/..}/.build/no-oclgrind

fail() {
  echo "setup: $1" >&2
  exit 1
}

has_file() { # any of the given glob patterns names a file
  local path
  for path in "$@"; do
    # A pattern that matches nothing stays as it is and names no file.
    if [[ -e $path ]]; then return 0; fi
  done
  return 1
}

has_header() {
  has_file "$root"/usr/include/"$1" "$root"/usr/include/*-linux-gnu*/"$1" \
    "$root"/usr/local/include/"$1"
}

has_library() {
  has_file "$root"/usr/lib/lib"$1".so "$root"/usr/lib/*-linux-gnu*/lib"$1".so \
    "$root"/usr/lib64/lib"$1".so "$root"/usr/local/lib/lib"$1".so
}

has_command() {
  command -v "$1" >/dev/null
}

jpeg_package() { # Debian and Ubuntu name the same library differently
  local ids=
  if [[ -r $root/etc/os-release ]]; then
    # shellcheck source=/dev/null
    ids=$(. "$root/etc/os-release" && echo "${ID:-} ${ID_LIKE:-}")
  fi
  case " $ids " in
    *" ubuntu "*) echo libjpeg-turbo8-dev ;;
    *) echo libjpeg62-turbo-dev ;;
  esac
}

check_swift() {
  has_command swift || fail "no swift in PATH: install Swift $minimum_major.$minimum_minor or newer (swift.org/install)"
  local text
  text=$(swift -print-target-info 2>&1) || fail "swift does not run: ${text%%$'\n'*}"
  [[ $text =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] \
    || fail "cannot read the version of $(command -v swift): ${text%%$'\n'*}"
  local major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
  if ((major < minimum_major || (major == minimum_major && minor < minimum_minor))); then
    fail "swift $major.$minor is too old: $minimum_major.$minimum_minor or newer is needed (swift.org/install)"
  fi
}

has_browser() { # the one that the tests find
  has_command chromium-headless-shell || has_command chromium || has_command chromium-browser \
    || has_command google-chrome
}

find_missing() { # fills the array `missing` with package names
  missing=()
  has_header CL/cl.h || missing+=(opencl-headers)
  has_library OpenCL || missing+=(ocl-icd-opencl-dev)
  # PoCL is the device that is always there, next to whatever GPU driver exists.
  has_file "$root"/etc/OpenCL/vendors/*pocl*.icd || missing+=(pocl-opencl-icd)
  # PoCL links its kernels with ld.
  has_command ld || missing+=(binutils)
  { has_header png.h && has_library png; } || missing+=(libpng-dev)
  { has_header jpeglib.h && has_library jpeg; } || missing+=("$(jpeg_package)")
  { has_header tiffio.h && has_library tiff; } || missing+=(libtiff-dev)
  { has_header webp/demux.h && has_library webpdemux; } || missing+=(libwebp-dev)
  # SwiftPM fetches the package dependencies with git over https.
  has_command git || missing+=(git)
  has_file "$root"/etc/ssl/certs/ca-certificates.crt || missing+=(ca-certificates)
  if [[ $purpose == test && ! -e $no_simulator ]]; then
    has_command oclgrind || missing+=(oclgrind)
  fi
  if [[ $purpose == browser ]]; then
    # With a font of its own: text without one has no size.
    has_browser || missing+=(chromium-headless-shell fonts-dejavu-core)
  fi
  if [[ $purpose == mpi ]]; then
    has_command mpicc.openmpi || missing+=(libopenmpi-dev openmpi-bin)
    has_command mpicc.mpich || missing+=(libmpich-dev mpich)
    has_command ip || missing+=(iproute2)
  fi
  if [[ $purpose == protocols ]]; then
    has_command protoc || missing+=(protobuf-compiler)
  fi
  if [[ $purpose == package ]]; then
    has_command dpkg-shlibdeps || missing+=(dpkg-dev)
    has_command chrpath || missing+=(chrpath)
    has_command debootstrap || missing+=(debootstrap)
    has_command xz || missing+=(xz-utils)
    has_command curl || missing+=(curl)
  fi
}

drop_absent_simulator() { # the one package that testing can do without
  if [[ " ${missing[*]} " != *" oclgrind "* ]] || apt-cache show oclgrind >/dev/null 2>&1; then
    return
  fi
  echo "setup: this system has no package oclgrind: kernels will not run on the simulator"
  mkdir -p "$(dirname "$no_simulator")"
  : >"$no_simulator"
  find_missing
}

install_missing() {
  has_command apt-get || fail "no apt-get here, install by hand: ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    has_command sudo || fail "neither root nor sudo, have an administrator run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  "${apt[@]}" update </dev/null || fail "apt-get update failed"
  drop_absent_simulator
  ((${#missing[@]} > 0)) || return 0
  "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null \
    || fail "apt-get could not install ${missing[*]}"
}

check_swift
find_missing
if ((${#missing[@]} > 0)); then
  install_missing
  find_missing
  ((${#missing[@]} == 0)) || fail "installed, but still not found: ${missing[*]}"
fi
