"""Which safetensors of a model folder are the model: what transformers, vLLM and this library all take, or an error.

transformers (5.19) takes the file that ``transformers_weights`` in config.json names, else ``model.safetensors``, else the
shards of ``model.safetensors.index.json``, all tensors of each. vLLM (0.32) takes the shards of an index, and without one every
safetensors file of the folder; an engine of ours is therefore shown a folder without what lies beside the model
(``anatomy.serving.named_folder``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anatomy.errors import AnatomyError, ModelError, parsing
from anatomy.models.config_file import refuse_pointer
from anatomy.models.weight_header import TensorEntry, read_header

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

SHARD = re.compile(r".+-\d+-of-(\d+)\.safetensors")

ANOTHER_NAME = re.compile(
    r"consolidated.*\.safetensors|model\.[^.]+(-\d+-of-\d+)?\.safetensors|model-\d+-of-\d+\.[^.]+\.safetensors"
)
"""Names under which publishers lay the same weights beside the model: Mistral's own format, variants such as ``model.fp16``."""


@dataclass(frozen=True)
class WeightFiles:
    """The safetensors of a folder.

    Attributes:
        headers: of each file of the model (``read_header``), in the order of their names.
        beside: files that are no part of it.
    """

    headers: dict[Path, dict[str, TensorEntry]]
    beside: tuple[Path, ...]


def weight_files(folder: Path, named: str | None = None) -> WeightFiles:
    """Find the files of the model and read their headers.

    Args:
        named: ``transformers_weights`` of config.json.

    Raises:
        ModelError: no safetensors, or links to none; two sets of weights of which one library would take the one and another the
            other, or of which nobody can tell which is meant; an index that transformers cannot read or that does not fit its
            shards.
    """
    index = folder / INDEX
    weight_map = _weight_map(index) if index.is_file() else {}
    here = sorted(folder.glob("*.safetensors"))
    for path in (index, *here):
        if path.is_symlink():
            refuse_pointer(path)
    chosen = _chosen(folder, weight_map, here)
    if named is not None and named not in ([INDEX] if weight_map else [path.name for path in chosen]):
        raise ModelError(
            found=f"transformers_weights {named!r} beside {_names(chosen)}",
            expected="weights under the names that every library looks for",
            where=str(folder / "config.json"),
            remedy=f"only transformers reads that option: rename the weights that you mean to {SINGLE}, move the others away, "
            "and take transformers_weights out of config.json",
        )
    headers = {path: read_header(path) for path in chosen}
    _refuse_twice(headers, index if weight_map else folder)
    _refuse_strays(weight_map, headers, index)
    beside = tuple(path for path in here if path not in headers)
    _refuse_second_set(folder, headers, beside)
    return WeightFiles(headers, beside)


def _chosen(folder: Path, weight_map: dict[str, str], here: list[Path]) -> list[Path]:
    single, index = folder / SINGLE, folder / INDEX
    shards = [folder / shard for shard in sorted(set(weight_map.values()))]
    if single.is_file() and any(path != single for path in shards):
        gone = sum(not path.is_file() for path in shards)
        raise ModelError(
            found=f"{SINGLE}, and an index of {len(shards)} other files, such as {shards[-1].name}"
            + (f" ({gone} of its shards missing)" if gone else ""),
            expected="one set of weights",
            where=str(index),
            remedy=f"transformers takes {SINGLE} and vLLM the files of the index: move {SINGLE} away, or {INDEX} with its shards",
        )
    if absent := [path.name for path in shards if not path.is_file()]:
        raise ModelError(
            found=f"{len(absent)} of {len(shards)} shards missing, such as {absent[0]}",
            expected="every shard that the index names",
            where=str(index),
            remedy="copy the missing shards",
        )
    if shards or single.is_file():
        return shards or [single]
    if here:
        raise _unnamed(folder, here)
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    raise ModelError(
        found=f"pickled weights ({', '.join(pickled)})" if pickled else "no weights",
        expected="safetensors; a pickle can run code when it is opened",
        where=str(folder),
        remedy="convert the weights to safetensors first",
    )


def _unnamed(folder: Path, here: list[Path]) -> ModelError:
    """Weights that transformers does not find, and of which vLLM would take every file."""
    parts = [path for path in here if SHARD.fullmatch(path.name)]
    if parts:
        whole = {int(match[1]) for path in parts if (match := SHARD.fullmatch(path.name))}
        found = f"{len(parts)} shards (of {' and of '.join(map(str, sorted(whole)))}) and no index: {_names(parts)}"
        remedy = f"copy {INDEX} too, which says which tensor lies in which shard"
    else:
        found = f"safetensors under {'another name' if len(here) == 1 else 'other names'}: {_names(here)}"
        remedy = f"rename the file that holds the model to {SINGLE}, if its tensors have the names that transformers knows"
    return ModelError(found=found, expected=f"{SINGLE}, or {INDEX} with its shards", where=str(folder), remedy=remedy)


def _weight_map(index: Path) -> dict[str, str]:
    """Tensor to shard, as the index says; shards lie in the model's folder and nowhere else."""
    with parsing(
        ModelError,
        str(index),
        'an index with "metadata" and a "weight_map" from tensors to files',
        remedy="copy or download the index again; transformers reads none without both",
    ):
        whole = json.loads(index.read_text(encoding="utf-8"))
        _ = whole["metadata"]
        found = {str(name): str(shard) for name, shard in whole["weight_map"].items()}
    if not found:
        raise ModelError(
            found="an index that names no tensor",
            expected="a file for each tensor",
            where=str(index),
            remedy="copy or download the index again, or move it away where the model is one file",
        )
    if outside := sorted({shard for shard in found.values() if Path(shard).name != shard}):
        raise ModelError(
            found=f"shard {outside[0]!r}",
            expected="the name of a file in the model's folder",
            where=str(index),
            remedy="download the model again from where it was published",
        )
    return found


def _refuse_twice(headers: dict[Path, dict[str, TensorEntry]], where: Path) -> None:
    """Refuse a tensor that stands in two files: the one that is read last would win."""
    first: dict[str, Path] = {}
    for path, header in headers.items():
        for name in header:
            if name in first:
                raise ModelError(
                    found=f"tensor {name} in {first[name].name} and in {path.name}",
                    expected="each tensor in one file",
                    where=str(where),
                    remedy="one of the two files belongs to another model or version: copy or download both again",
                )
            first[name] = path


def _refuse_strays(weight_map: dict[str, str], headers: dict[Path, dict[str, TensorEntry]], index: Path) -> None:
    """Refuse an index that names tensors that its shards do not hold. What they hold besides, every library takes."""
    places = {name: path.name for path, header in headers.items() for name in header}
    for name, shard in weight_map.items():
        if places.get(name) != shard:
            raise ModelError(
                found=f"tensor {name} not in {shard}",
                expected="every tensor of the index in its shard",
                where=str(index),
                remedy="copy or download the shard again",
            )


def _refuse_second_set(folder: Path, headers: dict[Path, dict[str, TensorEntry]], beside: Iterable[Path]) -> None:
    """Refuse files with tensors of the same names as the model's, unless their name says that they are another copy."""
    own = {name for header in headers.values() for name in header}
    for path in beside:
        if ANOTHER_NAME.fullmatch(path.name):
            continue
        try:
            shared = own & set(read_header(path))
        except AnatomyError:  # nobody opens it
            continue
        if shared:
            raise ModelError(
                found=f"two sets of weights: {_names(headers)}; and {path.name}, with {len(shared)} tensors of the same names",
                expected="one set of weights in a folder",
                where=str(folder),
                remedy=f"transformers takes the first. If that is the model, move {path.name} away; else move the first away and "
                f"call the other {SINGLE}, or copy the index of its shards",
            )


def _names(paths: Iterable[Path]) -> str:
    """Names of files, shortened."""
    names = [path.name for path in paths]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} … {names[-1]} ({len(names)} files)"
