"""The union of a pair on the disk: found once over all its texts, beside the features and targets, for every head of the pair."""

from __future__ import annotations

import json
from pathlib import Path

from jaxtyping import Float32, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import StoreError
from anatomy.interventions.heads.cache import CacheIndex, read_cache
from anatomy.interventions.heads.union import Union, likeliest
from anatomy.store.files import write_aside

FILE = "union.safetensors"
TENSORS = ("tokens", "others")


def fill_union(folder: Path, index: CacheIndex, weight: Float32[Tensor, "vocabulary d_model"], most: int, k: int) -> Union:
    """Find the union of a filled cache and write it beside the shards; one that was found from the same shards is kept.

    Args:
        folder: of the cache.
        weight: the base's head, in fp32.
        most: how many tokens heads may change.
        k: tokens of each of the base's distributions that count.
    """
    key = json.dumps({"shards": index["shards"], "most": most, "k": k}, sort_keys=True)
    if _metadata(folder / FILE).get("key") == key:
        return read_union(folder)
    cached = read_cache(folder, len(index["shards"]))
    union = likeliest(cached.features, weight, cached.targets, most, k)
    about = {"key": key, "vocabulary": str(union.vocabulary), "lost": repr(union.lost)}
    write_aside(folder / FILE, lambda aside: save_file({name: getattr(union, name) for name in TENSORS}, aside, about))
    return union


def read_union(folder: Path, rows: Int[Tensor, " row"] | None = None) -> Union:
    """The union of a pair.

    Args:
        folder: of the cache.
        rows: tokens of the cached texts that are trained on, whose others' logits are given; None for all.

    Raises:
        StoreError: it is missing or damaged.
    """
    path = folder / FILE
    about = _metadata(path)
    try:
        found = load_file(path)
        others = found["others"] if rows is None else found["others"][rows]
        return Union(found["tokens"], others, int(about["vocabulary"]), float(about["lost"]))
    except (OSError, SafetensorError, KeyError) as error:
        raise StoreError(
            found=f"{type(error).__name__}: {error}",
            expected="the tokens that heads of this pair may change",
            where=str(path),
            remedy=f"delete {folder} and give the same command again; features, targets and these tokens are computed anew",
        ) from error


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as stream:
            return stream.metadata() or {}
    except (OSError, SafetensorError):
        return {}
