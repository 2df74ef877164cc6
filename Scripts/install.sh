#!/bin/bash
# Lays the built program out under a prefix, with manual pages, completions and examples.
# usage: Scripts/install.sh PROGRAM PREFIX [DESTDIR]
#        Scripts/install.sh --remove PREFIX [DESTDIR]
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $1 == --remove ]]; then
  root=${3:-}$2
  rm -f "$root"/bin/restormer "$root"/share/man/man1/restormer{,-*}.1.gz \
    "$root"/share/bash-completion/completions/restormer \
    "$root"/share/zsh/site-functions/_restormer "$root"/share/fish/vendor_completions.d/restormer.fish
  rm -f "$root"/lib/restormer/librestormer-{openmpi,mpich}.so
  rmdir "$root/lib/restormer" 2>/dev/null || true
  rm -rf "$root"/share/doc/restormer
  # What else is empty now was made for these files, or will be again by whoever wants it.
  for folder in bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
    if cd "$root/share" 2>/dev/null; then rmdir -p "$folder" 2>/dev/null || true; fi
  done
  exit
fi

program=$1
root=${3:-}$2
[[ -x $program ]] || {
  echo "install: no program at $program: run 'make build' first" >&2
  exit 1
}

install -D -m 755 "$program" "$root/bin/restormer"
# What `make mpi` put beside the program; it is looked for in this folder as well.
for plugin in "$(dirname "$program")"/librestormer-*.so; do
  if [[ -e $plugin ]]; then install -D -m 644 "$plugin" "$root/lib/restormer/${plugin##*/}"; fi
done

manual=$root/share/man/man1
mkdir -p "$manual"
"$program" --experimental-dump-help | Scripts/make-manual.py "$manual"
gzip -9nf "$manual"/restormer*.1

completion() { # shell, place
  mkdir -p "$(dirname "$root/share/$2")"
  "$program" --generate-completion-script "$1" >"$root/share/$2"
}
completion bash bash-completion/completions/restormer
completion zsh zsh/site-functions/_restormer
completion fish fish/vendor_completions.d/restormer.fish

doc=$root/share/doc/restormer
mkdir -p "$doc/examples"
install -m 644 README.md CHANGELOG.md LICENSE "$doc"
cp -r Examples/options Examples/sweeps Examples/page-blurred.png Examples/page-sharp.png "$doc/examples"
chmod -R a+rX,u+w,go-w "$doc"
