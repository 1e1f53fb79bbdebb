"""Load on the mixed-weight cache: L4 everybody asks for one cold weighting, L5 for ever new ones."""

import json
import subprocess

from figure import Figure, at_most, only
from processes import ARTICLE, Server
from steady import Watch


def one_cold_weighting(build):
    with Server(build, "--deterministic") as server:
        before = server.metric("trimtab_mix_cache_misses_total")
        report = server.bench("--concurrency", 256, "--requests", 256, "--warmup", 0, "--weights", "0.3,0.7",
                              "--max-new-tokens", 8)
        mixes = server.metric("trimtab_mix_cache_misses_total") - before
    return [only("L4", "256 callers end", report["codes"], ["OK"]),
            Figure("L4", "mixes computed", f"{mixes:.0f}", "1", mixes == 1)]


def _log_probs(server, weights):
    out = subprocess.run([server.build / "client/trimtab", "summarize", "--server", server.address, "--article", ARTICLE,
                          "--weights", weights, "--log-probs", "--json"], stdout=subprocess.PIPE, check=True).stdout
    reply = json.loads(out)
    return reply["log_probs"], reply["cache"]


def ever_new_weightings(build):
    with Server(build, "--deterministic", "--cache-bytes", "64MiB") as server:
        fresh = _log_probs(server, "0.37,0.63")
        cached = _log_probs(server, "0.37,0.63")
        with Watch(server, "trimtab_mix_cache_bytes") as cache:
            report = server.bench("--concurrency", 16, "--duration", 20, "--warmup", 0, "--weightings", 10000,
                                  "--max-new-tokens", 4)
        mixes = server.metric("trimtab_mix_cache_misses_total")
        again = _log_probs(server, "0.37,0.63")
    same = fresh[0] == cached[0] == again[0] and cached[1] == "hit"
    return [only("L5", f"{mixes:.0f} weightings end", report["codes"], ["OK"]),
            at_most("L5", "most in the cache", cache.most / 2**20, 64, " MiB"),
            Figure("L5", "cached and fresh", "equal bits" if same else "differ", "equal bits", same)]
