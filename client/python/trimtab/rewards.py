"""Rewards of your own, served to a trainer (proto/trimtab/v1/rewards.proto).

from trimtab import rewards

class Brevity(rewards.RewardServer):
    names = ["brevity"]

    def score(self, texts):
        return [[-len(text.summary.split())] for text in texts]

Brevity().serve("127.0.0.1:50061")
"""

import abc
import concurrent.futures
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from trimtab import contract

_SERVICE = "trimtab.v1.Rewards"
_DESCRIBE = contract.method(_SERVICE, "Describe")
_SCORE = contract.method(_SERVICE, "Score")
_MAX_TEXTS = 64
_MAX_BYTES = 80 << 20  # Of a batch: 64 texts of at most 1 MiB and twice 64 KiB.


@dataclass(frozen=True)
class Text:
    article: str  # What the policy read, without its task prefix.
    summary: str  # What it wrote; may be empty.
    reference: str  # What a person wrote; empty where there is none.


class RewardServer(abc.ABC):
    """Base class of a reward server: name the rewards, and score batches of texts."""

    names: Sequence[str]  # Of the scores: 1 to 16, each of a-z, 0-9 and _.
    needs_reference = False  # Whether every text must come with a reference.

    @abc.abstractmethod
    def score(self, texts: Sequence[Text]) -> Sequence[Sequence[float]]:
        """One list of scores a text, in the order of `names`: finite, larger is better.

        The same text must get the same scores alone and among others. Called by one thread at a time.
        """

    def serve(self, listen: str = "127.0.0.1:0", ready: Callable[[str], None] | None = None) -> None:
        """Serves until interrupted. `ready` is called with the address once calls are taken."""
        server, address = self.start(listen)
        if ready is not None:
            ready(address)
        try:
            server.wait_for_termination()
        except KeyboardInterrupt:
            server.stop(grace=5).wait()

    def start(self, listen: str = "127.0.0.1:0") -> tuple[grpc.Server, str]:
        """A server that runs until its `stop`, and its address."""
        self._check_names()
        one_thread = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        server = grpc.server(one_thread, options=(("grpc.max_receive_message_length", _MAX_BYTES),))
        methods = {"Describe": _handler(_DESCRIBE, self._describe), "Score": _handler(_SCORE, self._score)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        host = listen.rpartition(":")[0]
        port = server.add_insecure_port(listen)
        server.start()
        return server, f"{host}:{port}"

    def _check_names(self) -> None:
        names = list(self.names)
        if not 1 <= len(names) <= 16 or len(set(names)) < len(names):
            raise ValueError(f"names are {names}; expected 1 to 16, all different")
        for name in names:
            if not re.fullmatch(r"[a-z0-9_]{1,64}", name):
                raise ValueError(f"name {name!r}; expected 1 to 64 of a-z, 0-9 and _")

    def _describe(self, _request: Any, _context: Any) -> Any:
        return _DESCRIBE.response(names=self.names, needs_reference=self.needs_reference)

    def _score(self, request: Any, context: Any) -> Any:
        texts = [Text(sent.article, sent.summary, sent.reference) for sent in request.texts]
        if not 1 <= len(texts) <= _MAX_TEXTS:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"texts has {len(texts)} entries; expected 1 to {_MAX_TEXTS}"
            )
        if self.needs_reference and not all(text.reference for text in texts):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "texts: every text needs a reference")
        scores = [[float(value) for value in values] for values in self.score(texts)]
        expected = [len(self.names)] * len(texts)
        if [len(values) for values in scores] != expected or not all(math.isfinite(v) for row in scores for v in row):
            context.abort(
                grpc.StatusCode.INTERNAL,
                f"score() gave {scores}; expected {len(self.names)} finite numbers for each of {len(texts)} texts",
            )
        response = _SCORE.response()
        for values in scores:
            response.scores.add(values=values)
        return response


def _handler(method: contract.Method, behaviour: Callable[[Any, Any], Any]) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )
