"""Ours, CTranslate2 and transformers on PyTorch on the same random T5: the same ids in, the same number of tokens out.

    ./dev bench peers [--shape NAME ...] [--batch N ...] [--repeat N] [--out FILE]

Greedy, no drafting. Each engine is one process that keeps its model; they take turns in every round, one at a time, after
one round to warm up. Prints a row of JSON per engine and batch (medians over the rounds, with the fastest and slowest), then a
table. Models lie in a cache folder outside the repository and are made on first use.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "trimtab" / "peers"
TOKENIZER = ROOT / "deploy" / "models" / "debian-pilot" / "spiece.model"


def folders(shape):
    """The random model, and what CTranslate2 makes of it."""
    model, converted = CACHE / shape, CACHE / f"{shape}-ct2"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not model.exists():
        subprocess.run([ROOT / "build/release/client/trimtab", "make-random", "--shape", shape, "--tokenizer", TOKENIZER,
                        model], check=True)
    if not converted.exists():
        subprocess.run([sys.executable, HERE / "convert.py", model, converted], check=True)
    return model, converted


REST = 0.5  # Seconds between turns: OpenMP's threads spin for up to 0.2 s after their last work.


class Engine:
    def __init__(self, name, command, environment=None):
        self.name = name
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=HERE, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if line != "ready\n":
            sys.exit(f"{name} did not start: {line!r}")

    def run(self, batch, input_tokens, new_tokens):
        self.process.stdin.write(f"run {batch} {input_tokens} {new_tokens}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} died")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def engines(shape, threads, wanted):
    """Those whose name begins with one of `wanted`; all if it is empty."""
    for name, command, environment in all_commands(shape, threads):
        if not wanted or name.startswith(tuple(wanted)):
            yield Engine(name, command, environment)


def all_commands(shape, threads):
    model, converted = folders(shape)
    ours = ROOT / "build/release/bench/peers_worker"
    for precision in ("float32", "bfloat16", "int8"):
        yield f"trimtab {precision}", [ours, "--model", model, "--precision", precision, "--threads", threads], {}
    for precision in ("float32", "int8"):
        for library, mkl in (("MKL", "1"), ("oneDNN", "0")):
            yield (f"CTranslate2 {precision} ({library})",
                   [sys.executable, HERE / "ctranslate2_worker.py", "--model", converted, "--precision", precision,
                    "--threads", threads], {"CT2_USE_MKL": mkl})
    for precision in ("float32", "bfloat16"):
        yield (f"PyTorch {precision}",
               [sys.executable, HERE / "pytorch_worker.py", "--model", model, "--precision", precision, "--threads",
                threads], {})


def measure(all_engines, batch, arguments):
    """{engine: [result of each round]}"""
    results = {engine.name: [] for engine in all_engines}
    for turn in range(arguments.repeat + 1):
        for engine in all_engines:
            time.sleep(REST)
            result = engine.run(batch, arguments.input_tokens, arguments.new_tokens)
            if turn > 0:
                results[engine.name].append(result)
    return results


def row(shape, batch, name, results):
    values = {"total": [r["total_s"] for r in results], "prefill": [r["prefill_s"] for r in results],
              "decode": [r["total_s"] - r["prefill_s"] for r in results]}
    out = {"bench": "peers", "shape": shape, "batch": batch, "engine": name, "tokens": results[0]["tokens"]}
    for part, seconds in values.items():
        out[f"{part}_s"] = round(statistics.median(seconds), 4)
        out[f"{part}_min_s"], out[f"{part}_max_s"] = round(min(seconds), 4), round(max(seconds), 4)
    return out


def agreement(results):
    """How many of the first sequence's tokens each engine has in common with ours in float32, before they part."""
    ours = results["trimtab float32"][0]["first"]
    common = {}
    for name, rounds in results.items():
        theirs = rounds[0]["first"]
        common[name] = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), len(ours))
    return common


def best(rows, prefix):
    return min((r for r in rows if r["engine"].startswith(prefix)), key=lambda r: r["total_s"])


def ratios(rows):
    """Of the whole request's time: peer over ours."""
    ours = {r["engine"].split()[1]: r["total_s"] for r in rows if r["engine"].startswith("trimtab")}
    torch = best(rows, "PyTorch float32")["total_s"]
    return {"float32 over CTranslate2": best(rows, "CTranslate2 float32")["total_s"] / ours["float32"],
            "int8 over CTranslate2": best(rows, "CTranslate2 int8")["total_s"] / ours["int8"],
            "float32 over PyTorch": torch / ours["float32"],
            "int8 over PyTorch float32": torch / ours["int8"]}


def table(rows, common):
    print("\n| engine | whole (s) | prefill (s) | decode (s) | first tokens as ours |\n| --- | --- | --- | --- | --- |")
    for r in rows:
        cells = [f"{r[f'{part}_s']:.3f} ({r[f'{part}_min_s']:.3f}-{r[f'{part}_max_s']:.3f})"
                 for part in ("total", "prefill", "decode")]
        print(f"| {r['engine']} | {' | '.join(cells)} | {common[r['engine']]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", default=["flan-t5-small", "flan-t5-base"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--input-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="*", default=[], help="names or how they begin; must include trimtab, "
                        "CTranslate2 float32 and int8, and PyTorch float32")
    parser.add_argument("--out", type=pathlib.Path, help="JSON lines are written here too")
    arguments = parser.parse_args()
    kept = []
    for shape in arguments.shape:
        running = list(engines(shape, arguments.threads, arguments.engines))
        for batch in arguments.batch:
            results = measure(running, batch, arguments)
            rows = [row(shape, batch, name, rounds) for name, rounds in results.items()]
            summary = {"bench": "peers", "shape": shape, "batch": batch,
                       "ratios": {name: round(value, 2) for name, value in ratios(rows).items()}}
            for line in [*rows, summary]:
                print(json.dumps(line), flush=True)
                kept.append(line)
            table(rows, agreement(results))
            print(flush=True)
        for engine in running:
            engine.close()
    if arguments.out:
        arguments.out.write_text("".join(json.dumps(line) + "\n" for line in kept))


if __name__ == "__main__":
    main()
