"""Completions under activation interventions from one engine, every intervention in the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pandas as pd

from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering
from anatomy.models.size import model_size
from anatomy.recipes.variant import Edit
from anatomy.serving.completions import Request
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine
from anatomy.serving.engine_hooks import stream_with_hooks
from anatomy.serving.hooks.modules import PROVEN, refuse_unproven
from anatomy.serving.ways import ENGINE_FROM
from anatomy.stages.answers import SHARD, Keep, by_want, prompts_of
from anatomy.stages.edit_book import EditBook
from anatomy.store.fill import Want

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")

Backend = Literal["vllm", "transformers"]


def hooks_backend(wanted: Literal["auto", "engine", "transformers"], checkpoint: Checkpoint) -> Backend:
    """Where a model answers under interventions: decided by the model alone, so that no result depends on the machine.

    Raises:
        ConfigError: the engine is asked for by name, and the family was never compared there.
    """
    family = checkpoint.config["model_type"]
    if wanted == "engine":
        refuse_unproven(family, str(checkpoint.folder))
        return "vllm"
    large = wanted == "auto" and model_size(checkpoint).parameters >= ENGINE_FROM
    return "vllm" if large and family in PROVEN else "transformers"


def computing_in_engine(
    book: EditBook,
    edits: dict[str, Edit | None],
    keep: Keep,
    rendering: Rendering,
    decoding: Decoding,
    say: Callable[[str], None],
) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills cells under interventions.

    Args:
        edits: the intervention behind each cell, by the cell's name; None for none.
        keep: what of a shard may be kept.
    """

    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        requests, origin = [], []
        for number, want in enumerate(wants):
            edit = edits[want.cell.name]
            interventions = () if edit is None else (book.intervention(edit),)
            for row, (ids, seed) in enumerate(prompts_of(want, engine.tokenizer, rendering)):
                requests.append(Request(ids, seed, interventions=interventions))
                origin.append((number, row))
        for places, generations in stream_with_hooks(engine, requests, decoding, SHARD, say):
            yield from by_want(wants, [origin[place] for place in places], generations, keep)

    return compute
