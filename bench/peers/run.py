"""Ours, CTranslate2 and transformers on PyTorch on the same random T5: the same ids in, the same number of tokens out.

    ./dev bench peers [--shape NAME ...] [--batch N ...] [--repeat N] [--json FILE]

Greedy, no drafting. Each engine is one process that keeps its model; they take turns in every round, one at a time, after
one round to warm up. Prints a table per shape and batch (medians over the rounds, with the fastest and slowest; shares of the
roofline measured in the same run), then the ratios. Models lie in a cache folder outside the repository and are made on first
use.
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
sys.path.insert(0, str(HERE.parent))
from rows import Report  # noqa: E402

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

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
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
            result = engine.ask("run", batch, arguments.input_tokens, arguments.new_tokens)
            if turn > 0:
                results[engine.name].append(result)
    return results


def summary(name, results):
    """Medians over the rounds of the whole request and its parts, in seconds."""
    values = {"total": [r["total_s"] for r in results], "prefill": [r["prefill_s"] for r in results],
              "decode": [r["total_s"] - r["prefill_s"] for r in results]}
    out = {"engine": name}
    for part, seconds in values.items():
        out[part], out[f"{part}_min"], out[f"{part}_max"] = statistics.median(seconds), min(seconds), max(seconds)
    return out


class Roofline:
    """What a request must compute and read at least: multiply-adds of the matrices and of attention; per decoding step all
    weights once, and each sequence's keys and values."""

    BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}

    def __init__(self, shape, limits):
        self.config = json.loads((CACHE / shape / "config.json").read_text())
        self.limits = limits

    def seconds(self, precision, batch, n, new_tokens):
        """(prefill, decode) at the multiply-add peak of float32 and the read bandwidth."""
        c = self.config
        d, inner, hidden = c["d_model"], c["num_heads"] * c["d_kv"], c["d_ff"]
        feed_forward = 3 * d * hidden if "gated" in c["feed_forward_proj"] else 2 * d * hidden
        encoder = c["num_layers"] * (4 * d * inner + feed_forward + 2 * n * inner)
        cross = c["num_decoder_layers"] * 2 * d * inner
        prefill = 2 * batch * n * (encoder + cross) / self.limits["fma_peak"]
        weights = c["num_decoder_layers"] * (6 * d * inner + feed_forward) + c["vocab_size"] * d
        past = c["num_decoder_layers"] * 2 * inner * (n + new_tokens / 2)
        read = (weights * self.BYTES[precision] + batch * past * 4) / self.limits["read_bandwidth"]
        compute = 2 * batch * (weights + past) / self.limits["fma_peak"]
        return prefill, new_tokens * max(read, compute)


def agreement(results):
    """How many of the first sequence's tokens each engine has in common with ours in float32, before they part."""
    ours = results["trimtab float32"][0]["first"]
    common = {}
    for name, rounds in results.items():
        theirs = rounds[0]["first"]
        common[name] = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), len(ours))
    return common


def best(rows, prefix):
    return min((r for r in rows if r["engine"].startswith(prefix)), key=lambda r: r["total"])


def add_ratios(report, prefix, rows):
    """Of the whole request's time and its parts: peer over ours."""
    ours = {r["engine"].split()[1]: r for r in rows if r["engine"].startswith("trimtab")}
    pairs = [("f32", "float32", "ctranslate2", "CTranslate2 float32"), ("int8", "int8", "ctranslate2", "CTranslate2 int8"),
             ("f32", "float32", "torch", "PyTorch float32"), ("bf16", "bfloat16", "torch", "PyTorch bfloat16"),
             ("int8", "int8", "torch", "PyTorch float32")]
    for short, precision, peer, name in pairs:
        if precision not in ours or not any(r["engine"].startswith(name) for r in rows):
            continue
        mine, theirs = ours[precision], best(rows, name)
        shape, batch = prefix
        report.add(f"peers/{shape}/{short}/b{batch}/{peer}", mine["total"], "s", theirs["engine"], theirs["total"] / mine["total"],
                   prefill=round(theirs["prefill"] / mine["prefill"], 3), decode=round(theirs["decode"] / mine["decode"], 3),
                   baseline_s=round(theirs["total"], 4), share_of_roofline=[round(s, 3) for s in mine["shares"]],
                   baseline_share_of_roofline=[round(s, 3) for s in theirs["shares"]])


def table(rows, common):
    print("\n| engine | whole (s) | prefill (s) | of roofline | decode (s) | of roofline | first tokens as ours |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        total, prefill, decode = (f"{r[part]:.3f} ({r[f'{part}_min']:.3f}-{r[f'{part}_max']:.3f})"
                                  for part in ("total", "prefill", "decode"))
        print(f"| {r['engine']} | {total} | {prefill} | {r['shares'][0]:.2f} | {decode} | {r['shares'][1]:.2f} | "
              f"{common[r['engine']]} |")
    print(flush=True)


def measure_shape(shape, arguments, report):
    running = list(engines(shape, arguments.threads, arguments.engines))
    roofline = Roofline(shape, next(e for e in running if e.name.startswith("trimtab")).ask("limits"))
    print(f"{shape}: multiply-add peak {roofline.limits['fma_peak'] / 1e9:.0f} GFLOP/s, reads "
          f"{roofline.limits['read_bandwidth'] / 1e9:.1f} GB/s, {arguments.threads} threads")
    for batch in arguments.batch:
        results = measure(running, batch, arguments)
        rows = [summary(name, rounds) for name, rounds in results.items()]
        for r in rows:
            prefill, decode = roofline.seconds(r["engine"].split()[1], batch, arguments.input_tokens, arguments.new_tokens)
            r["shares"] = prefill / r["prefill"], decode / r["decode"]
        table(rows, agreement(results))
        add_ratios(report, (shape.removeprefix("flan-t5-"), batch), rows)
    for engine in running:
        engine.close()


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
    parser.add_argument("--json", help="rows are written here too")
    arguments = parser.parse_args()
    report = Report(arguments.json)
    for shape in arguments.shape:
        measure_shape(shape, arguments, report)


if __name__ == "__main__":
    main()
