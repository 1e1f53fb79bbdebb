"""Load over some time: L1 closed loop, L2 twice what the server can, L3 updates under load, L11 one weighting floods."""

import pathlib
import subprocess
import tempfile
import threading
import time

from figure import at_least, at_most, only, told
from processes import ARTICLE, PILOT, Server, finish, write_articles

MANY = ("--weightings", 50, "--zipf", 1)


def closed_loop(build):
    with Server(build) as server:
        report = server.bench("--concurrency", 64, "--duration", 24, "--warmup", 4, "--stream-share", 0.3, *MANY)
    seconds = report["replies_by_second"]
    first, last = sum(seconds[:8]) / 8, sum(seconds[-8:]) / 8
    return [only("L1", "64 callers end", report["codes"], ["OK"]),
            at_most("L1", "p99 over p50", report["latency"]["p99"] / report["latency"]["p50"], 5),
            at_least("L1", "last third over first third", last / first, 0.9, digits=2)]


class Watch:
    """The largest value of a metric while it is used."""

    def __init__(self, server, name):
        self.server, self.name, self.most, self.over = server, name, 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, self.server.metric(self.name))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def overloaded(server, article):
    """(peak, what was reported at twice that) where all articles come from one file."""
    peak = server.bench("--concurrency", 128, "--duration", 8, "--warmup", 2, *MANY, article=article)["goodput"]
    return peak, server.bench("--rate", 2 * peak, "--duration", 12, "--warmup", 4, *MANY, article=article)


def overload(build):
    with tempfile.TemporaryDirectory() as folder, Server(build) as server:
        articles = pathlib.Path(folder) / "articles.jsonl"
        write_articles(articles)
        one_peak, one = overloaded(server, ARTICLE)
        calm = ("--rate", 0.3 * one_peak, "--duration", 4, "--warmup", 0, *MANY)
        before = server.bench(*calm)["latency"]["p99"]
        with Watch(server, "trimtab_requests_waiting") as waiting:
            peak, report = overloaded(server, articles)
        after = server.bench(*calm)["latency"]["p99"]
        limit = server.metric("trimtab_requests_waiting_limit")
    return [only("L2", f"at twice {peak:.0f}/s end", report["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            at_least("L2", "goodput over peak", report["goodput"] / peak, 0.9, digits=2),
            told("L2", "the same, one article for all", one["goodput"] / one_peak, digits=2),
            at_most("L2", "refusal p99", 1e3 * report["refusal"]["p99"], 50, " ms"),
            at_most("L2", "most that waited", waiting.most, limit, digits=0),
            at_most("L2", "p99 after over before", after / before, 2)]


def updates(build):
    with Server(build, "--max-norm-jump", 0) as server:
        bench = server.start_bench("--concurrency", 8, "--duration", 30, "--warmup", 1, *MANY)
        commits, sizes = 0, []
        started = time.monotonic()
        while bench.poll() is None and time.monotonic() - started < 29:
            form = ("as-is", "bf16")[commits % 2]
            commits += subprocess.run([server.build / "client/trimtab", "publish", PILOT, "--server", server.address,
                                       "--form", form, "--holder", "load"], stdout=subprocess.DEVNULL).returncode == 0
            time.sleep(5)
            sizes.append((server.rss_mib(), server.files(), server.threads()))
        report = finish(bench)
    settled = sizes[min(2, len(sizes) - 1):]  # A busy machine may have time for one alone.
    return [only("L3", f"with {commits} commits end", report["codes"], ["OK"]),
            at_most("L3", "growth after two commits", settled[-1][0] / settled[0][0] - 1, 0.05, digits=3),
            at_most("L3", "files more", settled[-1][1] - settled[0][1], 2, digits=0),
            at_most("L3", "threads more", settled[-1][2] - settled[0][2], 2, digits=0)]


def flood(build):
    trickle = [word for i in range(9) for word in ("--weights", f"{(i + 1) / 10},{1 - (i + 1) / 10}")]
    trickle += ["--rate", 6, "--duration", 8, "--warmup", 2]
    with Server(build) as server:
        solo = server.bench(*trickle)["latency"]["p99"]
        bench = server.start_bench("--weights", "1,0", "--concurrency", 200, "--duration", 14, "--warmup", 0)
        time.sleep(1)
        beside = server.bench(*trickle)
        finish(bench)
    return [only("L11", "nine that trickle end", beside["codes"], ["OK"]),
            at_most("L11", "their p99 over solo", beside["latency"]["p99"] / solo, 3)]
