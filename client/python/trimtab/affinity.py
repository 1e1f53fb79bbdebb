"""The affinity key of a request, computed as the server and the C++ client compute it (model/affinity_key.h).

Requests that need the same mixed weights have the same key, so routers, and clients of several servers, can send them to
the same server. The key hashes the coefficients, so those are computed here, bit for bit.
"""

import functools
import math
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from trimtab.replies import ModelInfo
from trimtab.requests import Steer

HEADER = "x-trimtab-affinity"
_SUM_TOLERANCE = 1e-3
_FINEST_BITS = 20


@dataclass(frozen=True)
class Served:
    """What decides coefficients where a server serves."""

    rewards: tuple[str, ...]
    mixing: str = "softmdp"
    alpha_min: float = 0.01
    default_alpha: float = 0.01
    grid_bits_w: int = 20
    grid_bits_beta: int = 20
    presets: Mapping[str, tuple[float, tuple[float, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, info: ModelInfo) -> "Served":
        return cls(
            rewards=tuple(reward.name for reward in info.rewards),
            mixing=info.mixing,
            alpha_min=info.alpha_min,
            default_alpha=info.default_alpha,
            grid_bits_w=info.grid_bits_w,
            grid_bits_beta=info.grid_bits_beta,
            presets={preset.name: (preset.alpha, preset.weights) for preset in info.presets},
        )


def affinity_key(coefficients: Sequence[float]) -> str:
    """XXH3 of the coefficients as little-endian float32.

    >>> affinity_key([0.25, 0.75, 0.0])
    '3900d9617a3d627e'
    """
    return xxhash.xxh3_64_hexdigest(struct.pack(f"<{len(coefficients)}f", *coefficients))


def article_key(article: str) -> str:
    """The key of an exploration: it needs many mixed weights, so explorations spread by article."""
    return xxhash.xxh3_64_hexdigest(article.encode())


def coefficients(served: Served, steer: Steer) -> tuple[float, ...]:
    """What the weights of the model are mixed with. ValueError for a weighting that the server would refuse.

    >>> coefficients(Served(rewards=("brief", "full"), alpha_min=0.1), {"weights": {"brief": 1}, "alpha": 0.1})
    (1.0, 0.0, 0.0)
    """
    alpha, w = _chosen(served, steer)
    _check(served, alpha, w)
    if not w:
        return (1.0,)
    total = _sum(w)
    if total != 1.0:
        w = [entry / total for entry in w]
    c = _snap(w, served.grid_bits_w)
    if served.mixing != "fixed":
        beta = math.ldexp(_round(math.ldexp(_share(served, alpha), served.grid_bits_beta)), -served.grid_bits_beta)
        c = [entry * (1.0 - beta) for entry in c] + [beta]
    return tuple(_snap(c, min(served.grid_bits_w + served.grid_bits_beta, _FINEST_BITS)))


def _chosen(served: Served, steer: Steer) -> tuple[float, list[float]]:
    weights = steer.get("weights")
    if steer.get("preset"):
        if weights or "alpha" in steer or steer["preset"] not in served.presets:
            raise ValueError(f"no such preset, or not alone: {steer}")
        alpha, preset = served.presets[steer["preset"]]
        return alpha, list(preset)
    alpha = steer.get("alpha", served.default_alpha)
    if not weights:
        count = len(served.rewards)
        return alpha, [1.0 / max(count, 1)] * count
    if not isinstance(weights, Mapping):
        return alpha, [float(entry) for entry in weights]
    unknown = set(weights) - set(served.rewards)
    if unknown:
        raise ValueError(f"no rewards of this checkpoint: {', '.join(sorted(unknown))}")
    return alpha, [float(weights.get(name, 0.0)) for name in served.rewards]


def _check(served: Served, alpha: float, w: list[float]) -> None:
    low = served.alpha_min if served.rewards else 1.0
    high = served.alpha_min if served.rewards and served.mixing == "fixed" else 1.0
    if not low <= alpha <= high:
        raise ValueError(f"alpha is {alpha}; expected {low} to {high}")
    if len(w) != len(served.rewards) or not all(0.0 <= entry <= 1.0 + _SUM_TOLERANCE for entry in w):
        raise ValueError(f"weights are {w}; expected {len(served.rewards)}, each 0 to 1")
    if w and not abs(_sum(w) - 1.0) <= _SUM_TOLERANCE:
        raise ValueError(f"weights sum to {_sum(w)}; expected 1")


def _sum(values: Sequence[float]) -> float:
    """Plain additions from the left: sum() is more exact since Python 3.12, and so not equal to what servers compute."""
    return functools.reduce(operator.add, values, 0.0)


def _round(value: float) -> int:
    """Halves go up, unlike with round()."""
    whole = math.floor(value)
    return whole + (value - whole >= 0.5)


def _share(served: Served, alpha: float) -> float:
    """The share beta of the reference (paper, eq. 4)."""
    if served.mixing == "linear":
        return alpha
    if alpha >= 1.0:
        return 1.0
    return (alpha - served.alpha_min) / (alpha * (1.0 - served.alpha_min))


def _snap(shares: Sequence[float], bits: int) -> list[float]:
    """Multiples of 2^-bits that sum to exactly 1: floors first, then one more for the largest remainders."""
    left = total = 1 << bits
    units, remainders = [], []
    for share in shares:
        exact = share * total
        unit = min(math.floor(exact), left)
        units.append(unit)
        remainders.append(exact - unit)
        left -= unit
    order = sorted(range(len(shares)), key=lambda i: -remainders[i])
    for i in range(left):
        units[order[i % len(order)]] += 1
    return [math.ldexp(unit, -bits) for unit in units]
