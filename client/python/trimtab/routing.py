"""Which of several servers a call goes to: as client/routing.h. Knows no network and no clock."""

import threading

import xxhash


def rendezvous_order(key: str, servers: list[str]) -> list[int]:
    """Indices of `servers`, the preferred one for `key` first. A server that goes moves only its own keys.

    >>> rendezvous_order("3900d9617a3d627e", ["a:1"])
    [0]
    """
    weights = [(xxhash.xxh3_64_intdigest(f"{key} {server}".encode()), index) for index, server in enumerate(servers)]
    return [index for _, index in sorted(weights, reverse=True)]


class Routing:
    """The order of a key, less the servers that failed lately. Thread-safe."""

    def __init__(self, servers: list[str], pause: float) -> None:
        self._servers = servers
        self._pause = pause
        self._lock = threading.Lock()
        self._turn = 0
        self._paused_until = [0.0] * len(servers)

    def order(self, key: str) -> list[int]:
        """Without a key each server is preferred in turn, beginning with the first."""
        if key:
            return rendezvous_order(key, self._servers)
        with self._lock:
            turn = self._turn % len(self._servers)
            self._turn += 1
        indices = list(range(len(self._servers)))
        return indices[turn:] + indices[:turn]

    def choose(self, order: list[int], now: float) -> tuple[int, bool]:
        """The server, and False where all failed lately: then it is the one that failed the longest ago."""
        with self._lock:
            for server in order:
                if self._paused_until[server] <= now:
                    return server, True
            return min(order, key=lambda server: self._paused_until[server]), False

    def failed(self, server: int, now: float) -> None:
        with self._lock:
            self._paused_until[server] = now + self._pause
