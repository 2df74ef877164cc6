#!/bin/bash
# Builds packages for people without a Swift toolchain, into packages/: a tarball that runs anywhere, and a .deb.
# usage: Scripts/package.sh        RESTORMER_PROGRAM names a program that is built already
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^#define RESTORMER_VERSION "\(.*\)"$/\1/p' Sources/CLI/CVersion/include/CVersion.h)
machine=$(uname -m)
architecture=$(dpkg --print-architecture)
out=$PWD/packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Swift's runtime becomes part of the program. Libraries are looked for beside it first; the old kind of path counts for
# the libraries' own libraries, too.
build() {
  # Without it the manifest, and the commit in the version, may be those of an earlier build.
  swift build -c release --static-swift-stdlib --product restormer --scratch-path .build-static \
    --manifest-cache none ${SWIFT_FLAGS:-} \
    -Xlinker -rpath -Xlinker '$ORIGIN/../lib/restormer' -Xlinker --disable-new-dtags
}

program=${RESTORMER_PROGRAM:-.build-static/release/restormer}
[[ -n ${RESTORMER_PROGRAM:-} ]] || build
cp "$program" "$work/restormer"
strip "$work/restormer"

tarball() {
  local name=restormer-$version-linux-$machine
  local root=$work/$name
  Scripts/install.sh "$work/restormer" "$root"
  mkdir -p "$root/lib/restormer"
  # All but what belongs to the system's C library, which is never mixed with another.
  ldd "$root/bin/restormer" | awk '$3 ~ /^\// { print $3 }' \
    | grep -vE '/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*)\.so' \
    | xargs -I {} cp -L {} "$root/lib/restormer/"
  strip "$root"/lib/restormer/*
  tar -C "$work" --owner=0 --group=0 --sort=name -cJf "$out/$name.tar.xz" "$name"
  echo "$out/$name.tar.xz ($(du -h --apparent-size "$out/$name.tar.xz" | cut -f 1))"
  echo "  needs glibc $(newest_glibc "$root"/bin/restormer "$root"/lib/restormer/*) or newer"
}

newest_glibc() {
  objdump -T "$@" 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | sed 's/GLIBC_//' | sort -uV | tail -n 1
}

debian() {
  local root=$work/deb
  Scripts/install.sh "$work/restormer" /usr "$root"
  # The system's libraries serve here, and no path of its own.
  chrpath -d "$root/usr/bin/restormer" >/dev/null
  local share=$root/usr/share
  mkdir -p "$share/zsh/vendor-completions"
  mv "$share/zsh/site-functions/_restormer" "$share/zsh/vendor-completions"
  rmdir "$share/zsh/site-functions"
  mv "$share/doc/restormer/LICENSE" "$share/doc/restormer/copyright"
  gzip -9n "$share/doc/restormer/CHANGELOG.md"
  mkdir -p "$work/debian" "$root/DEBIAN"
  printf 'Source: restormer\n\nPackage: restormer\nArchitecture: any\n' >"$work/debian/control"
  local needs
  needs=$(cd "$work" && dpkg-shlibdeps -O deb/usr/bin/restormer | sed -n 's/^shlibs:Depends=//p')
  cat >"$root/DEBIAN/control" <<CONTROL
Package: restormer
Version: $version
Architecture: $architecture
Maintainer: The authors of restormer <restormer@localhost>
Depends: $needs
Recommends: pocl-opencl-icd | opencl-icd
Suggests: poppler-utils, tesseract-ocr
Section: graphics
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Description: restores images with Restormer on any OpenCL device or the CPU
 Removes blur, noise and rain from images with the network Restormer, on GPUs
 of any vendor through OpenCL, or on the CPU. A model for blurred photographs
 of text is part of the program, and so is a page for the browser.
CONTROL
  local file=$out/restormer_${version}_$architecture.deb
  dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
  echo "$file ($(du -h --apparent-size "$file" | cut -f 1))"
  echo "  depends on $needs"
}

mkdir -p "$out"
tarball
debian
