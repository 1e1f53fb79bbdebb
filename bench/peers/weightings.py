"""What people do today for many weightings, on the load of `./dev bench lanes`: mix the state dict in PyTorch and generate, or
mix, convert, reload and generate with CTranslate2. One weighting at a time, as neither batches several.

    ./dev bench peers weightings [--requests N] [--json FILE]

Ours is `bench/lanes` on the same checkpoint in the same run: 32 requests with 32 weightings, 512 tokens in, 64 out, a cache that
holds 4 mixtures. The others get fewer requests, as theirs cost the same each.
"""

import argparse
import gc
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import ctranslate2
import torch
from safetensors.torch import load_file
from transformers import T5ForConditionalGeneration

import protocol

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from rows import Report  # noqa: E402

INPUT_TOKENS, NEW_TOKENS = 512, 64


def ours(json_file):
    """(model folder, requests a second); the bench makes the folder on first use."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    folder = cache / "trimtab" / "bench" / "flan-t5-base-attn-m2"
    if not folder.exists():
        tokenizer = ROOT / "deploy/models/debian-pilot/spiece.model"
        subprocess.run([ROOT / "build/release/client/trimtab", "make-random", "--shape", "flan-t5-base", "--variant", "attn",
                        "--rewards", "2", "--tokenizer", tokenizer, folder], check=True)
    subprocess.run([ROOT / "build/release/bench/lanes", "--model", folder, "--input-tokens", str(INPUT_TOKENS),
                    "--rounds", "1", "--json", json_file], check=True, cwd=ROOT)
    row = json.loads(pathlib.Path(json_file).read_text().splitlines()[0])
    return folder, row["value"]


class Sets:
    """The checkpoint's tensors, and theta for (alpha, w)."""

    def __init__(self, folder):
        self.clp = json.loads((folder / "clp.json").read_text())
        self.shared = load_file(folder / "shared.safetensors")
        names = [reward["name"] for reward in self.clp["rewards"]]
        files = [folder / "conditioned" / f"{name}.safetensors" for name in names] + [folder / "reference.safetensors"]
        self.sets = [load_file(file) for file in files]

    def mix(self, alpha, w):
        low = self.clp["mixing"]["alpha_min"]
        beta = (alpha - low) / (alpha * (1 - low))
        c = [(1 - beta) * x for x in w] + [beta]
        mixed = {name: sum(x * s[name] for x, s in zip(c, self.sets)) for name in self.sets[0]}
        return {**self.shared, **mixed}


def weighting(n):
    first = (1 + n % 17) / 19
    return 0.1 + 0.8 * n / 32, [first, 1 - first]


def empty_model(folder, scratch):
    shutil.copy(folder / "config.json", scratch)
    return T5ForConditionalGeneration(T5ForConditionalGeneration.config_class.from_pretrained(scratch)).eval()


def load(model, state):
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("embed_tokens" in name for name in missing), (missing, unexpected)


def torch_seconds(model, sets, requests):
    times = []
    for n in range(requests + 1):
        start = time.perf_counter()
        load(model, sets.mix(*weighting(n)))
        model.generate(torch.tensor([protocol.ids(n, INPUT_TOKENS)]), num_beams=1, do_sample=False,
                       min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def ctranslate2_seconds(model, sets, requests, threads, scratch):
    times = []
    for n in range(requests):
        start = time.perf_counter()
        load(model, sets.mix(*weighting(n)))
        model.save_pretrained(scratch / "hf")
        subprocess.run([sys.executable, HERE / "convert.py", scratch / "hf", scratch / "ct2"], check=True,
                       stdout=subprocess.DEVNULL)
        translator = ctranslate2.Translator(str(scratch / "ct2"), device="cpu", compute_type="float32",
                                            intra_threads=threads, inter_threads=1)
        source = [[f"t{i}" for i in protocol.ids(n, INPUT_TOKENS)]]
        translator.translate_batch(source, beam_size=1, min_decoding_length=NEW_TOKENS, max_decoding_length=NEW_TOKENS,
                                   max_input_length=0)
        times.append(time.perf_counter() - start)
        del translator
        gc.collect()
        shutil.rmtree(scratch / "ct2")
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="rows are written here too")
    arguments = parser.parse_args()
    report = Report(arguments.json)
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        folder, rate = ours(str(scratch / "ours.json"))
        sets, model = Sets(folder), empty_model(folder, scratch)
        for peer, seconds in (("torch_state_dict", torch_seconds(model, sets, arguments.requests)),
                              ("ctranslate2_reload", ctranslate2_seconds(model, sets, arguments.requests, arguments.threads,
                                                                         scratch))):
            report.add(f"lanes/base/attn/m2/{peer}", rate, "requests/s", peer, rate * seconds,
                       baseline_s_per_request=round(seconds, 3), requests=arguments.requests)


if __name__ == "__main__":
    main()
