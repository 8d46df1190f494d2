"""Features and targets on the disk: computed once for all heads, in shards that a killed job does not compute again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import StoreError
from anatomy.interventions.heads.packed_targets import packed, stored_bytes, unpacked
from anatomy.interventions.heads.targets import Targets, joined
from anatomy.store.digest import file_digest
from anatomy.store.files import read_json, write_aside, write_json
from anatomy.store.json_objects import JsonObject, checked_fields

INDEX = "index.json"
TARGETS = "targets."
FEATURES = ("features", "early")
"""States of the base, which take most of a shard."""


class CacheIndex(TypedDict):
    """What a cache holds.

    Attributes:
        key: everything that decides it.
        shards: digests of its files, in order.
        answers, tokens: how many answers, and how many target tokens in them.
        whole_kl: mean KL in nats from the aligned model to the base, over whole distributions.
        kept_kl: the same with all tokens that are not kept taken as one: what k costs is the difference.
        bytes_a_token: on the disk, beside the features.
    """

    key: JsonObject
    shards: list[str]
    answers: int
    tokens: int
    whole_kl: float
    kept_kl: float
    bytes_a_token: float


@dataclass(frozen=True)
class Shard:
    """Some answers of a cache.

    Attributes:
        features: final hidden states of the base, of all tokens below each other.
        early: states of an early layer.
        targets: of the aligned model on the same tokens.
        answered: the answers' own tokens.
        lengths: tokens of each answer.
        whole_kl, kept_kl: summed over the tokens of each answer (``CacheIndex``).
    """

    features: Float[Tensor, "token d_model"]
    early: Float[Tensor, "token d_model"]
    targets: Targets
    answered: Int[Tensor, " token"]
    lengths: Int[Tensor, " answer"]
    whole_kl: Float[Tensor, " answer"]
    kept_kl: Float[Tensor, " answer"]


def fill_cache(
    folder: Path, key: JsonObject, answers: int, size: int, compute: Callable[[slice], Shard], say: Callable[[str], None]
) -> CacheIndex:
    """Compute the shards that are missing and write the index; a shard under the same key is kept.

    Args:
        key: everything that decides the content.
        answers: how many there are; ``size`` of them a shard.
        compute: a shard of some of them.
    """
    places = [slice(start, min(start + size, answers)) for start in range(0, answers, size)]
    name = json.dumps(key, sort_keys=True)
    kept = 0
    for number, place in enumerate(places):
        path = folder / f"shard-{number:05d}.safetensors"
        if _metadata(path).get("key") == name and _metadata(path).get("place") == str(place):
            kept += 1
            continue
        shard = compute(place)
        tensors = {f"{TARGETS}{field}": part for field, part in packed(shard.targets).items()}
        tensors |= {field: getattr(shard, field) for field in vars(shard) if field != "targets"}
        tensors |= {"answered": shard.answered.to(shard.targets.tokens.dtype)}
        contiguous = {field: tensor.contiguous() for field, tensor in tensors.items()}
        write_aside(
            path,
            lambda aside, held=contiguous, at=place: save_file(held, aside, {"key": name, "place": str(at)}),  # type: ignore[misc]
        )
    if kept:
        say(f"{kept} of {len(places)} shards were there already")
    for extra in sorted(folder.glob("shard-*.safetensors"))[len(places) :]:
        extra.unlink()
    parts = _read(folder, len(places))
    every = _joined(parts)
    beside = sum(stored_bytes({field: part for field, part in found.items() if field not in FEATURES}) for found in parts)
    index: CacheIndex = {
        "key": key,
        "shards": [file_digest(folder / f"shard-{number:05d}.safetensors") for number in range(len(places))],
        "answers": len(every.lengths),
        "tokens": len(every.answered),
        "whole_kl": float(every.whole_kl.double().sum()) / len(every.answered),
        "kept_kl": float(every.kept_kl.double().sum()) / len(every.answered),
        "bytes_a_token": beside / max(1, len(every.answered)),
    }
    write_json(folder / INDEX, index)
    return index


def read_index(path: Path) -> CacheIndex:
    """The index of a cache.

    Raises:
        StoreError: it is missing, or no index of this version.
    """
    return checked_fields(CacheIndex, read_json(path), "the index of features and targets", str(path))


def read_cache(folder: Path, shards: int) -> Shard:
    """All shards as one.

    Raises:
        StoreError: one is missing or damaged.
    """
    return _joined(_read(folder, shards))


def _read(folder: Path, shards: int) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = []
    for number in range(shards):
        path = folder / f"shard-{number:05d}.safetensors"
        try:
            parts.append(load_file(path))
        except (OSError, SafetensorError) as error:
            raise StoreError(
                found=f"{type(error).__name__}: {error}",
                expected="a shard of features and targets",
                where=str(path),
                remedy="delete the file and give the same command again; the shard is computed anew",
            ) from error
    return parts


def _joined(parts: Sequence[dict[str, Tensor]]) -> Shard:
    own = [{field.removeprefix(TARGETS): part for field, part in found.items() if field.startswith(TARGETS)} for found in parts]
    targets = joined([unpacked(one) for one in own])
    fields = ("features", "early", "answered", "lengths", "whole_kl", "kept_kl")
    return Shard(targets=targets, **{field: torch.cat([found[field] for found in parts]) for field in fields})


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as stream:
            return stream.metadata() or {}
    except (OSError, SafetensorError):
        return {}
