"""Completions of a model that is edited in memory: hooks, or weights changed and changed back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pandas as pd

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.spec import HOOK_METHODS
from anatomy.models.activations.interventions import intervening
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering
from anatomy.progress.counting import Progress
from anatomy.recipes.variant import Edit
from anatomy.serving.completions import Request
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import stream_with_transformers
from anatomy.stages.answers import Keep, prompts_of, to_rows
from anatomy.stages.edit_book import EditBook
from anatomy.store.fill import Want

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def computing(
    book: EditBook,
    edits: dict[str, Edit | None],
    keep: Keep,
    rendering: Rendering,
    decoding: Decoding,
    batch_size: int,
    say: Callable[[str], None],
) -> Callable[[LoadedModel, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How transformers fills cells: one edit at a time.

    Args:
        edits: the edit behind each cell, by the cell's name.
        keep: what of a shard may be kept.
        batch_size: prompts answered at once.
    """

    def compute(loaded: LoadedModel, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        with Progress("answers of all variants", sum(len(want.rows) for want in wants)) as progress:
            for want in wants:
                requests = [Request(ids, seed) for ids, seed in prompts_of(want, loaded.tokenizer, rendering)]
                with progress.part(len(want.rows)), edited(loaded, book, edits[want.cell.name]):
                    for places, generations in stream_with_transformers(loaded, requests, decoding, batch_size=batch_size):
                        yield want, keep(want, to_rows(generations, list(want.rows["item"].iloc[places])))
        say(progress.line())

    return compute


def edited(loaded: LoadedModel, book: EditBook, edit: Edit | None) -> AbstractContextManager[Any]:
    """The model under an edit, whichever kind it is; as it is under none."""
    if edit is None:
        return nullcontext()
    if edit["method"] in HOOK_METHODS:
        return intervening(loaded.model, [book.intervention(edit)])
    return applied(loaded, book.low_rank(edit))
