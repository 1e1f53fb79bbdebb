#!/usr/bin/env bash
# Starts the server on the embedded checkpoint, steers one article between three rewards, shows what was cached, and stops.
# `./dev demo` builds the binaries and runs this. Everything stays on 127.0.0.1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly bin=build/release
readonly article=deploy/demo-article.txt
readonly weightings=(--weights 1,0,0 --weights 0,1,0 --weights 0,0,1 --weights 0.34,0.33,0.33)
scratch=$(mktemp -d)
server_pid=

stop_server() {  # Asks the server to drain and exits as it did.
  local pid=$server_pid
  server_pid=
  kill -TERM "$pid"
  wait "$pid"
}

clean_up() {
  [[ -z $server_pid ]] || stop_server || true
  rm -rf "$scratch"
}
trap clean_up EXIT

start_server() {  # Sets server_pid, grpc and metrics.
  "$bin"/server/trimtabd --model deploy/models/debian --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --drain-accept-seconds 0 --log-level warning >"$scratch/stdout" 2>"$scratch/stderr" &
  server_pid=$!
  local line deadline=$((SECONDS + 60))
  until line=$(grep -m1 '^listening ' "$scratch/stdout"); do
    if ! kill -0 "$server_pid" 2>/dev/null || ((SECONDS > deadline)); then
      kill -KILL "$server_pid" 2>/dev/null || true
      server_pid=
      echo "demo: the server did not start" >&2
      cat "$scratch/stderr" >&2
      exit 1
    fi
    sleep 0.05
  done
  grpc=$(sed -n 's/.*grpc=\([^ ]*\).*/\1/p' <<<"$line")
  metrics=$(sed -n 's/.*metrics=\([^ ]*\).*/\1/p' <<<"$line")
}

title() { printf '\n== %s\n' "$*"; }

summarize() { "$bin"/client/trimtab summarize --server "$grpc" --article "$article" --no-repeat-ngram-size 2 "$@"; }

cache_counters() {
  curl --silent --show-error --fail "http://$metrics/metrics" | grep -E '^trimtab_mix_(cache_hits|cache_misses|coalesced)_total '
}

start_server
title "The article"
cat "$article"
title "One article, four weightings of (rouge, nli, quality): mixed on first sight, or together over the basis"
summarize "${weightings[@]}"
title "The same again: what was mixed is still there"
summarize "${weightings[@]}"
title "alpha = 1: reference attention with the shared tensors, whatever the weights"
summarize --alpha 1 --weights 1,0,0 --weights 0,0,1
title "The cache, from the server's metrics"
cache_counters
title "SIGTERM: the server drains"
stop_server
echo "trimtabd exited with 0"
