#!/usr/bin/env bash
# The steps of the image, for the Dockerfile and for try.sh, which takes them in plain folders. Debian 12, as root.
#
#   steps.sh packages                installs what building needs, of deploy/apt-packages.txt
#   steps.sh build OUT [-D...]       builds, with options for CMake, and puts into OUT what belongs into the image, below usr/local
#   steps.sh runtime PACKAGES.txt    installs these packages and makes the folder of --state-dir
set -euo pipefail
readonly repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly user=65532

apt_install() {
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  rm -rf /var/lib/apt/lists/*
}

packages() {
  # shellcheck disable=SC2046  # One word a package.
  apt_install git ca-certificates $(sed -e 's/#.*//' "$repository/deploy/apt-packages.txt")
}

owner_of() {  # The package of a file. Some packages of Debian 12 say /lib for what lies in /usr/lib.
  { dpkg-query --search "$1" 2>/dev/null || dpkg-query --search "${1#/usr}"; } | sed 's/: .*//'
}

packages_of() {  # The packages of the shared libraries that programs load.
  local file
  for file in $(ldd "$@" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u); do
    owner_of "$(realpath "$file")"
  done | sort -u
}

build() {
  local out=$1 work
  work=$(mktemp -d)
  cmake -S "$repository" -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTRIMTAB_TESTS=OFF "${@:2}"
  cmake --build "$work" --parallel "${TRIMTAB_JOBS:-$(nproc)}" --target trimtabd trimtab trimtab-gateway trimtab_sentencepiece
  cmake --install "$work" --component programs --prefix "$out/usr/local" --strip
  rm -rf "$work"
  install -D --mode 644 --target-directory "$out/usr/local/share/doc/trimtab" "$repository/LICENSE"
  mkdir -p "$out/usr/local/share/trimtab"
  cp -r "$repository/deploy/models" "$out/usr/local/share/trimtab/"
  packages_of "$out"/usr/local/bin/* "$out"/usr/local/lib/trimtab/*.so >"$out/usr/local/share/trimtab/packages.txt"
}

runtime() {
  # curl asks for the health of the container.
  # shellcheck disable=SC2046
  apt_install curl $(cat "$1")
  install -d --owner "$user" --group "$user" /var/lib/trimtab
}

case ${1:-} in
  packages | build | runtime) "$@" ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
