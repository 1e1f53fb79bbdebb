"""L12: a server that may take half as much memory again as it takes idle, before small requests and before large ones."""

import contextlib
import tempfile

from figure import Figure, at_most, only, told
from processes import Server

LARGE = 900_000  # Bytes of one article, of 1 MiB that may be sent.
CACHE = ("--cache-bytes", "16MiB")  # What the operator asks for.
ALLOWED = 1.5  # Times the idle memory.


def _idle(build):
    """Resident, and as RLIMIT_DATA counts, in MiB."""
    with Server(build, *CACHE) as server:
        server.bench("--requests", 1, "--warmup", 0)
        return server.rss_mib(), server.data_mib()


@contextlib.contextmanager
def _large_article():
    with tempfile.NamedTemporaryFile() as article:
        article.write(b"A word. " * (LARGE // 8))
        article.flush()
        yield article.name


def _flood(build, what, idle, limit, *flags, **article):
    told_limit, data_limit = limit  # What the server is told, and beyond what the system gives it nothing.
    with Server(build, *CACHE, "--memory-limit", told_limit, data_limit=data_limit) as server:
        flood = server.bench("--duration", 10, "--warmup", 0, *flags, **article)
        alive = server.alive()
        after = server.bench("--concurrency", 8, "--requests", 32, "--warmup", 0)["codes"] if alive else {"none": 32}
        peak = server.peak_mib() / idle if alive else float("inf")
    return [only("L12", f"{what} end", flood["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            told("L12", "of these answered a second", flood["codes"].get("OK", 0) / 10),
            Figure("L12", "the process", "lives" if alive else "died", "lives", alive),
            at_most("L12", "peak over idle memory", peak, ALLOWED, digits=2),
            only("L12", "ordinary callers after that end", after, ["OK"])]


def squeezed(build):
    idle, data = _idle(build)
    limit = (int(ALLOWED * idle * 2**20), int((data + (ALLOWED - 1) * idle) * 2**20))
    with _large_article() as large:
        return [*_flood(build, "1,024 callers", idle, limit, "--concurrency", 1024, "--weightings", 1000),
                *_flood(build, "256 callers of 0.9 MB", idle, limit, "--concurrency", 256, article=large),
                *_unlimited(build, idle, large)]


def _unlimited(build, idle, large):
    with Server(build, *CACHE) as server:
        flood = server.bench("--concurrency", 256, "--duration", 8, "--warmup", 0, article=large)
        peak = server.peak_mib() / idle
    return [only("L12", "the same without limit end", flood["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            told("L12", "then peak over idle memory", peak, digits=2)]
