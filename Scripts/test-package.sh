#!/bin/bash
# Tries both packages where nothing else is: an empty Debian 12 without Swift, made by debootstrap. Wants to be root.
# usage: Scripts/test-package.sh       after Scripts/package.sh
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "test-package: $1" >&2
  exit 1
}

((EUID == 0)) || fail "an empty Debian is made by root only"
command -v debootstrap >/dev/null || fail "no debootstrap: apt-get install debootstrap"
deb=$(ls packages/restormer_*.deb) || fail "no packages: run 'make package' first"
tarball=$(ls packages/restormer-*.tar.xz)

work=$(mktemp -d)
trap 'umount -q "$work"/root/{proc,sys} || true; rm -rf --one-file-system "$work"' EXIT
root=$work/root

debootstrap --variant=minbase bookworm "$root" "$(Scripts/debian-archive.sh)" >"$work/log" 2>&1 \
  || fail "debootstrap: $(tail -n 1 "$work/log")"
cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
# Small images leave manual pages out.
rm -f "$root"/etc/dpkg/dpkg.cfg.d/docker "$root"/etc/apt/apt.conf.d/docker-*
mount -t proc proc "$root/proc"
# PoCL learns there how much memory the machine has.
mount -t sysfs -o ro sysfs "$root/sys"
cp "$deb" "$tarball" Examples/page-blurred.png "$root/root/"

inside() { # a command, in the empty system
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive bash -ec "$1"
}

files() { # everything that is there, but for what package managers note down
  (cd "$root" && find . -xdev -not -path './proc/*' -not -path './sys/*' -not -path './var/lib/*' \
    -not -path './var/cache/*' -not -path './var/log/*' -not -path './tmp/*' \
    -not -path './root/*' | sort)
}

restores() { # program, device: the page becomes another one of its size
  inside "cd /root && rm -rf out && $1 restore page-blurred.png -o out -d $2 2>out.log \
    && test -s out/page-blurred.png && ! cmp -s page-blurred.png out/page-blurred.png" \
    || fail "$1 restore -d $2: $(cat "$root/root/out.log")"
  echo "ok: $1 restores on $2"
}

inside 'apt-get update' >"$work/log" 2>&1 || fail "apt-get update: $(tail -n 1 "$work/log")"
inside 'command -v swift' >/dev/null && fail "there is a Swift in the empty system"

# The tarball: no package at all beside it.
inside "cd /root && apt-get install -y --no-install-recommends xz-utils >/dev/null 2>&1; tar -xJf $(basename "$tarball")"
unpacked=/root/$(basename "$tarball" .tar.xz)/bin/restormer
inside "$unpacked --version"
restores "$unpacked" auto

# The .deb: first without any OpenCL driver, then with one.
files >"$work/before"
inside "apt-get install -y --no-install-recommends man-db bash-completion" >"$work/log" 2>&1 \
  || fail "$(tail -n 1 "$work/log")"
files >"$work/tools"
inside "apt-get install -y --no-install-recommends /root/$(basename "$deb")" >"$work/log" 2>&1 \
  || fail "installing: $(tail -n 1 "$work/log")"
inside 'restormer devices' | grep -q 'CPU backend' || fail "devices does not list the CPU backend"
restores restormer auto
inside 'MANPAGER=cat man restormer-train' | grep -q -- --data || fail "man restormer-train"
echo "ok: man restormer-train"
inside '. /usr/share/bash-completion/bash_completion
  _completion_loader restormer || [[ $? == 124 ]]
  COMP_WORDS=(restormer rest) COMP_CWORD=1 COMP_LINE="restormer rest" COMP_POINT=14
  _restormer restormer rest restormer
  [[ " ${COMPREPLY[*]} " == *" restore "* ]]' || fail "completion in bash"
echo "ok: completion"
inside 'apt-get install -y --no-install-recommends pocl-opencl-icd' >"$work/log" 2>&1 \
  || fail "$(tail -n 1 "$work/log")"
inside 'restormer devices' | grep -qi pocl || fail "devices does not list the OpenCL driver"
restores restormer 0

inside 'apt-get purge -y restormer pocl-opencl-icd && apt-get autoremove -y --purge' >"$work/log" 2>&1
rest=$(files | comm -13 "$work/tools" - | grep -i restormer || true)
[[ -z $rest ]] || fail "left behind after removal: $rest"
echo "ok: removed without a trace"
