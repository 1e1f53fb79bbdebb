"""The blocking client."""

import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from trimtab import contract, requests
from trimtab.affinity import article_key
from trimtab.calls import ASK_TIMEOUT, Course, Keys, Settings
from trimtab.errors import TrimtabError
from trimtab.exploration import Collector, Exploration, Point
from trimtab.replies import ModelInfo, Summary, Versions
from trimtab.requests import Asked, ExploreAsked
from trimtab.routing import Routing
from trimtab.tls import Tls, channels


class Client:
    """Calls trimtabd. Thread-safe. Errors are `trimtab.TrimtabError`.

    servers: HOST:PORT, or several with commas between them: requests that need the same mixed weights go to
        the same one, and a server that fails moves only its own requests to others.
    token: bearer token of role infer (role publish for `versions`).
    tls: how to connect over TLS; without it connections are not encrypted.
    timeout: seconds of one call, its retries included.
    max_attempts: tries of one call in all. Only a server that is not reachable or drains, and a full queue, are tried
        again; a stream only while no piece has arrived.
    initial_backoff, max_backoff: seconds between tries; they double, and are never shorter than the server asks for.
    """

    def __init__(
        self,
        servers: str = "127.0.0.1:50051",
        *,
        token: str = "",
        tls: Tls | None = None,
        timeout: float = 60.0,
        max_attempts: int = 4,
        initial_backoff: float = 0.1,
        max_backoff: float = 5.0,
    ) -> None:
        self._settings = Settings.of(
            servers,
            token=token,
            timeout=timeout,
            max_attempts=max_attempts,
            initial_backoff=initial_backoff,
            max_backoff=max_backoff,
        )
        self._channels = channels(grpc, self._settings.servers, tls)
        self._routing = Routing(self._settings.servers, self._settings.failed_server_pause)
        self._keys = Keys()

    def summarize(self, article: str, **asked: Unpack[Asked]) -> Summary:
        """The whole summary of `article`."""
        request = requests.summarize(article, asked)
        deadline = self._deadline(asked.get("timeout"))
        key = self._key(requests.steer_of(asked), deadline)
        try:
            summary = Summary.of(self._unary(contract.SUMMARIZE, request, key, deadline))
        except TrimtabError as error:
            self._keys.learn(key, error)
            raise
        self._keys.learn(key, summary)
        return summary

    def stream(self, article: str, **asked: Unpack[Asked]) -> "Stream":
        """The summary piece by piece, as it is written."""
        request = requests.summarize(article, asked)
        deadline = self._deadline(asked.get("timeout"))
        key = self._key(requests.steer_of(asked), deadline)
        return Stream(self._events(contract.STREAM_SUMMARIZE, request, key, deadline), key, self._keys)

    def explore(
        self, article: str, on_point: Callable[[Point], None] | None = None, **asked: Unpack[ExploreAsked]
    ) -> Exploration:
        """`article` at many weightings. `on_point` is called with each point as soon as it is done."""
        request = requests.explore(article, asked)
        collector = Collector()
        deadline = self._deadline(asked.get("timeout"))
        for event in self._events(contract.EXPLORE, request, article_key(article), deadline):
            point = collector.add(event)
            if point is not None and on_point is not None:
                on_point(point)
        return collector.exploration()

    def model_info(self) -> ModelInfo:
        """What the first server that answers serves."""
        sent = self._unary(contract.GET_MODEL_INFO, contract.GET_MODEL_INFO.request(), "", self._deadline(None))
        return ModelInfo.of(sent)

    def versions(self) -> Versions:
        """The parameter versions that the first server that answers holds. Wants a token of role publish."""
        sent = self._unary(contract.LIST_VERSIONS, contract.LIST_VERSIONS.request(), "", self._deadline(None))
        return Versions.of(sent)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._settings.timeout if timeout is None else timeout)

    def _key(self, steer: requests.Steer, deadline: float) -> str:
        if self._keys.due():
            request = contract.GET_MODEL_INFO.request()
            soon = min(deadline, time.monotonic() + ASK_TIMEOUT)
            try:
                tries = len(self._channels)
                self._keys.take(ModelInfo.of(self._unary(contract.GET_MODEL_INFO, request, "", soon, tries)))
            except TrimtabError:
                pass  # The call itself will say what is wrong.
        return self._keys.of(steer)

    def _course(self, key: str, deadline: float, max_attempts: int | None = None) -> Course:
        attempts = max_attempts or self._settings.max_attempts
        return Course(self._settings, self._routing, key, deadline, attempts)

    def _unary(
        self, method: contract.Method, request: Any, key: str, deadline: float, max_attempts: int | None = None
    ) -> Any:
        course = self._course(key, deadline, max_attempts)
        while True:
            server, arguments = course.begin()
            try:
                return method.on(self._channels[server])(request, **arguments)
            except grpc.RpcError as error:
                wait = course.after(error)
            time.sleep(wait)

    def _events(self, method: contract.Method, request: Any, key: str, deadline: float) -> Generator[Any, None, None]:
        course = self._course(key, deadline)
        fresh = True
        while True:
            server, arguments = course.begin()
            call = method.on(self._channels[server])(request, **arguments)
            try:
                for event in call:
                    fresh = False
                    yield event
                return
            except grpc.RpcError as error:
                wait = course.after(error, fresh=fresh)
            finally:
                call.cancel()  # Where the caller left early.
            time.sleep(wait)


class Stream:
    """A summary that is being written: iterate over its pieces, then `summary` is the whole reply.

    Leaving the `with` block ends the call. One thread at a time.
    """

    def __init__(self, events: Generator[Any, None, None], key: str, keys: Keys) -> None:
        self._events = events
        self._key = key
        self._keys = keys
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """Reads what is left of the stream first."""
        for _ in self:
            pass
        if self._summary is None:
            raise TrimtabError(
                "the stream ended without a result: it was closed, or this is no trimtabd", code="INTERNAL"
            )
        return self._summary

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            for event in self._events:
                if event.WhichOneof("event") == "text":
                    return str(event.text)
                self._summary = Summary.of(event.result)
                self._keys.learn(self._key, self._summary)
        except TrimtabError as error:
            self._keys.learn(self._key, error)
            raise
        raise StopIteration

    def close(self) -> None:
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
