"""Reads and writes CLP checkpoints (model/README.md), so that runs of PyTorch can be served.

    from trimtab import checkpoint

    made = checkpoint.soup(
        "flan-t5-small",  # Its config.json, generation_config.json and spiece.model go over unchanged.
        reference=reference_model.state_dict(),
        rewards={"brief": brief_model.state_dict(), "full": full_model.state_dict()},
        variant="attn",
    )
    checkpoint.write(made, "my-checkpoint")

Tensors are of torch or of numpy, with the bfloat16 of ml_dtypes. `trimtab inspect DIR` and `trimtabd --check --model DIR` check
what was written. Wants the extra `trimtab[checkpoint]`.
"""

import fnmatch
import json
import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import ml_dtypes  # noqa: F401  Registers bfloat16 with numpy.
import numpy
import safetensors

Tensors = dict[str, Any]  # By Hugging Face's names.

# S, the tensors that every reward has a set of.
PATTERNS = {
    "full": ["*"],
    "attn": ["*.SelfAttention.*", "*.EncDecAttention.*"],
    "logit": ["lm_head.weight"],
}
_TEXTS = ("config.json", "generation_config.json", "spiece.model")
_OPTIONAL_TEXTS = ("generation_config.json",)
_EMBEDDING = "shared.weight"
_OTHER_EMBEDDING_NAMES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_HEAD = "lm_head.weight"


class CheckpointError(ValueError):
    """What is there does not make a checkpoint; the message says what to change."""


@dataclass
class Checkpoint:
    clp: dict[str, Any]  # clp.json.
    texts: dict[str, bytes]  # config.json, generation_config.json and spiece.model.
    shared: Tensors
    conditioned: dict[str, Tensors] = field(default_factory=dict)  # By reward, in the order of clp["rewards"].
    reference: Tensors = field(default_factory=dict)  # Of S.

    def state_dict(self, reward: str) -> Tensors:
        """All tensors of the policy of one reward, as a T5 of transformers loads them."""
        return {**self.shared, **self.conditioned[reward]}


def read(folder: str | os.PathLike[str], framework: Literal["numpy", "pt"] = "numpy") -> Checkpoint:
    """Reads a checkpoint into memory, as arrays of numpy or tensors of torch ("pt")."""
    root = pathlib.Path(folder)
    if not (root / "clp.json").is_file():
        raise CheckpointError(f"{root} has no clp.json: it is no CLP checkpoint; `trimtab import` makes one")
    clp = json.loads((root / "clp.json").read_text(encoding="utf-8"))
    names = [reward["name"] for reward in clp.get("rewards", [])]
    has_reference = (root / "reference.safetensors").is_file()
    return Checkpoint(
        clp=clp,
        texts=_read_texts(root),
        shared=_load(root / "shared.safetensors", framework),
        conditioned={name: _load(root / "conditioned" / f"{name}.safetensors", framework) for name in names},
        reference=_load(root / "reference.safetensors", framework) if has_reference else {},
    )


def write(checkpoint: Checkpoint, folder: str | os.PathLike[str]) -> None:
    """Writes a checkpoint into a new or empty folder. The digest is left out: servers compute it."""
    root = pathlib.Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CheckpointError(f"{root} exists and is not an empty folder; name a new one")
    named = [reward["name"] for reward in checkpoint.clp.get("rewards", [])]
    if named != list(checkpoint.conditioned):
        raise CheckpointError(f"clp names the rewards {named}, the sets are of {list(checkpoint.conditioned)}")
    (root / "conditioned").mkdir(parents=True, exist_ok=True)
    _save(checkpoint.shared, root / "shared.safetensors")
    for name, tensors in checkpoint.conditioned.items():
        _save(tensors, root / "conditioned" / f"{name}.safetensors")
    if checkpoint.reference:
        _save(checkpoint.reference, root / "reference.safetensors")
    for name, text in checkpoint.texts.items():
        (root / name).write_bytes(text)
    clp = {key: value for key, value in checkpoint.clp.items() if key != "digest"}
    (root / "clp.json").write_text(json.dumps(clp, indent=2) + "\n", encoding="utf-8")


def soup(
    folder: str | os.PathLike[str],
    *,
    reference: Mapping[str, Any],
    rewards: Mapping[str, Mapping[str, Any]],
    variant: Literal["full", "attn", "logit"],
    name: str = "",
    alpha_min: float = 0.01,
    default_alpha: float | None = None,
    task_prefix: str = "",
) -> Checkpoint:
    """Fine-tuned copies of one model, one state dict per reward, and the model they came from (Rewarded Soups).

    What `variant` does not condition must be equal in all of them, as it is kept once. `folder` holds the texts of the
    model as Hugging Face writes them.
    """
    texts = _read_texts(pathlib.Path(folder))
    config = json.loads(texts["config.json"])
    tied = bool(config.get("tie_word_embeddings", True))
    states = {name: _canonical(state, tied, variant) for name, state in rewards.items()}
    base = _canonical(reference, tied, variant)
    shared, conditioned = _split(base, variant)
    for reward, state in states.items():
        _check_outside(reward, state, shared, base)
    clp: dict[str, Any] = {
        "format_version": 1,
        "name": name or pathlib.Path(folder).resolve().name,
        "variant": variant,
        "patterns": PATTERNS[variant],
        "rewards": [{"name": reward} for reward in rewards],
        "mixing": {"kind": "softmdp", "alpha_min": alpha_min},
        "default_alpha": alpha_min if default_alpha is None else default_alpha,
        "task_prefix": task_prefix,
    }
    if variant == "logit" and tied:  # A head of its own must not lose the scale that it had as the embedding.
        clp["logit_scale"] = config["d_model"] ** -0.5
    return Checkpoint(clp, texts, shared, {r: _split(s, variant)[1] for r, s in states.items()}, conditioned)


def _canonical(state: Mapping[str, Any], tied: bool, variant: str) -> Tensors:
    """Each tensor once and under one name."""
    tensors = {name: value for name, value in state.items() if name not in _OTHER_EMBEDDING_NAMES}
    for other in _OTHER_EMBEDDING_NAMES:
        if _EMBEDDING not in tensors and other in state:
            tensors[_EMBEDDING] = state[other]
    if _EMBEDDING not in tensors:
        raise CheckpointError(f"there is no {_EMBEDDING} among {sorted(state)[:4]} ...; expected the names of a T5")
    if not tied:
        return tensors
    if variant == "logit":
        tensors.setdefault(_HEAD, tensors[_EMBEDDING])
    else:
        tensors.pop(_HEAD, None)
    return tensors


def _split(state: Tensors, variant: str) -> tuple[Tensors, Tensors]:
    def is_conditioned(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in PATTERNS[variant])

    return (
        {name: value for name, value in state.items() if not is_conditioned(name)},
        {name: value for name, value in state.items() if is_conditioned(name)},
    )


def _check_outside(reward: str, state: Tensors, shared: Tensors, base: Tensors) -> None:
    if state.keys() != base.keys():
        other = sorted(state.keys() ^ base.keys())
        raise CheckpointError(f"{reward} and the reference differ in what they have: {', '.join(other[:4])}")
    for name, value in base.items():
        if state[name].shape != value.shape or state[name].dtype != value.dtype:
            raise CheckpointError(f"{reward}: {name} has another shape or type than in the reference")
        if name in shared and not bool((state[name] == value).all()):
            raise CheckpointError(f"{reward}: {name} differs from the reference, but this variant shares it; use full")


def _read_texts(root: pathlib.Path) -> dict[str, bytes]:
    texts = {}
    for name in _TEXTS:
        if (root / name).is_file():
            texts[name] = (root / name).read_bytes()
        elif name not in _OPTIONAL_TEXTS:
            raise CheckpointError(f"{root}: {name} is missing; expected it as Hugging Face writes it")
    return texts


def _load(path: pathlib.Path, framework: str) -> Tensors:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    with safetensors.safe_open(path, framework=framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def _save(tensors: Tensors, path: pathlib.Path) -> None:
    metadata = {"format": "pt"}
    if all(isinstance(value, numpy.ndarray) for value in tensors.values()):
        from safetensors import numpy as numpy_files

        arrays = {name: numpy.ascontiguousarray(value) for name, value in tensors.items()}
        numpy_files.save_file(arrays, path, metadata=metadata)
        return
    from safetensors import torch as torch_files

    # Copies: tensors that share memory are refused, and views too.
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    torch_files.save_file(copies, path, metadata=metadata)
