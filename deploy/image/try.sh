#!/usr/bin/env bash
# Takes the steps of the Dockerfile without a container engine: builds in one debootstrap root, makes another one of the result, and
# there runs the image's entry point as its user, asks its health and one summary, and stops it. Needs root and debootstrap.
#
#   deploy/image/try.sh [--cuda TOOLKIT] [--out TREE]
#     --cuda: the target `cuda`, built with the toolkit in this folder of this machine; no GPU is needed, and none is used
#     --out: a tree that `steps.sh build` made before, so that nothing is built
#
# How this machine's apt fetches is taken over (deploy/root.sh).
set -euo pipefail
readonly repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=deploy/root.sh
source "$repository/deploy/root.sh"
readonly dockerfile=$repository/deploy/image/Dockerfile
out='' toolkit='' roots=() server=

finish() {
  [[ -z $server ]] || { kill -KILL "$server" && wait "$server"; } 2>/dev/null || true
  local root
  for root in "${roots[@]}"; do remove_root "$root"; done
}
trap finish EXIT

die() {
  echo "try: $*" >&2
  exit 1
}

new_root() {  # Sets root.
  root=$(mktemp -d)
  roots+=("$root")
  make_root "$root"
}

build_tree() {  # Stage `build`; sets out.
  new_root
  git clone --quiet --no-hardlinks "$repository" "$root/trimtab"
  in_root "$root" /trimtab/deploy/image/steps.sh packages
  if [[ -n $toolkit ]]; then
    cp -r "$toolkit" "$root/toolkit"
    in_root "$root" bash -c 'PATH=$PATH:/toolkit/bin deploy/image/steps.sh build /out -DTRIMTAB_CUDA=ON'
  else
    in_root "$root" /trimtab/deploy/image/steps.sh build /out
  fi
  out=$root/out
}

setting() {  # NAME=VALUE of the ENV lines of the Dockerfile.
  grep -oE "\<$1=[^ \\]+" "$dockerfile" | head -n 1
}

address() {  # Of grpc or metrics, once the server says it.
  local line
  for _ in $(seq 240); do
    line=$(grep -s '^listening ' "$root/said" || true)
    [[ -z $line ]] || break
    kill -0 "$server" || die "the server ended before it listened"
    sleep 0.5
  done
  sed -n "s/.*$1=\([^ ]*\).*/\1/p" <<<"$line"
}

run_image() {  # Stage `cpu` or `cuda`, then what an engine does with it.
  new_root
  install -D --mode 755 "$repository/deploy/image/steps.sh" "$root/trimtab/deploy/image/steps.sh"
  cp "$out/usr/local/share/trimtab/packages.txt" "$root/trimtab/"
  in_root "$root" /trimtab/deploy/image/steps.sh runtime /trimtab/packages.txt
  rm -r "$root/trimtab"
  cp -r "$out/." "$root/"
  local as=(chroot --userspec=65532:65532 "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin)
  "${as[@]}" "$(setting TRIMTAB_MODEL)" TRIMTAB_LISTEN=127.0.0.1:0 TRIMTAB_METRICS_LISTEN=127.0.0.1:0 trimtabd >"$root/said" &
  server=$!
  "${as[@]}" curl --silent --fail "http://$(address metrics)/livez" "http://$(address metrics)/readyz"
  "${as[@]}" sh -c "echo 'The quick brown fox.' | trimtab summarize --server $(address grpc) --max-new-tokens 8"
  kill -TERM "$server"
  wait "$server"
  server=
  if [[ -n $toolkit ]]; then  # Built with CUDA, it asks for a driver, which this root has not.
    "${as[@]}" "$(setting TRIMTAB_MODEL)" trimtabd --check --device cuda:0 2>&1 | tee "$root/asked" || true
    grep -q 'no CUDA device 0' "$root/asked" || die "the programs were not built with CUDA"
  fi
  echo "try: the entry point served and ended with 0"
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --cuda) toolkit=$(realpath "${2:?--cuda needs the folder of a toolkit}") ;;
    --out) out=$(realpath "${2:?--out needs a tree}") ;;
    *) die "$1 is no option; see the head of this file" ;;
  esac
  shift 2
done
[[ $EUID -eq 0 ]] || die "mounting and chroot need root"
[[ -n $out ]] || build_tree
run_image
