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

# What the program is linked against decides how old a system may be: that is Debian 11 with glibc 2.31, unpacked into a
# folder. Root is needed to make it; without, and without an archive that still has it, this system is the oldest.
sysroot=$PWD/.build-sysroot
make_sysroot() {
  [[ -e $sysroot/done ]] && return
  ((EUID == 0)) || return
  rm -rf "$sysroot"
  debootstrap --variant=minbase \
    --include=libc6-dev,libstdc++-10-dev,libpng-dev,libjpeg62-turbo-dev,zlib1g-dev,ocl-icd-opencl-dev \
    bullseye "$sysroot" "$(Scripts/debian-archive.sh)" >"$work/log" 2>&1 || return
  # Links that begin at the root mean this folder.
  find "$sysroot"/usr/lib "$sysroot"/usr/lib64 -lname '/*' | while read -r link; do
    ln -srfn "$sysroot$(readlink "$link")" "$link"
  done
  : >"$sysroot/done"
}

# Swift's runtime becomes part of the program, and of the C++ library what Debian 11's is too old for. Libraries are looked
# for beside the program first; the old kind of path counts for the libraries' own libraries, too.
build() {
  local old=()
  if [[ -e $sysroot/done ]]; then
    old=(-Xswiftc -Xclang-linker -Xswiftc "--sysroot=$sysroot" -Xlinker --as-needed)
    old+=(-Xlinker "$(gcc -print-file-name=libstdc++.a)")
    for library in pthread dl rt util; do old+=(-Xlinker "-l$library"); done
  fi
  # Without it the manifest, and the commit in the version, may be those of an earlier build.
  # shellcheck disable=SC2086,SC2016
  swift build -c release --static-swift-stdlib --product restormer --scratch-path .build-static \
    --manifest-cache none ${SWIFT_FLAGS:-} "${old[@]}" \
    -Xlinker -rpath -Xlinker '$ORIGIN/../lib/restormer' -Xlinker --disable-new-dtags
}

program=${RESTORMER_PROGRAM:-.build-static/release/restormer}
if [[ -z ${RESTORMER_PROGRAM:-} ]]; then
  make_sysroot || echo "package: no Debian 11 to link against: the packages want a system as new as this one"
  build
fi
cp "$program" "$work/restormer"
strip "$work/restormer"

tarball() {
  local name=restormer-$version-linux-$machine
  local root=$work/$name
  Scripts/install.sh "$work/restormer" "$root"
  mkdir -p "$root/lib/restormer"
  libraries "$root/bin/restormer" | xargs -I {} cp -L {} "$root/lib/restormer/"
  strip "$root"/lib/restormer/*
  tar -C "$work" --owner=0 --group=0 --sort=name -cJf "$out/$name.tar.xz" "$name"
  echo "$out/$name.tar.xz ($(du -h --apparent-size "$out/$name.tar.xz" | cut -f 1))"
  echo "  needs glibc $(newest_glibc "$root"/bin/restormer "$root"/lib/restormer/*) or newer"
}

# The libraries that a program needs, all but those of the C library, which is never mixed with another; from the system
# that it was linked against.
libraries() {
  local from=''
  if [[ -e $sysroot/done && -z ${RESTORMER_PROGRAM:-} ]]; then
    from=$sysroot
    cp "$1" "$sysroot/program"
    chroot "$sysroot" ldd /program
    rm "$sysroot/program"
  else
    ldd "$1"
  fi | awk '$3 ~ /^\// { print $3 }' \
    | grep -vE '/(libc|libm|libdl|librt|libutil|libpthread|ld-linux[^/]*)\.so' | sed "s#^#$from#"
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
