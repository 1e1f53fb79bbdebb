"""What the blocking and the asynchronous client have in common: everything but waiting."""

import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import grpc

from trimtab import errors
from trimtab.affinity import HEADER, Served, affinity_key, coefficients
from trimtab.replies import ModelInfo, Summary
from trimtab.requests import Steer
from trimtab.routing import Routing

ASK_TIMEOUT = 2.0  # Of the question what is served, which only helps to route.
_ASK_AGAIN = 5.0

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 8 << 20),
    ("grpc.min_reconnect_backoff_ms", 2000),  # A host that has not accepted a connection by then is not reachable.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class Settings:
    servers: list[str]
    timeout: float
    max_attempts: int
    initial_backoff: float
    max_backoff: float
    failed_server_pause: float
    token: str

    @classmethod
    def of(
        cls, servers: str, *, token: str, timeout: float, max_attempts: int, initial_backoff: float, max_backoff: float
    ) -> "Settings":
        listed = [server.strip() for server in servers.split(",")]
        if not all(listed):
            raise ValueError(f"servers is {servers!r}; expected HOST:PORT, or several with commas between them")
        if max_attempts < 1:
            raise ValueError(f"max_attempts is {max_attempts}; expected at least 1")
        return cls(listed, timeout, max_attempts, initial_backoff, max_backoff, 1.0, token)


class Keys:
    """Affinity keys by what is served, which is asked for with the first call, and again once a reply contradicts it.

    Thread-safe. Until it is known, or where a weighting is not valid, calls go out without a key.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: Served | None = None
        self._ask_again = 0.0

    def due(self) -> bool:
        """Whether the caller should ask what is served, and say so to `take`. Says so to one caller at a time."""
        now = time.monotonic()
        with self._lock:
            if self._served is not None or now < self._ask_again:
                return False
            self._ask_again = now + _ASK_AGAIN
            return True

    def take(self, info: ModelInfo) -> None:
        with self._lock:
            self._served = Served.of(info)

    def of(self, steer: Steer) -> str:
        with self._lock:
            served = self._served
        if served is None:
            return ""
        try:
            return affinity_key(coefficients(served, steer))
        except (ValueError, TypeError):
            return ""

    def learn(self, key: str, outcome: Summary | errors.TrimtabError) -> None:
        """What a call with `key` came to: where that shows that something else is served by now, it is forgotten."""
        if isinstance(outcome, Summary):
            contradicts = affinity_key(outcome.weighting.coefficients) != key
        else:
            contradicts = isinstance(outcome, errors.InvalidRequest) and bool(key)
        if contradicts:
            with self._lock:
                self._served = None


class Course:
    """The tries of one call: where each goes, how long it may take, and how long to wait before the next."""

    def __init__(self, settings: Settings, routing: Routing, key: str, deadline: float, max_attempts: int) -> None:
        self._settings = settings
        self._routing = routing
        self._order = routing.order(key)
        self._deadline = deadline
        self._max_attempts = max_attempts
        self._backoff = settings.initial_backoff
        self._tried = 0
        self._server = 0
        self._metadata: tuple[tuple[str, str], ...] = ((HEADER, key),) if key else ()
        if settings.token:
            self._metadata += (("authorization", f"Bearer {settings.token}"),)

    def begin(self) -> tuple[int, dict[str, Any]]:
        """The server to call now, and the arguments of gRPC."""
        self._server, _ = self._routing.choose(self._order, time.monotonic())
        self._tried += 1
        return self._server, {"timeout": max(0.0, self._deadline - time.monotonic()), "metadata": self._metadata}

    def after(self, error: grpc.RpcError, *, fresh: bool = True) -> float:
        """Seconds to wait before the next try. Raises what the call failed with where there is none.

        `fresh`: nothing has arrived yet that the caller saw.
        """
        failure = errors.from_rpc(error)
        now = time.monotonic()
        unavailable = isinstance(failure, errors.Unavailable)
        if unavailable:
            self._routing.failed(self._server, now)
        again = unavailable or (isinstance(failure, errors.Overloaded) and failure.retry_after is not None)
        if not again or not fresh or self._tried >= self._max_attempts:
            raise failure from error
        server, ready = self._routing.choose(self._order, now)
        if unavailable and ready and server != self._server:
            return 0.0
        wait = max(failure.retry_after or 0.0, self._backoff * random.uniform(0.5, 1.0))
        if now + wait >= self._deadline:
            raise failure from error
        self._backoff = min(2 * self._backoff, self._settings.max_backoff)
        return wait
