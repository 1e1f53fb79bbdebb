"""What callers ask, as keyword arguments, and the messages made of it.

Limits and defaults are the server's (proto/trimtab/v1/summarizer.proto): it names what it refuses.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from trimtab import contract
from trimtab.replies import Version


class Steer(TypedDict, total=False):
    """A point (alpha, w): a preset alone, or any of the others."""

    weights: Sequence[float] | Mapping[str, float]  # In the checkpoint's order, or by reward name. Left out: uniform.
    alpha: float  # KL weight: 1 stays at the reference. Left out: the checkpoint's.
    preset: str  # A weighting that the checkpoint names.


class Generation(TypedDict, total=False):
    """How text is written; what is left out is the checkpoint's."""

    max_new_tokens: int
    min_new_tokens: int
    num_beams: int
    length_penalty: float
    no_repeat_ngram_size: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    log_probs: bool


class _How(Generation, total=False):
    parameter_digest: str  # These parameters or none.
    path: Literal["dense", "basis"]  # How the conditioned layers are computed.
    timeout: float  # Seconds for the call, its retries included. Left out: the client's.


class Asked(Steer, _How, total=False):
    """Keyword arguments of `summarize` and `stream`."""

    min_version: Version  # This version of the parameters or a later one.


class ExploreAsked(_How, total=False):
    """Keyword arguments of `explore`: either `weightings`, or a grid of `divisions` and `alphas` or `alpha_sweep`."""

    weightings: Sequence[Steer]
    divisions: int  # Of the simplex: divisions + 1 points for two rewards.
    alphas: Sequence[float]
    alpha_sweep: int  # So many alphas, evenly spread by the share of the reference.
    reference: str  # A summary to score each point against, with ROUGE-Lsum.
    objectives: Sequence[str]  # Scores that the front is taken over.


def steering(steer: Steer) -> contract.Message:
    sent = contract.message("trimtab.v1.Steering")()
    weights = steer.get("weights")
    if isinstance(weights, Mapping):
        for name, weight in weights.items():
            sent.named_weights[name] = weight
    elif weights is not None:
        sent.weights.extend(weights)
    if "alpha" in steer:
        sent.alpha = steer["alpha"]
    if "preset" in steer:
        sent.preset = steer["preset"]
    return sent


def steer_of(asked: Asked) -> Steer:
    return {name: asked[name] for name in Steer.__annotations__ if name in asked}  # type: ignore[literal-required, return-value]


def _check_names(asked: Mapping[str, object], known: Any) -> None:
    unknown = sorted(set(asked) - set(known.__annotations__))
    if unknown:
        raise TypeError(
            f"unknown arguments: {', '.join(unknown)}; there are {', '.join(sorted(known.__annotations__))}"
        )


def _fill(request: contract.Message, asked: Any) -> None:
    for name in Generation.__annotations__:
        if name in asked:
            setattr(request.options, name, asked[name])
    if "parameter_digest" in asked:
        request.parameter_digest = asked["parameter_digest"]
    if "path" in asked:
        request.execution_path = contract.enum_value(request, "execution_path", asked["path"])


def summarize(article: str, asked: Asked) -> contract.Message:
    _check_names(asked, Asked)
    request = contract.SUMMARIZE.request(article=article, steering=steering(steer_of(asked)))
    _fill(request, asked)
    if "min_version" in asked:
        least = asked["min_version"]
        request.min_parameter_version.epoch = least.epoch
        request.min_parameter_version.sequence = least.sequence
    return request


def explore(article: str, asked: ExploreAsked) -> contract.Message:
    _check_names(asked, ExploreAsked)
    request = contract.EXPLORE.request(article=article, reference=asked.get("reference", ""))
    _fill(request, asked)
    request.objectives.extend(asked.get("objectives", ()))
    grid = [name for name in ("divisions", "alphas", "alpha_sweep") if name in asked]
    if "weightings" in asked:
        if grid:
            raise TypeError(f"weightings excludes {', '.join(grid)}: ask for a list or for a grid")
        request.list.steerings.extend(steering(steer) for steer in asked["weightings"])
        return request
    request.grid.divisions = asked.get("divisions", 10)
    request.grid.alphas.extend(asked.get("alphas", ()))
    request.grid.alpha_sweep = asked.get("alpha_sweep", 0)
    return request
