"""What the server says, as values. Times are in seconds."""

from dataclasses import dataclass
from typing import Any

from trimtab.contract import enum_name
from trimtab.errors import seconds


@dataclass(frozen=True, order=True)
class Version:
    """One state of all parameters, the same on every server. Ordered by epoch, then sequence."""

    epoch: int
    sequence: int
    digest: str  # SHA-256, 64 hex digits.

    @classmethod
    def of(cls, sent: Any) -> "Version":
        return cls(sent.epoch, sent.sequence, sent.digest)


@dataclass(frozen=True)
class Weighting:
    """The weighting as asked, after defaults and normalisation, and the coefficients that were used."""

    alpha: float
    weights: tuple[float, ...]  # One per reward.
    coefficients: tuple[float, ...]  # What the weights of the model were mixed with.

    @classmethod
    def of(cls, sent: Any) -> "Weighting":
        return cls(sent.alpha, tuple(sent.weights), tuple(sent.coefficients))


@dataclass(frozen=True)
class Timings:
    queue: float  # Waiting for a place in the batch.
    mix: float  # Of encode and decode, spent on mixing the weights.
    encode: float
    decode: float
    first_token: float  # From arrival.


@dataclass(frozen=True)
class Summary:
    text: str
    weighting: Weighting
    version: Version  # Of the parameters that wrote it.
    path: str  # "dense" or "basis".
    cache: str  # "hit", "miss", "shared" or "basis".
    finish_reason: str  # "eos" or "length".
    truncated: bool  # The article was longer than the model reads.
    input_tokens: int
    output_tokens: int
    timings: Timings
    log_probs: tuple[float, ...]  # Of each token, when asked for.
    token_ids: tuple[int, ...]  # Likewise.

    @classmethod
    def of(cls, sent: Any) -> "Summary":
        times = sent.timings
        return cls(
            text=sent.summary,
            weighting=Weighting.of(sent.weighting),
            version=Version.of(sent.parameter_version),
            path=enum_name(sent, "execution_path"),
            cache=enum_name(sent, "cache"),
            finish_reason=enum_name(sent, "finish_reason"),
            truncated=sent.truncated,
            input_tokens=sent.input_tokens,
            output_tokens=sent.output_tokens,
            timings=Timings(
                queue=seconds(times.queue),
                mix=seconds(times.mix),
                encode=seconds(times.encode),
                decode=seconds(times.decode),
                first_token=seconds(times.first_token),
            ),
            log_probs=tuple(sent.log_probs),
            token_ids=tuple(sent.token_ids),
        )


@dataclass(frozen=True)
class Reward:
    name: str
    description: str
    range: tuple[float, float]  # Raw values that map to 0 and 1.
    weight_range: tuple[float, float]  # What the operator accepts.


@dataclass(frozen=True)
class Preset:
    name: str
    description: str
    alpha: float
    weights: tuple[float, ...]


@dataclass(frozen=True)
class ModelInfo:
    name: str
    variant: str  # "full", "attn", "logit", "custom" or "none".
    rewards: tuple[Reward, ...]
    mixing: str  # "softmdp", "linear" or "fixed".
    alpha_min: float
    default_alpha: float
    alpha_floor: float  # Smallest alpha the operator accepts.
    presets: tuple[Preset, ...]
    version: Version
    max_input_tokens: int
    max_new_tokens: int
    server_version: str
    device: str
    precision: str
    parameter_bytes: int
    mixed_bytes: int
    grid_bits_w: int
    grid_bits_beta: int

    @classmethod
    def of(cls, sent: Any) -> "ModelInfo":
        same = {
            name: getattr(sent, name)
            for name in cls.__dataclass_fields__
            if name not in ("rewards", "presets", "version")
        }
        rewards = tuple(
            Reward(r.name, r.description, (r.range_low, r.range_high), (r.weight_low, r.weight_high))
            for r in sent.rewards
        )
        presets = tuple(Preset(p.name, p.description, p.alpha, tuple(p.weights)) for p in sent.presets)
        return cls(rewards=rewards, presets=presets, version=Version.of(sent.parameter_version), **same)


@dataclass(frozen=True)
class Versions:
    """The parameter versions of one server."""

    active: Version  # What new requests get.
    held: tuple[Version, ...]  # What could be served again, oldest first; the active one too.
    durable: frozenset[Version]  # Those that survive the end of the server's process.

    @classmethod
    def of(cls, sent: Any) -> "Versions":
        return cls(
            active=Version.of(sent.active),
            held=tuple(Version.of(held.version) for held in sent.versions),
            durable=frozenset(Version.of(held.version) for held in sent.versions if held.durable),
        )
