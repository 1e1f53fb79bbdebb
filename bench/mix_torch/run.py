"""The mix of a whole state dict, by our kernel and by PyTorch as people write it, in one run.

    ./dev bench mix_torch [--matrices N] [--repeat N] [--json FILE]

Both mix m + 1 sets of N matrices of 768 x 768 in float32, m = 1 to 4. Ours runs on one thread, as in the server; PyTorch on
one and on two.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from rows import Report  # noqa: E402

DIM = 768


def ours(matrices):
    """{m: seconds}"""
    with tempfile.NamedTemporaryFile("r") as file:
        subprocess.run([ROOT / "build/release/bench/mix", "--matrices", str(matrices), "--json", file.name], check=True,
                       stdout=subprocess.DEVNULL)
        rows = [json.loads(line) for line in file]
    return {int(row["name"][5]): row["details"]["seconds"] for row in rows if row["name"].endswith("/f32/triad")}


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
    parser.add_argument("--json", help="rows are written here too")
    arguments = parser.parse_args()
    report = Report(arguments.json)
    seconds = ours(arguments.matrices)
    sets = [{str(i): torch.rand(DIM, DIM) for i in range(arguments.matrices)} for _ in range(5)]
    for m in range(1, 5):
        one, two = theirs(sets, m, 1, arguments.repeat), theirs(sets, m, 2, arguments.repeat)
        report.add(f"mix/m{m}/f32/torch", 1e3 * seconds[m], "ms", "PyTorch, one thread", one / seconds[m],
                   torch_one_thread_ms=round(1e3 * one, 2), torch_two_threads_ms=round(1e3 * two, 2),
                   ratio_two_threads=round(two / seconds[m], 3))


if __name__ == "__main__":
    main()
