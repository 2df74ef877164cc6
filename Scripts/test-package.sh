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
trap 'kill "$(cat "$work/root/tmp/serve.pid" 2>/dev/null)" 2>/dev/null || true; umount -q "$work"/root/{proc,sys} || true; rm -rf --one-file-system "$work"' EXIT
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

shares() { # program, launcher: two ranks restore a page each
  inside "cd /root && rm -rf pages out && mkdir pages && cp page-blurred.png pages/a.png && cp page-blurred.png pages/b.png \
    && $2 -n 2 $1 restore pages -o out -d cpu -j 1 >out.log 2>&1 && cmp out/a.png out/b.png" \
    || fail "$2 $1 restore: $(cat "$root/root/out.log")"
  echo "ok: $1 shares out pages with $2"
}

serves() { # program: a page that is sent to the server comes back restored
  : >"$work/serve"
  inside "echo \$\$ >/tmp/serve.pid; exec $1 serve -p 0 -d cpu" 2>>"$work/serve" &
  local server=$! url='' id='' try
  for try in {1..100}; do
    url=$(grep -oE 'http://[0-9.:]+/' "$work/serve") && break
    sleep 0.1
  done
  [[ -n $url ]] || fail "$1 serve: $(cat "$work/serve")"
  id=$(curl -sf -H 'Content-Type: image/png' --data-binary @Examples/page-blurred.png "${url}api/jobs?name=page.png" \
    | sed -E 's/.*"id":"([0-9a-f]+)".*/\1/')
  curl -sfN -m 120 "${url}api/jobs/$id/events" >"$work/events" || fail "$1 serve: no end of $id"
  curl -sf -o "$work/served.png" "${url}api/jobs/$id/result" || fail "$1 serve: $(tail -n 3 "$work/events")"
  cmp -s "$work/served.png" "$root/root/out/page-blurred.png" || fail "$1 serve gives another page than restore"
  kill "$(cat "$root/tmp/serve.pid")"
  wait "$server" || fail "$1 serve does not end well"
  rm "$root/tmp/serve.pid"
  echo "ok: $1 serves the page that it restores"
}

inside 'apt-get update' >"$work/log" 2>&1 || fail "apt-get update: $(tail -n 1 "$work/log")"
inside 'command -v swift' >/dev/null && fail "there is a Swift in the empty system"

# The tarball: no package at all beside it but what unpacks it.
install() { # packages
  inside "apt-get install -y --no-install-recommends $*" >"$work/log" 2>&1 || fail "installing $*: $(tail -n 3 "$work/log")"
}
install xz-utils
inside "cd /root && tar -xJf $(basename "$tarball")"
unpacked=/root/$(basename "$tarball" .tar.xz)/bin/restormer
inside "$unpacked --version"
restores "$unpacked" auto

# The .deb: first without any OpenCL driver, then with one that lacks its linker, then with all.
files >"$work/before"
install man-db bash-completion zsh fish
files >"$work/tools"
started=$SECONDS
install "/root/$(basename "$deb")"
restores restormer auto
echo "ok: installed and restored in $((SECONDS - started)) s"
# Read to its end: a reader that leaves early would end the program by a signal.
lists() { grep -i "$1" <<<"$(inside 'restormer devices')" >/dev/null || fail "devices does not list the $2"; }
lists 'CPU backend' 'CPU backend'
instructions() { inside "$1 devices" | grep -o 'none needed ([a-z0-9]*)'; }
[[ $(instructions restormer) == "$(instructions "$unpacked")" ]] || fail "the tarball takes other instructions of the processor"
serves restormer
for page in restormer restormer-restore restormer-train restormer-serve; do
  inside "MANPAGER=cat man $page" >"$work/page" 2>"$work/log" || fail "man $page: $(cat "$work/log")"
  [[ ! -s $work/log ]] || fail "man $page warns: $(cat "$work/log")"
done
grep -q -- --port "$work/page" || fail "man restormer-serve without --port"
echo "ok: manual pages"
inside '. /usr/share/bash-completion/bash_completion
  _completion_loader restormer || [[ $? == 124 ]]
  COMP_WORDS=(restormer rest) COMP_CWORD=1 COMP_LINE="restormer rest" COMP_POINT=14
  _restormer restormer rest restormer
  [[ " ${COMPREPLY[*]} " == *" restore "* ]]' || fail "completion in bash"
inside 'fish -c "complete -C \"restormer rest\""' | grep '^restore' >/dev/null || fail "completion in fish"
inside 'zsh -fc "autoload -U compinit && compinit -u && [[ \$_comps[restormer] == _restormer ]] && autoload +X _restormer"' \
  || fail "completion in zsh"
echo "ok: completion in bash, fish and zsh"
inside 'ls /usr/share/doc/restormer/examples/options/*.yml /usr/share/doc/restormer/examples/sweeps/*.yml' >/dev/null \
  || fail "no examples"
install pocl-opencl-icd
restores restormer auto
install binutils
lists '^ *0 .*portable computing' 'OpenCL driver'
restores restormer 0
install openmpi-bin
shares restormer "mpirun.openmpi --allow-run-as-root --oversubscribe"
install mpich
shares "$unpacked" mpiexec.mpich
# The driver wants newer libraries than the tarball was made with.
restores "$unpacked" 0

inside 'apt-get purge -y restormer && apt-get autoremove -y --purge' >"$work/log" 2>&1
rest=$(files | comm -13 "$work/tools" - | grep -i restormer || true)
[[ -z $rest ]] || fail "left behind after removal: $rest"
echo "ok: removed without a trace"
