"""What the files of a model folder say of one another, and of the number format asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anatomy.errors import AnatomyError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.config_file import read_config
from anatomy.models.machine.formats import Format
from anatomy.models.preflight.number_format import require_format
from anatomy.models.preflight.special_tokens import special_token_notes, special_token_problems
from anatomy.models.preflight.weights import weight_problems


def folder_problems(
    folder: Path, checkpoint: Checkpoint | None, tokenizer: Any | None, dtype: Format, option: str
) -> Iterator[AnatomyError]:
    """Everything that stops a run; config.json has been read before.

    Args:
        checkpoint, tokenizer: None where they could not be opened, which is a problem of its own.
        dtype: number format that the model is to be computed in.
        option: where that is asked for, such as ``models.mine.dtype``.
    """
    config = read_config(folder)
    try:
        require_format(dtype, config, option)
    except AnatomyError as problem:
        yield problem
    if checkpoint is not None:
        yield from weight_problems(checkpoint)
    if tokenizer is not None:
        yield from special_token_problems(folder, config, tokenizer)


def folder_notes(folder: Path, checkpoint: Checkpoint | None, tokenizer: Any | None) -> Iterator[str]:
    """What a reader should know and what stops nothing."""
    if checkpoint is not None and checkpoint.beside:
        yield f"{', '.join(path.name for path in checkpoint.beside)} beside the weights: no part of the model, and not read"
    if tokenizer is not None:
        yield from special_token_notes(folder, read_config(folder), tokenizer)
