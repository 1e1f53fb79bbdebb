"""Hours of everything at once: ./dev soak MINUTES [--json FILE].

Mixed calls in slices of a new client each, explorations, streams that are cancelled, connections that come and go, bad
input, a publisher and a scraper of metrics. Judges by quarters: memory, threads, descriptors, latency, statuses.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from endings import LONG, STREAM
from figure import Figure, at_most, only
from http2 import Connection, await_data, call_headers, message
from processes import ARTICLE, PILOT, ROOT, Server

SLICE_SECONDS = 20  # Of one client.
EXPECTED = {"OK", "CANCELLED"}


class Soak:
    def __init__(self, server, seconds):
        self.server, self.seconds, self.started = server, seconds, time.monotonic()
        self.samples, self.slices = [], []  # (when, MiB, threads, files), (when, p50, p99)
        self.codes, self.faults, self.commits, self.lock = {}, [], 0, threading.Lock()

    def now(self):
        return time.monotonic() - self.started

    def over(self):
        return self.now() >= self.seconds

    def count(self, code, calls=1):
        with self.lock:
            self.codes[code] = self.codes.get(code, 0) + calls

    def every(self, seconds, step):
        """Runs `step` again and again, so often, until the time is over; what it throws is a fault."""
        due = self.now()
        while not self.over():
            try:
                step()
            except Exception as fault:  # pylint: disable=broad-except
                self.faults.append(f"{step.__name__} at {self.now():.0f} s: {fault}")
            due = max(due + seconds, self.now())
            time.sleep(max(0.0, min(due, self.seconds) - self.now()))

    def run(self):
        steps = ((0, self.load), (7, self.explore), (5, self.cancel), (11, self.send_nonsense), (60, self.publish),
                 (5, self.sample))
        threads = [threading.Thread(target=self.every, args=step) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def load(self):
        seed = len(self.slices) + 1  # New weightings each time, beside old ones.
        report = self.server.bench("--concurrency", 8, "--duration", SLICE_SECONDS, "--warmup", 1, "--weightings", 50,
                                   "--zipf", 1, "--stream-share", 0.3, "--load-seed", seed)
        self.slices.append((self.now(), report["latency"]["p50"], report["latency"]["p99"]))
        for code, calls in report["codes"].items():
            self.count(code, calls)

    def _trimtab(self, *words):
        command = [self.server.build / "client/trimtab", *words, "--server", self.server.address]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())

    def explore(self):
        self._trimtab("explore", "--article", ARTICLE, "--divisions", 6, "--max-new-tokens", 16)
        self.count("OK")

    def publish(self):
        form = ("as-is", "bf16")[self.commits % 2]
        self._trimtab("publish", PILOT, "--form", form, "--holder", "soak")
        self.commits += 1

    def cancel(self):
        with Connection(self.server.address) as connection:
            streams = [connection.call(call_headers(STREAM), LONG) for _ in range(4)]
            await_data(connection, streams)
            for stream in streams:
                connection.reset(stream)
        self.count("CANCELLED", len(streams))

    def send_nonsense(self):
        for headers, body, expected in ((call_headers(), message(b"\xff" * 40), ("grpc", 13)),
                                        (call_headers(), message(b"\x0a\x00"), ("grpc", 3)),
                                        (call_headers("/no.such/Method"), b"", ("grpc", 12))):
            with Connection(self.server.address) as connection:
                connection.call(headers, body)
                ending = connection.ending()
                if ending != expected:
                    raise RuntimeError(f"ended with {ending} instead of {expected}")

    def sample(self):
        self.server.metrics()
        self.samples.append((self.now(), self.server.rss_mib(), self.server.threads(), self.server.files()))


def quarters(soak, rows):
    """Rows of each quarter of the time; the first of a row is when."""
    parts = [[], [], [], []]
    for row in rows:
        parts[min(3, int(4 * row[0] / soak.seconds))].append(row)
    return parts


def slope(rows):
    """Growth of the second value by the first, by least squares."""
    whens, values = [row[0] for row in rows], [row[1] for row in rows]
    when, value = statistics.fmean(whens), statistics.fmean(values)
    spread = sum((x - when) ** 2 for x in whens)
    return sum((x - when) * (y - value) for x, y in zip(whens, values)) / spread if spread else 0.0


def judge(soak):
    samples, slices = quarters(soak, soak.samples), quarters(soak, soak.slices)
    warm = [row for part in samples[1:] for row in part]
    percent = 100 * 3600 * slope(warm) / statistics.fmean(row[1] for row in warm)
    more = [min(row[at] for row in samples[3]) - min(row[at] for row in samples[1]) for at in (2, 3)]  # At quiet moments.
    p50, p99 = ([statistics.median(row[at] for row in part) for part in slices] for at in (1, 2))
    print_quarters(samples, p50, p99)
    return [only("soak", f"with {soak.commits} commits end", soak.codes, sorted(EXPECTED)),
            at_most("soak", "unexpected", len(soak.faults), 0, digits=0),
            at_most("soak", "memory, % per hour after a quarter", percent, 1, digits=2),
            at_most("soak", "threads more, quarter 4 over 2", more[0], 0, digits=0),
            at_most("soak", "descriptors more, quarter 4 over 2", more[1], 0, digits=0),
            at_most("soak", "p50, quarter 4 over 1", p50[3] / p50[0], 1.10, digits=2),
            at_most("soak", "p99, quarter 4 over 1", p99[3] / p99[0], 1.25, digits=2),
            Figure("soak", "the process", "lives" if soak.server.alive() else "died", "lives", soak.server.alive())]


def print_quarters(samples, p50, p99):
    print(f"{'quarter':>8} {'memory MiB':>22} {'threads':>12} {'descriptors':>12} {'p50 ms':>8} {'p99 ms':>8}")
    for i, part in enumerate(samples):
        spans = [f"{min(values):.{digits}f} to {max(values):.{digits}f}"
                 for values, digits in zip(list(zip(*part))[1:], (1, 0, 0))]
        print(f"{i + 1:8} {spans[0]:>22} {spans[1]:>12} {spans[2]:>12} {1e3 * p50[i]:8.1f} {1e3 * p99[i]:8.1f}")


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__.splitlines()[0])
    parser.add_argument("minutes", type=float, help="how long; at least 2")
    parser.add_argument("--json", metavar="FILE", help="write samples and slices there")
    parser.add_argument("--build", default=ROOT / "build/release", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.minutes < 2:
        parser.error("fewer than 2 minutes have no quarters to compare")
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--max-norm-jump", 0, "--cache-bytes", "256MiB", "--state-dir", os.path.join(folder, "state"))
        with Server(arguments.build, *flags) as server:
            soak = Soak(server, 60 * arguments.minutes)
            soak.run()
            figures = judge(soak)
    for fault in soak.faults:
        print(f"unexpected: {fault}")
    for figure in figures:
        print(f"{figure.name:38} {figure.value:34} {figure.asked:30} {'yes' if figure.met else 'NO'}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"samples": soak.samples, "slices": soak.slices, "faults": soak.faults}, file)
    sys.exit(not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()
