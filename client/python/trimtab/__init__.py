"""Steerable summaries: the client of trimtabd.

    import trimtab

    with trimtab.Client("127.0.0.1:50051") as client:
        print(client.summarize("A long article ...", weights={"brief": 1}).text)

`Client` blocks, `AsyncClient` is its twin for asyncio. `trimtab.checkpoint` reads and writes checkpoints,
`trimtab.rewards` serves rewards of your own.
"""

from trimtab.asynchronous import AsyncClient, AsyncStream
from trimtab.client import Client, Stream
from trimtab.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    TrimtabError,
    Unavailable,
    VersionUnavailable,
)
from trimtab.exploration import Exploration, Point
from trimtab.replies import ModelInfo, Preset, Reward, Summary, Timings, Version, Versions, Weighting
from trimtab.requests import Asked, ExploreAsked, Generation, Steer
from trimtab.tls import Tls

__all__ = [
    "Asked",
    "AsyncClient",
    "AsyncStream",
    "Client",
    "DeadlineExceeded",
    "Exploration",
    "ExploreAsked",
    "Generation",
    "InvalidRequest",
    "ModelInfo",
    "NotAllowed",
    "Overloaded",
    "Point",
    "Preset",
    "Reward",
    "Steer",
    "Stream",
    "Summary",
    "Timings",
    "Tls",
    "TrimtabError",
    "Unavailable",
    "Version",
    "VersionUnavailable",
    "Versions",
    "Weighting",
]
