"""What an export changed, tensor by tensor: a task vector (edited minus original), as merging tools add it to other models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from anatomy.errors import DataError, GateError
from anatomy.interventions.export.folder import MARKER
from anatomy.models.checkpoint import Checkpoint
from anatomy.store.files import explained, read_json, write_aside, write_json

INDEX = "model.safetensors.index.json"
LARGEST = 2 * 2**30
"""Bytes of differences that are held before a file is written."""


def write_task_vector(exported: Path, original: Path, to: Path, say: Callable[[str], None], largest: int = LARGEST) -> Path:
    """Write the differences of an exported checkpoint from its original, in fp32, under the names of the checkpoint.

    Tensors that are equal are left out. An export exists only where the gate has let the edit pass; what its record says is
    compared with both folders, so that nothing else leaves this way.

    Args:
        to: a folder that is empty or not there.

    Returns:
        The index, which names the file of each tensor.

    Raises:
        GateError: no export, or other weights than those that passed the gate.
        DataError: the folder is not empty, or nothing changed.
    """
    before, after = _checked(exported, original)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise DataError(found="something there", expected="an empty place", where=str(to), remedy="name another folder")
    with explained(to):
        to.mkdir(parents=True, exist_ok=True)
    names, held = after.names(), dict[str, Tensor]()
    places: dict[str, str] = {}
    for name in names:
        old, new = before.tensor(before.source(name)), after.tensor(name)
        if old.shape != new.shape:
            raise GateError(found=f"shape {list(new.shape)}", expected=f"{list(old.shape)}", where=f"{exported}, {name}")
        if torch.equal(old, new):
            continue
        held[name] = (new.double() - old.double()).float()
        if sum(one.nbytes for one in held.values()) >= largest:
            places |= _write(held, to, say)
            held = {}
    if held:
        places |= _write(held, to, say)
    if not places:
        raise DataError(
            found="no tensor that differs", expected="an edit", where=str(exported), remedy="nothing is left to write"
        )
    index = to / INDEX
    write_json(index, {"metadata": {"difference": "exported minus original, fp32"}, "weight_map": places})
    record = read_json(exported / MARKER)
    write_json(to / "task_vector.json", {name: record[name] for name in ("model", "family", "base", "edits", "gate", "digest")})
    say(f"{len(places)} of {len(names)} tensors differ")
    return index


def _write(held: dict[str, Tensor], to: Path, say: Callable[[str], None]) -> dict[str, str]:
    number = sum(1 for _ in to.glob("*.safetensors")) + 1
    file = to / f"difference-{number:05d}.safetensors"
    write_aside(file, lambda aside: save_file(held, aside, {"format": "pt"}))
    say(f"{file.name}: {len(held)} tensors")
    return dict.fromkeys(held, file.name)


def _checked(exported: Path, original: Path) -> tuple[Checkpoint, Checkpoint]:
    """Both checkpoints, after they were compared with the record of the export."""
    if not (exported / MARKER).is_file():
        raise GateError(
            found=f"no {MARKER}",
            expected="a folder that an export has written",
            where=str(exported),
            remedy="export the edit first (results/README.md): the gate decides what may leave",
        )
    try:
        record = read_json(exported / MARKER)
        reasons, digests = record["gate"]["reasons"], (record["base"]["digest"], record["digest"])
    except (json.JSONDecodeError, KeyError, TypeError):
        raise GateError(
            found=f"a {MARKER} that is none of ours",
            expected="the record of an export",
            where=str(exported),
            remedy="export again",
        ) from None
    if reasons:
        raise GateError(found="; ".join(reasons), expected="a gate that let the edit pass", where=str(exported / MARKER))
    before, after = Checkpoint(original), Checkpoint(exported)
    for checkpoint, digest, what in ((before, digests[0], "the model that was edited"), (after, digests[1], "what was exported")):
        if (found := checkpoint.digest()) != digest:
            raise GateError(
                found=f"digest {found[:16]}",
                expected=f"{what}, {digest[:16]}",
                where=str(checkpoint.folder),
                remedy="give the folder that the export began at, and leave the exported one as it was written",
            )
    return before, after
