#!/bin/bash
# Tests setup.sh without touching this machine: an invented root, and stand-ins for apt-get, sudo
# and swift that write down how they were called.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
stubs=$work/bin
calls=$work/calls
failures=0

stub() { # stub NAME BODY
  printf '#!/bin/bash\n%s\n' "$2" >"$stubs/$1"
  chmod 755 "$stubs/$1"
}

fresh() { # an empty machine with a good Swift; fresh ID [ID_LIKE]
  rm -rf "$stubs" "$work/root"
  mkdir -p "$stubs" "$work/root/etc"
  printf 'ID=%s\nID_LIKE="%s"\n' "$1" "${2:-}" >"$work/root/etc/os-release"
  : >"$calls"
  chmod 666 "$calls"
  local tool
  for tool in bash env dirname cat mkdir touch chmod; do
    ln -s "$(command -v "$tool")" "$stubs/$tool"
  done
  stub swift 'echo "\"compilerVersion\": \"Swift version 6.1.2 (swift-6.1.2-RELEASE)\""'
}

add_apt() { # apt-get that leaves everything installed, or what $1 says instead
  stub apt-cache 'exit 0'
  stub apt-get "echo \"\$* \${DEBIAN_FRONTEND:-}\" >>$calls; ${1:-source $work/provide}"
  cat >"$work/provide" <<END
[[ " \$* " == *" install "* ]] || exit 0
cd "$work/root"
mkdir -p usr/include/CL usr/include/webp usr/lib/aarch64-linux-gnu usr/include/aarch64-linux-gnu etc/OpenCL/vendors etc/ssl/certs
touch usr/include/CL/cl.h usr/include/png.h usr/include/jpeglib.h usr/include/tiffio.h usr/include/webp/demux.h etc/OpenCL/vendors/pocl.icd \
  usr/lib/aarch64-linux-gnu/lib{OpenCL,png,jpeg,tiff,webpdemux}.so etc/ssl/certs/ca-certificates.crt
for tool in ld git oclgrind chromium-headless-shell; do touch "$stubs/\$tool"; chmod 755 "$stubs/\$tool"; done
END
}

run_setup() { # leaves $output and $status
  status=0
  output=$("${as[@]}" env -i PATH="$stubs" RESTORMER_SETUP_ROOT="$work/root" \
    "$stubs/bash" Scripts/setup.sh "${1:-test}" 2>&1 </dev/null) || status=$?
}

expect() { # expect WHAT STATUS OUTPUT-PATTERN CALLS-PATTERN
  local seen
  seen=$(<"$calls")
  # shellcheck disable=SC2053 # patterns are meant
  if [[ $status == "$2" && $output == $3 && $seen == $4 ]]; then
    echo "ok: $1"
  else
    echo "FAILED: $1 (exit $status)"$'\n'"  output: $output"$'\n'"  apt-get: $seen"
    failures=$((failures + 1))
  fi
}

as=()
fresh debian
add_apt
run_setup
expect "an empty Debian gets everything" 0 "setup: installing *" \
  "*update noninteractive*install * opencl-headers ocl-icd-opencl-dev pocl-opencl-icd binutils libpng-dev libjpeg62-turbo-dev libtiff-dev libwebp-dev git ca-certificates oclgrind noninteractive"
: >"$calls"
run_setup
expect "a second run is silent and calls nothing" 0 "" ""

fresh debian
add_apt
run_setup build
expect "building alone needs no simulator" 0 "setup: installing *" "*ca-certificates noninteractive"

fresh debian
add_apt
run_setup browser
expect "the browser, which testing alone does not need" 0 "setup: installing *" \
  "*ca-certificates chromium-headless-shell fonts-dejavu-core noninteractive"
fresh debian
add_apt
stub google-chrome 'exit 0'
run_setup browser
expect "any Chromium will do" 0 "setup: installing *" "*ca-certificates noninteractive"

fresh ubuntu debian
add_apt
run_setup
expect "Ubuntu's name of the JPEG library" 0 "*" "* libpng-dev libjpeg-turbo8-dev libtiff-dev libwebp-dev git*"
fresh linuxmint "ubuntu debian"
add_apt
run_setup
expect "a descendant of Ubuntu" 0 "*" "* libjpeg-turbo8-dev *"

fresh debian
add_apt
: >"$work/provide"
run_setup
expect "installed but not found" 1 "*still not found: opencl-headers *" "*install*"

fresh debian
add_apt 'exit 100'
run_setup
expect "apt-get fails" 1 "*setup: apt-get update failed" "*update*"

fresh debian
add_apt
stub apt-cache 'exit 100'
run_setup
expect "an archive without the simulator" 0 "*no package oclgrind*" "*ca-certificates noninteractive"
: >"$calls"
rm "$stubs/oclgrind"
run_setup
expect "which is not asked again" 0 "" ""

fresh fedora
run_setup
expect "no apt-get" 1 "setup: no apt-get here, install by hand: opencl-headers *" ""

fresh debian
rm "$stubs/swift"
run_setup
expect "no swift" 1 "setup: no swift in PATH: install Swift 6.1 or newer*" ""
stub swift 'echo "\"compilerVersion\": \"Swift version 5.10.1 (swift-5.10.1-RELEASE)\""'
run_setup
expect "swift too old" 1 "setup: swift 5.10 is too old*" ""
stub swift 'echo "swift: error while loading libxml2"; exit 127'
run_setup
expect "swift that does not start" 1 "setup: swift does not run: *libxml2" ""

if ((EUID == 0)) && command -v setpriv >/dev/null; then
  as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if ((EUID != 0)) || ((${#as[@]} > 0)); then
  fresh debian
  add_apt
  run_setup
  expect "neither root nor sudo" 1 "setup: neither root nor sudo, have an administrator run: apt-get install *" ""
  chmod -R a+rwX "$work"
  # shellcheck disable=SC2016 # the stub expands it
  stub sudo 'echo "sudo" >>'"$calls"'; exec "$@"'
  run_setup
  expect "sudo" 0 "setup: installing *" "sudo*update noninteractive*sudo*install*"
fi

((failures == 0)) || exit 1
