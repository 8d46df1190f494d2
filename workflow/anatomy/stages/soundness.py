"""Payloads that a card describes by digest are compared with it before a job uses them.

Snakemake compares cards only, so weights or directions that a disk has damaged would otherwise go unnoticed into results.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from anatomy.errors import ModelError
from anatomy.interventions.directions.extraction import check_files
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.card import read_card
from anatomy.stages.judge_card import JudgeCard, checked_judge_card
from anatomy.store.files import read_json
from anatomy.store.mending import may_mend

ALWAYS_BYTES = 1 << 30
"""Weights up to this size are compared whenever a job starts (about a second); larger ones only if they look changed."""


def sound_model(path: str | Path) -> ModelCard:
    """The card of a model whose files still are what the card says.

    Raises:
        ModelError: they are not. A job of a run sets a member of the organism aside, so that the next call grows it again.
    """
    card = read_card(Path(path))
    _check_files(Path(path), Path(card["folder"]), card["digest"], grown=card["grown"] is not None)
    return card


def sound_judge(path: str | Path) -> JudgeCard:
    """The card of a model judge whose files still are what the card says.

    Raises:
        ModelError: they are not, or a field of the card is missing or unknown.
    """
    card = checked_judge_card(read_json(Path(path)), str(path))
    _check_files(Path(path), Path(card["folder"]), card["digest"], grown=False)
    return card


def _check_files(path: Path, folder: Path, digest: str, *, grown: bool) -> None:
    try:
        checkpoint = Checkpoint(folder)
        stats = [file.stat() for file in checkpoint.files]
        large = sum(stat.st_size for stat in stats) > ALWAYS_BYTES
        touched = max(stat.st_mtime_ns for stat in stats) > path.stat().st_mtime_ns
        if (large and not touched) or checkpoint.digest() == digest:
            return
        found = "files other than those that the card was made of"
    except ModelError as error:
        found = str(error).splitlines()[0]
    if grown and may_mend():
        raise _set_aside(folder, found, digest)
    raise ModelError(
        found=found,
        expected=f"the files of digest {digest[:16]}",
        where=str(folder),
        remedy="copy the whole run again, or delete the folder: the run's next snakemake grows the member anew, with equal bits"
        if grown
        else "copy or fetch the model again, then give the same command again",
    )


def sound_member(path: str | Path) -> Path:
    """The folder of a grown member whose weights still are what its own card says; for what is trained from it.

    Raises:
        ModelError: they are not; the folder is set aside, so that the next call grows it again.
    """
    from safetensors import SafetensorError

    from anatomy.organism.checkpoint import load_weights, parameter_digest

    folder, expected = Path(path).parent, read_json(Path(path))["parameter_sha256"]
    try:
        if parameter_digest(load_weights(folder)) == expected:
            return folder
        found = "other weights than were grown"
    except SafetensorError as error:
        found = str(error)
    raise _set_aside(folder, found, expected)


def sound_extraction(path: str | Path) -> Path:
    """The folder of an extraction whose means and directions still are what its card says.

    Raises:
        StoreError: they are not. A job of a run removes the card, so that the next call extracts again.
    """
    path = Path(path)
    for contrast, facts in read_json(path)["contrasts"].items():
        check_files(path, contrast, facts)
    return path.parent


def _set_aside(folder: Path, found: str, digest: str) -> ModelError:
    """Move a damaged member out of the way, where a person can look at it; the error that says so."""
    moved = folder.with_name(f"{folder.name}.damaged-{time.time_ns()}")
    with contextlib.suppress(FileNotFoundError):  # another job that found it damaged was quicker
        shutil.move(folder, moved)  # in a container image a folder cannot be renamed, only copied
    return ModelError(
        found=found,
        expected=f"the model of digest {digest[:16]}",
        where=str(folder),
        remedy=f"set aside as {moved.name}; give the same command again: the member is grown anew, with equal bits",
    )
