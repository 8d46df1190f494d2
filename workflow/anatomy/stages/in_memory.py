"""Completions of a model that is edited in memory: hooks, weights changed and changed back, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import pandas as pd

from anatomy.interventions.edits.spec import Edit
from anatomy.interventions.edits.stack import under_stack
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering
from anatomy.progress.counting import Progress
from anatomy.serving.completions import Request
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import stream_with_transformers
from anatomy.stages.answers import Keep, prompts_of, to_rows
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.fill import Want

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def computing(
    model_edits: ModelEdits,
    edits: Mapping[str, Sequence[Edit]],
    keep: Keep,
    rendering: Rendering,
    decoding: Decoding,
    batch_size: int,
    say: Callable[[str], None],
) -> Callable[[LoadedModel, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How transformers fills cells: one stack of edits at a time.

    Args:
        edits: the stack of edits behind each cell, by the cell's name; empty for the unedited model.
        keep: what of a shard may be kept.
        batch_size: prompts answered at once.
    """

    def compute(loaded: LoadedModel, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        with Progress("answers of all variants", sum(len(want.rows) for want in wants)) as progress:
            for want in wants:
                requests = [Request(ids, seed) for ids, seed in prompts_of(want, loaded.tokenizer, rendering)]
                with progress.part(len(want.rows)), edited(loaded, model_edits, edits[want.cell.name]):
                    for places, generations in stream_with_transformers(loaded, requests, decoding, batch_size=batch_size):
                        yield want, keep(want, to_rows(generations, list(want.rows["item"].iloc[places])))
        say(progress.line())

    return compute


def edited(loaded: LoadedModel, model_edits: ModelEdits, edits: Sequence[Edit]) -> AbstractContextManager[LoadedModel]:
    """The model under a stack of edits, whichever kinds they are; as it is under an empty one.

    Raises:
        EditError: an edit that does not fit the model, or a saved one that is not what its spec says.
    """
    return under_stack(loaded, model_edits.parts(edits))
