#!/usr/bin/env bash
# Proves that a clean Debian 12 with git and ca-certificates is enough: makes one, clones the last commit of this repository
# into it, and runs ./dev demo and ./dev test inside. Prints how long each took. Needs root and debootstrap.
#
#   deploy/clean-root-test.sh [--base ROOT.tar] [--keep]
#
# --base unpacks a root made before instead of calling debootstrap; --keep leaves the root behind. TMPDIR says where.
# How this machine's apt fetches is taken over (deploy/root.sh).
set -euo pipefail
readonly repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/root.sh
source "$repository/deploy/root.sh"
base='' keep=''

die() {
  echo "clean-root-test: $*" >&2
  exit 1
}

parse() {
  while [[ $# -gt 0 ]]; do
    case $1 in
      --base) base=${2:?--base needs a file}; shift 2 ;;
      --keep) keep=yes; shift ;;
      *) die "no such option: $1" ;;
    esac
  done
  [[ $EUID -eq 0 ]] || die "mounting and chroot need root"
  [[ -n $base ]] || command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
}

clean_up() {
  if [[ -z $keep ]]; then remove_root "$root"; else unmount_root "$root"; echo "the root is left in $root"; fi
}

timed() {
  local started=$SECONDS took
  in_root "$root" "$@"
  took=$((SECONDS - started))
  summary+="$*: $((took / 60)) min $((took % 60)) s"$'\n'
}

main() {
  parse "$@"
  root=$(mktemp -d)
  trap clean_up EXIT
  make_root "$root" "$base"
  git clone --quiet --no-hardlinks "$repository" "$root/trimtab"
  summary=''
  timed ./dev demo
  timed ./dev test
  printf '\nclean Debian 12, %s processors, commit %s\n%s' "$(nproc)" "$(git -C "$repository" rev-parse --short HEAD)" "$summary"
}

main "$@"
