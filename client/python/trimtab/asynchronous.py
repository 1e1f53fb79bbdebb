"""The client for asyncio: the same calls as `trimtab.Client`, awaited."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
import grpc.aio

from trimtab import contract, requests
from trimtab.affinity import article_key
from trimtab.calls import ASK_TIMEOUT, Course, Keys, Settings
from trimtab.errors import TrimtabError
from trimtab.exploration import Collector, Exploration, Point
from trimtab.replies import ModelInfo, Summary, Versions
from trimtab.requests import Asked, ExploreAsked
from trimtab.routing import Routing
from trimtab.tls import Tls, channels


class AsyncClient:
    """`trimtab.Client` for asyncio. Make and use it within one event loop."""

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
        self._channels = channels(grpc.aio, self._settings.servers, tls)
        self._routing = Routing(self._settings.servers, self._settings.failed_server_pause)
        self._keys = Keys()

    async def summarize(self, article: str, **asked: Unpack[Asked]) -> Summary:
        request = requests.summarize(article, asked)
        deadline = self._deadline(asked.get("timeout"))
        key = await self._key(requests.steer_of(asked), deadline)
        try:
            summary = Summary.of(await self._unary(contract.SUMMARIZE, request, key, deadline))
        except TrimtabError as error:
            self._keys.learn(key, error)
            raise
        self._keys.learn(key, summary)
        return summary

    async def stream(self, article: str, **asked: Unpack[Asked]) -> "AsyncStream":
        request = requests.summarize(article, asked)
        deadline = self._deadline(asked.get("timeout"))
        key = await self._key(requests.steer_of(asked), deadline)
        return AsyncStream(self._events(contract.STREAM_SUMMARIZE, request, key, deadline), key, self._keys)

    async def explore(
        self, article: str, on_point: Callable[[Point], None] | None = None, **asked: Unpack[ExploreAsked]
    ) -> Exploration:
        request = requests.explore(article, asked)
        collector = Collector()
        deadline = self._deadline(asked.get("timeout"))
        async for event in self._events(contract.EXPLORE, request, article_key(article), deadline):
            point = collector.add(event)
            if point is not None and on_point is not None:
                on_point(point)
        return collector.exploration()

    async def model_info(self) -> ModelInfo:
        request = contract.GET_MODEL_INFO.request()
        return ModelInfo.of(await self._unary(contract.GET_MODEL_INFO, request, "", self._deadline(None)))

    async def versions(self) -> Versions:
        request = contract.LIST_VERSIONS.request()
        return Versions.of(await self._unary(contract.LIST_VERSIONS, request, "", self._deadline(None)))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._settings.timeout if timeout is None else timeout)

    async def _key(self, steer: requests.Steer, deadline: float) -> str:
        if self._keys.due():
            request = contract.GET_MODEL_INFO.request()
            soon = min(deadline, time.monotonic() + ASK_TIMEOUT)
            try:
                tries = len(self._channels)
                self._keys.take(ModelInfo.of(await self._unary(contract.GET_MODEL_INFO, request, "", soon, tries)))
            except TrimtabError:
                pass  # The call itself will say what is wrong.
        return self._keys.of(steer)

    def _course(self, key: str, deadline: float, max_attempts: int | None = None) -> Course:
        attempts = max_attempts or self._settings.max_attempts
        return Course(self._settings, self._routing, key, deadline, attempts)

    async def _unary(
        self, method: contract.Method, request: Any, key: str, deadline: float, max_attempts: int | None = None
    ) -> Any:
        course = self._course(key, deadline, max_attempts)
        while True:
            server, arguments = course.begin()
            try:
                return await method.on(self._channels[server])(request, **arguments)
            except grpc.RpcError as error:
                wait = course.after(error)
            await asyncio.sleep(wait)

    async def _events(
        self, method: contract.Method, request: Any, key: str, deadline: float
    ) -> AsyncGenerator[Any, None]:
        course = self._course(key, deadline)
        fresh = True
        while True:
            server, arguments = course.begin()
            call = method.on(self._channels[server])(request, **arguments)
            try:
                async for event in call:
                    fresh = False
                    yield event
                return
            except grpc.RpcError as error:
                wait = course.after(error, fresh=fresh)
            finally:
                call.cancel()  # Where the caller left early.
            await asyncio.sleep(wait)


class AsyncStream:
    """`trimtab.Stream` for asyncio: `async for` over its pieces, then `await stream.summary()`."""

    def __init__(self, events: AsyncGenerator[Any, None], key: str, keys: Keys) -> None:
        self._events = events
        self._key = key
        self._keys = keys
        self._summary: Summary | None = None

    async def summary(self) -> Summary:
        """Reads what is left of the stream first."""
        async for _ in self:
            pass
        if self._summary is None:
            raise TrimtabError(
                "the stream ended without a result: it was closed, or this is no trimtabd", code="INTERNAL"
            )
        return self._summary

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            async for event in self._events:
                if event.WhichOneof("event") == "text":
                    return str(event.text)
                self._summary = Summary.of(event.result)
                self._keys.learn(self._key, self._summary)
        except TrimtabError as error:
            self._keys.learn(self._key, error)
            raise
        raise StopAsyncIteration

    async def close(self) -> None:
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
