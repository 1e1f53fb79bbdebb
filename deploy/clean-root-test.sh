#!/usr/bin/env bash
# Proves that a clean Debian 12 with git and ca-certificates is enough: makes one, clones the last commit of this repository
# into it, and runs ./dev demo and ./dev test inside. Prints how long each took. Needs root and debootstrap.
#
#   deploy/clean-root-test.sh [--base ROOT.tar] [--keep]
#
# --base unpacks a root made before instead of calling debootstrap; --keep leaves the root behind. TMPDIR says where.
# How this machine's apt fetches (mirror, proxy, CA certificates, name servers) is taken over; nothing else of it is.
set -euo pipefail
readonly repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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
  local mounted
  for mounted in proc dev; do
    ! mountpoint -q "$root/$mounted" || umount "$root/$mounted"
  done
  if [[ -n $keep ]]; then echo "the root is left in $root"; else rm -rf --one-file-system "$root"; fi
}

mirror() {  # Where this machine finds bookworm; empty on another release, and debootstrap then takes its default.
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null |
    head -n 1
}

make_root() {
  if [[ -n $base ]]; then
    tar --extract --file "$base" --directory "$root" --numeric-owner
  else
    # shellcheck disable=SC2046  # No mirror, no argument.
    debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" $(mirror)
  fi
}

take_over_fetching() {
  local file sources
  mapfile -t sources < <(grep -ls bookworm /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
  [[ ${#sources[@]} -eq 0 ]] || rm -f "$root/etc/apt/sources.list"
  for file in "${sources[@]}"; do
    install -D -m 644 "$file" "$root$file"
  done
  apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)' >"$root/etc/apt/apt.conf.d/90host" || true
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
}

in_root() {  # Runs a command in the clone inside the root, with nothing of this environment but proxies and TRIMTAB_JOBS.
  local name kept=()
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY TRIMTAB_JOBS; do
    [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
  done
  chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "${kept[@]}" \
    bash -c 'cd /trimtab && exec "$@"' _ "$@"
}

timed() {
  local started=$SECONDS took
  in_root "$@"
  took=$((SECONDS - started))
  summary+="$*: $((took / 60)) min $((took % 60)) s"$'\n'
}

main() {
  parse "$@"
  root=$(mktemp -d)
  trap clean_up EXIT
  chmod 755 "$root"
  make_root
  take_over_fetching
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  git clone --quiet --no-hardlinks "$repository" "$root/trimtab"
  summary=''
  timed ./dev demo
  timed ./dev test
  printf '\nclean Debian 12, %s processors, commit %s\n%s' "$(nproc)" "$(git -C "$repository" rev-parse --short HEAD)" "$summary"
}

main "$@"
