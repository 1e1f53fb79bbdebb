"""L12: a server that may take half as much memory again as it takes idle, and what a flood of large articles takes."""

import pathlib
import resource
import tempfile

from figure import Figure, at_most, only
from processes import Server

LARGE = 900_000  # Bytes of one article, of 1 MiB that may be sent.
CACHE = ("--cache-bytes", "16MiB")  # The operator's part: what fits.


def _limit_growth(server, bytes_more):
    """The server may take so many bytes more than now: beyond that, the system gives it none."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    data = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    limit = data + int(bytes_more)
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (limit, limit))


def squeezed(build):
    with Server(build, *CACHE) as server:
        server.bench("--requests", 1, "--warmup", 0)
        idle = server.rss_mib()
        _limit_growth(server, idle / 2 * 2**20)
        flood = server.bench("--concurrency", 1024, "--duration", 10, "--warmup", 0, "--weightings", 1000)
        alive = server.alive()
        after = server.bench("--concurrency", 8, "--requests", 32, "--warmup", 0)["codes"] if alive else {"none": 32}
        peak = server.peak_mib() / idle if alive else float("inf")
    return [only("L12", "1,024 callers end", flood["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            Figure("L12", "the process", "lives" if alive else "died", "lives", alive),
            at_most("L12", "peak over idle memory", peak, 1.5, digits=2),
            only("L12", "ordinary callers after that end", after, ["OK"]),
            *large_articles(build)]


def large_articles(build):
    with tempfile.NamedTemporaryFile() as article, Server(build, *CACHE) as server:
        article.write(b"A word. " * (LARGE // 8))
        article.flush()
        server.bench("--requests", 1, "--warmup", 0)
        idle = server.rss_mib()
        flood = server.bench("--concurrency", 256, "--duration", 8, "--warmup", 0, article=article.name)
        peak = server.peak_mib() / idle
    return [only("L12", "256 callers of 0.9 MB end", flood["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            at_most("L12", "then peak over idle, without limit", peak, 1.5, digits=2)]
