#!/usr/bin/env bash
# Prints registers, stack, shared memory and spills of every kernel, as ptxas counts them, and fails if one spills.
# usage: kernels/cuda/kernel_resources.sh [ARCHITECTURE]   (default: 90)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for source in kernels/cuda/*.cu; do
  nvcc -std=c++20 --fmad=false -O2 -I. -arch="sm_${1:-90}" -Xptxas -v -c "$source" -o /dev/null 2>&1 | c++filt
done | awk '
  /Compiling entry function/ { match($0, /\047.*\047/); kernel = substr($0, RSTART + 1, RLENGTH - 2) }
  /spill stores/ { stack = $1; stores = $5; loads = $9 }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    printf "%3d registers  %4d bytes of stack  %4d spilled  %s\n", registers, stack, stores + loads, kernel
    spilled += stores + loads; ++kernels
  }
  END { printf "%d kernels, %d bytes spilled\n", kernels, spilled; exit kernels == 0 || spilled > 0 }'
