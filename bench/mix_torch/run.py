"""The mix of a whole state dict, by our kernel and by PyTorch as people write it, in one run.

    ./dev bench mix_torch [--matrices N] [--repeat N]

Both mix m + 1 sets of N matrices of 768 x 768 in float32, m = 1 to 4. Ours runs on one thread, as in the server; PyTorch on
one and on two. Prints a row of JSON per m.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIM = 768


def ours(matrices):
    """{m: seconds}"""
    lines = subprocess.run([ROOT / "build/release/bench/mix", "--matrices", str(matrices)], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    rows = [row for row in map(json.loads, lines) if row["to"] == "float32"]
    return {row["m"]: row["seconds"] for row in rows}


def state_dict_mix(sets, coefficients):
    return {name: sum(c * s[name] for c, s in zip(coefficients, sets)) for name in sets[0]}


def theirs(sets, m, threads, repeat):
    torch.set_num_threads(threads)
    coefficients = [1 / (m + 1)] * (m + 1)
    times = []
    for turn in range(repeat + 1):
        start = time.perf_counter()
        state_dict_mix(sets[: m + 1], coefficients)
        if turn > 0:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matrices", type=int, default=144)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    seconds = ours(arguments.matrices)
    sets = [{str(i): torch.rand(DIM, DIM) for i in range(arguments.matrices)} for _ in range(5)]
    for m in range(1, 5):
        one, two = theirs(sets, m, 1, arguments.repeat), theirs(sets, m, 2, arguments.repeat)
        print(json.dumps({"bench": "mix_torch", "m": m, "trimtab_s": round(seconds[m], 4), "torch_1_thread_s": round(one, 4),
                          "torch_2_threads_s": round(two, 4), "ratio_1_thread": round(one / seconds[m], 2),
                          "ratio_2_threads": round(two / seconds[m], 2)}), flush=True)


if __name__ == "__main__":
    main()
