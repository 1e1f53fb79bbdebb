# Debian 12 in a folder, for the scripts beside this one, which source it. Needs root.
# How this machine's apt fetches (mirror, proxy, CA certificates, name servers) is taken over; nothing else of it is.

mirror() {  # Where this machine finds bookworm; empty on another release, and debootstrap then takes its default.
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null |
    head -n 1
}

take_over_fetching() {  # ROOT
  local root=$1 file sources
  mapfile -t sources < <(grep -ls bookworm /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
  [[ ${#sources[@]} -eq 0 ]] || rm -f "$root/etc/apt/sources.list"
  for file in "${sources[@]}"; do
    install -D -m 644 "$file" "$root$file"
  done
  apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)' >"$root/etc/apt/apt.conf.d/90host" || true
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
}

make_root() {  # ROOT [BASE.tar]: an empty folder becomes a Debian with git and ca-certificates, unpacked from BASE if given.
  local root=$1 base=${2:-}
  chmod 755 "$root"
  if [[ -n $base ]]; then
    tar --extract --file "$base" --directory "$root" --numeric-owner
  else
    # shellcheck disable=SC2046  # No mirror, no argument.
    debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" $(mirror)
  fi
  take_over_fetching "$root"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
}

unmount_root() {  # ROOT
  local mounted
  for mounted in proc dev; do
    ! mountpoint -q "$1/$mounted" || umount "$1/$mounted"
  done
}

remove_root() {  # ROOT
  unmount_root "$1"
  rm -rf --one-file-system "$1"
}

in_root() {  # ROOT COMMAND...: in its folder /trimtab, with nothing of this environment but proxies and TRIMTAB_JOBS.
  local root=$1 name kept=()
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY TRIMTAB_JOBS; do
    [[ -z ${!name:-} ]] || kept+=("$name=${!name}")
  done
  chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "${kept[@]}" \
    bash -c 'cd /trimtab && exec "$@"' _ "${@:2}"
}
