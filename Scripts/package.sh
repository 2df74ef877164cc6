#!/bin/bash
# Builds packages for people without a Swift toolchain, into packages/: a tarball that runs anywhere, and a .deb for the
# Debian that this is.
# usage: Scripts/package.sh
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^#define RESTORMER_VERSION "\(.*\)"$/\1/p' Sources/CLI/CVersion/include/CVersion.h)
machine=$(uname -m)
architecture=$(dpkg --print-architecture)
out=$PWD/packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the program is linked against decides how old a system may be. The tarball's is Debian 11 with glibc 2.31, unpacked
# into a folder. Root is needed to make it; without, and without an archive that still has it, this system is the oldest.
old=$PWD/.build-sysroot/bullseye
archives=(tiff webpdemux webp png jpeg zstd lzma jbig deflate z)
make_sysroot() {
  [[ -e $old/done ]] && return
  ((EUID == 0)) || return
  mkdir -p "${old%/*}"
  rm -rf --one-file-system "$old"
  debootstrap --variant=minbase \
    --include=libc6-dev,libstdc++-10-dev,libpng-dev,libjpeg62-turbo-dev,libtiff-dev,libwebp-dev,libzstd-dev,liblzma-dev,libjbig-dev,libdeflate-dev,zlib1g-dev,ocl-icd-opencl-dev \
    bullseye "$old" "$(Scripts/debian-archive.sh)" >"$work/log" 2>&1 || return
  # Links that begin at the root mean this folder.
  find "$old"/usr/lib "$old"/usr/lib64 -lname '/*' | while read -r link; do
    ln -srfn "$old$(readlink "$link")" "$link"
  done
  # What has an archive becomes part of the program. Beside it, it would be found by the OpenCL drivers as well, which are
  # newer and want libraries of their own age. The C++ library is the compiler's, as Debian 11's lacks what Swift's
  # runtime wants.
  for library in "${archives[@]}"; do
    rm "$old"/usr/lib/*/"lib$library.so" || return
  done
  rm "$old"/usr/lib/gcc/*/*/libstdc++.so || return
  cp "$(gcc -print-file-name=libstdc++.a)" "$old"/usr/lib/gcc/*/*/libstdc++.a || return
  # It asks whether there is one thread only, which the C library tells since 2.32: there never is.
  gcc -x c -fPIC -c -o "$old/usr/lib/one-thread.o" - <<<'char __libc_single_threaded;' || return
  : >"$old/done"
}

# The objects of the ordinary release build are linked anew, which takes seconds: Swift's runtime becomes part of the program.
# Without its option the manifest, and the commit in the version, may be those of an earlier build.
# shellcheck disable=SC2086
swift build -c release --product restormer --manifest-cache none ${SWIFT_FLAGS:-}
objects=$PWD/.build/release/restormer.product/Objects.LinkFileList
mapfile -t runtime < <(
  cd "$(dirname "$(readlink -f "$(command -v swiftc)")")/../lib/swift_static/linux"
  ls lib*.a | sed -E 's/^lib(.*)\.a$/-l\1/')

# Libraries that are no part of the program are looked for beside it first.
program=$work/restormer
link_against() { # the root of a system, a folder that gets bin/restormer, libraries to add
  local flags=(-Xclang-linker "--sysroot=$1" -Xlinker --as-needed) library
  # Those of the C targets in Package.swift, then what archives want of each other, and of the C library of old.
  for library in png jpeg tiff webp webpdemux z "${@:3}" pthread dl rt util; do flags+=("-l$library"); done
  if [[ $1 == / ]]; then
    # Nothing is merged: the libraries' own libraries are looked for beside the program, too.
    flags+=(-Xlinker --disable-new-dtags)
  else
    flags+=(-Xlinker "$1/usr/lib/one-thread.o")
  fi
  # Objects name the libraries that they use, but not those that these use.
  # shellcheck disable=SC2016
  if ! swiftc -static-stdlib -emit-executable -o "$program" "@$objects" -Xlinker --defsym -Xlinker main=CLI_main \
    -Xlinker --start-group "${runtime[@]}" -lstdc++ -Xlinker --end-group "${flags[@]}" \
    -Xlinker --gc-sections -Xlinker --exclude-libs -Xlinker ALL \
    -Xlinker -rpath -Xlinker '$ORIGIN/../lib/restormer' >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
  install -D "$program" "$2/bin/restormer"
  strip "$2/bin/restormer"
}

# For jobs of several processes: a plug-in for each MPI library that this system has, small enough to be there for all.
message_passing() { # the program's folder
  Scripts/mpi.sh "$1" >/dev/null 2>&1 || { echo "package: no mpicc here: without MPI"; return; }
  strip "$1"/librestormer-*.so
}

# The libraries that a program needs, all but those of the C library, which is never mixed with another, and the
# compiler's, which every system has.
libraries() { # the root of the system that it was linked against, program
  local before=()
  if [[ $1 != / ]]; then before=(chroot "$1"); fi
  cp "$2" "$1/tmp/restormer-program"
  "${before[@]}" ldd /tmp/restormer-program | awk '$3 ~ /^\// { print $3 }' \
    | grep -vE '/(libc|libm|libdl|librt|libutil|libpthread|libgcc_s|ld-linux[^/]*)\.so'
  rm "$1/tmp/restormer-program"
}

# Under what terms libraries may be passed on: those beside the program, and those that became part of it.
terms() { # the root of a system, the tarball's root, libraries
  local file package
  for file in "${@:3}"; do
    # Packages name their files as they did before /lib became /usr/lib.
    package=$(dpkg-query --admindir="$1/var/lib/dpkg" -S "${file#/usr}" "/usr${file#/usr}" 2>/dev/null | head -n 1) || true
    package=${package%%:*}
    install -D -m 644 "$1/usr/share/doc/$package/copyright" "$2/share/doc/restormer/libraries/$package"
  done
}

package_terms() { # the folder of the documentation: of the Swift packages that are part of the program
  local folder
  for folder in .build/checkouts/*; do
    install -D -m 644 "$folder"/LICENSE* "$1/libraries/${folder##*/}"
  done
}

newest_glibc() {
  objdump -T "$@" 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | sed 's/GLIBC_//' | sort -uV | tail -n 1
}

tarball() {
  local system=/ name=restormer-$version-linux-$machine
  if make_sysroot; then
    system=$old
  else
    echo "package: no Debian 11 to link against: the tarball wants a system as new as this one"
  fi
  local merged=()
  if [[ $system != / ]]; then merged=("${archives[@]}"); fi
  link_against "$system" "$work/linked" "${merged[@]}"
  local root=$work/$name
  mkdir -p "$work/linked/lib/restormer"
  local beside
  mapfile -t beside < <(libraries "$system" "$work/linked/bin/restormer")
  cp -L "${beside[@]/#/$system}" "$work/linked/lib/restormer/"
  mapfile -t -O "${#beside[@]}" beside < <(
    for archive in "${merged[@]}"; do (cd "$system" && ls -d usr/lib/*/"lib$archive.a") | sed 's#^#/#'; done)
  terms "$system" "$work/linked" "${beside[@]}"
  strip "$work"/linked/lib/restormer/*
  message_passing "$work/linked/bin"
  # The program prints its own help, for which it needs the libraries beside it.
  Scripts/install.sh "$work/linked/bin/restormer" "$root"
  cp -r "$work"/linked/lib "$work"/linked/share "$root/"
  package_terms "$root/share/doc/restormer"
  tar -C "$work" --owner=0 --group=0 --sort=name -cJf "$out/$name.tar.xz" "$name"
  echo "$out/$name.tar.xz ($(du -h --apparent-size "$out/$name.tar.xz" | cut -f 1))"
  echo "  needs glibc $(newest_glibc "$root"/bin/restormer "$root"/lib/restormer/*) or newer"
}

debian() {
  local root=$work/deb
  link_against / "$work/native"
  message_passing "$work/native/bin"
  Scripts/install.sh "$work/native/bin/restormer" /usr "$root"
  # The system's libraries serve here, and no path of its own.
  chrpath -d "$root/usr/bin/restormer" >/dev/null
  local share=$root/usr/share
  mkdir -p "$share/zsh/vendor-completions"
  mv "$share/zsh/site-functions/_restormer" "$share/zsh/vendor-completions"
  rmdir "$share/zsh/site-functions"
  mv "$share/doc/restormer/LICENSE" "$share/doc/restormer/copyright"
  gzip -9n "$share/doc/restormer/CHANGELOG.md"
  package_terms "$share/doc/restormer"
  mkdir -p "$work/debian" "$root/DEBIAN"
  printf 'Source: restormer\n\nPackage: restormer\nArchitecture: any\n' >"$work/debian/control"
  local needs
  needs=$(cd "$work" && dpkg-shlibdeps -O deb/usr/bin/restormer | sed -n 's/^shlibs:Depends=//p')
  # PoCL calls the linker of binutils, which it does not ask for itself.
  cat >"$root/DEBIAN/control" <<CONTROL
Package: restormer
Version: $version
Architecture: $architecture
Maintainer: The authors of restormer <restormer@localhost>
Depends: $needs
Recommends: pocl-opencl-icd | opencl-icd, binutils
Suggests: poppler-utils, tesseract-ocr, openmpi-bin | mpich
Section: graphics
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Description: restores images with Restormer on any OpenCL device or the CPU
 Removes blur, noise and rain from images with the network Restormer, on GPUs
 of any vendor through OpenCL, or on the CPU. A model for blurred photographs
 of text is part of the program, and so is a page for the browser.
CONTROL
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  local file=$out/restormer_${version}_$architecture.deb
  dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
  echo "$file ($(du -h --apparent-size "$file" | cut -f 1))"
  echo "  depends on $needs"
}

mkdir -p "$out"
tarball
debian
