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

build() {
  local out=$1 work programs
  work=$(mktemp -d)
  cmake -S "$repository" -B "$work" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTRIMTAB_TESTS=OFF "${@:2}"
  cmake --build "$work" --parallel "${TRIMTAB_JOBS:-$(nproc)}" --target trimtabd trimtab trimtab-gateway trimtab_sentencepiece
  cmake --install "$work" --component programs --prefix "$out/usr/local" --strip
  rm -rf "$work"
  install -D --mode 644 --target-directory "$out/usr/local/share/doc/trimtab" "$repository/LICENSE"
  mkdir -p "$out/usr/local/share/trimtab"
  cp -r "$repository/deploy/models" "$out/usr/local/share/trimtab/"
  programs=("$out"/usr/local/bin/* "$out"/usr/local/lib/trimtab/*.so)
  "$repository/deploy/sbom.py" --packages "${programs[@]}" >"$out/usr/local/share/trimtab/packages.txt"
  "$repository/deploy/sbom.py" "${programs[@]}" >"$out/usr/local/share/trimtab/trimtab.cdx.json"
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
