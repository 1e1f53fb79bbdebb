"""L12: a server that may take half as much memory again as it takes idle, before a flood of large articles."""

import pathlib
import resource
import tempfile

from figure import Figure, at_most, only
from processes import Server

LARGE = 900_000  # Bytes of one article, of 1 MiB that may be sent.


def _limit_growth(server, bytes_more):
    """The server may take so many bytes more than now."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    data = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData"))
    limit = data + int(bytes_more)
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (limit, limit))


def squeezed(build):
    with tempfile.NamedTemporaryFile() as article, Server(build, "--cache-bytes", "16MiB") as server:
        article.write(b"A word. " * (LARGE // 8))
        article.flush()
        server.bench("--requests", 1, "--warmup", 0)
        idle = server.rss_mib()
        _limit_growth(server, idle / 2 * 2**20)
        flood = server.bench("--concurrency", 256, "--duration", 10, "--warmup", 0, "--weightings", 1000, article=article.name)
        alive = server.alive()
        after = server.bench("--concurrency", 8, "--requests", 32, "--warmup", 0) if alive else {"codes": {"dead": 1}}
        peak = server.peak_mib() if alive else 0.0
    return [only("L12", "256 callers of 0.9 MB end", flood["codes"], ["OK", "RESOURCE_EXHAUSTED"]),
            Figure("L12", "the process", "lives" if alive else "died", "lives", alive),
            at_most("L12", "peak over idle memory", peak / idle, 1.5, digits=2),
            only("L12", "ordinary callers after that end", after["codes"], ["OK"])]
