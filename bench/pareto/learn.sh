#!/usr/bin/env bash
# learn.sh DIR: from this machine's apt lists to a checkpoint like the one that is shipped, served while it is learned.
#
# Corpus, vocabulary, reference model, two judges, then attn-CLP over alpha and the weights of ROUGE, consistency and quality,
# streamed into a live trimtabd whose replies are scored by version; DIR/checkpoint is what comes out. DIR/minutes.txt says
# what each stage took. Given again, it goes on where it was cut off.
# Environment: THREADS (of training, default 2), STEPS (of attn-CLP, default 300), PORT (of the server, default 50061).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
work=${1:?learn.sh DIR}
build=${TRIMTAB_BUILD:-$root/build/release}
trainer=$build/trainer/trimtab-trainer
python=${TRIMTAB_PYTHON:-python3}
threads=${THREADS:-2}
port=${PORT:-50061}
corpus=$work/corpus
reference=$work/reference
export OMP_WAIT_POLICY=passive
mkdir -p "$work"

stage() {  # NAME COMMAND...: once, and how long it took.
  local name=$1 start=$SECONDS
  shift
  [[ ! -f $work/.$name ]] || return 0
  echo "== $name"
  "$@"
  awk -v name="$name" -v s=$((SECONDS - start)) 'BEGIN { printf "%-24s %6.1f\n", name, s / 60 }' >>"$work/minutes.txt"
  touch "$work/.$name"
}

pairs() {
  local split
  for split in train valid; do
    "$trainer" pairs consistency --corpus "$corpus/$split.jsonl" --out "$work/consistency-$split.jsonl"
    "$trainer" pairs quality --corpus "$corpus/$split.jsonl" --out "$work/quality-$split.jsonl"
  done
}

judge() {  # NAME KIND OPTION...: reward_models/NAME of the reference.
  local name=$1 kind=$2
  shift 2
  "$trainer" reward-model "$kind" --train "$work/$kind-train.jsonl" --valid "$work/$kind-valid.jsonl" --valid-count 400 \
    --model "$reference" --encoder-layers 2 --decoder-layers 1 --out "$work/judge-$name" --max-input-tokens 128 \
    --evaluate-every 100 --threads "$threads" "$@" | tee "$work/judge-$name.log"
  mkdir -p "$reference/reward_models"
  rm -rf "$reference/reward_models/$name"
  cp -r "$work/judge-$name" "$reference/reward_models/$name"
  rm -f "$reference/reward_models/$name/training_state.safetensors"
}

cells() {  # OPTION...: run.py on what was learned.
  "$python" "$here/run.py" --reference "$reference" --corpus "$corpus" --work "$work/runs" --out "$work/results" \
    --trainer "$trainer" --threads "$threads" --tasks joint --systems attn --seeds 1 --steps "${STEPS:-300}" --batch 32 \
    --count 500 --learning-rate 1.5e-3 --max-new-tokens 24 "$@"
}

steer() {
  "$build/server/trimtabd" --model "$work/runs/reference-joint/latest" --listen "127.0.0.1:$port" \
    --metrics-listen 127.0.0.1:0 --log-level warning &
  local server=$! watcher
  trap 'kill '"$server" EXIT
  until "$build/client/trimtab" versions --server "127.0.0.1:$port" >/dev/null 2>&1; do
    kill -0 "$server"
    sleep 1
  done
  "$python" "$here/live.py" --client "$build/client/trimtab" --server "127.0.0.1:$port" --corpus "$corpus/valid.jsonl" \
    --weights 1,0,0 0,1,0 0,0,1 --count 60 --sampled --max-new-tokens 24 --patience 200 --trainer "$trainer" --judges "$reference" >"$work/live.jsonl" &
  watcher=$!
  cells --publish "127.0.0.1:$port" --publish-every 30
  wait "$watcher"
  kill "$server"
  trap - EXIT
}

ship() {
  "$build/client/trimtab" pack "$work/runs/joint-attn-1/latest" "$work/checkpoint" --name debian --judges "$reference" \
    --default-alpha 0.02 --preset rouge=0.02:1,0,0 --preset nli=0.02:0,1,0 --preset quality=0.02:0,0,1 \
    --preset balanced=0.02:0.34,0.33,0.33
  "$python" "$here/card.py" "$work/checkpoint" --cell "$work/results/joint/attn-seed1.json" \
    --judge-log "nli=$work/judge-nli.log" --judge-log "quality=$work/judge-quality.log"
}

stage corpus "$trainer" corpus debian --out "$corpus"
stage vocabulary "$trainer" vocabulary --corpus "$corpus/train.jsonl" --out "$work/spiece.model" --size 6000
stage pairs pairs
stage reference "$trainer" finetune --train "$corpus/train.jsonl" --valid "$corpus/valid.jsonl" --valid-count 300 \
  --tokenizer "$work/spiece.model" --d-model 192 --heads 3 --d-ff 384 --layers 3 --steps 2800 --max-input-tokens 96 \
  --max-target-tokens 24 --evaluate-every 200 --checkpoint-every 100 --threads "$threads" --out "$reference"
stage judge-consistency judge nli consistency --matching --steps 1000
stage judge-quality judge quality quality --steps 600
stage steered-start cells --minutes 0
stage attn-CLP steer
stage checkpoint ship
"$python" "$here/curves.py" "$work/runs/joint-attn-1/log.jsonl" --live "$work/live.jsonl" --scores rouge_lsum nli quality \
  --out "$work/training.png"
cat "$work/minutes.txt"
