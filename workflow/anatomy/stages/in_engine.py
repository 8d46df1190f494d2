"""Completions under stacks of edits with activation interventions, from one engine.

Every stack over the same weights shares batches; where a stack edits weights too, they are reloaded for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from anatomy.interventions.edits.spec import Edit, acts_on_activations
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering
from anatomy.models.size import model_size
from anatomy.progress.counting import Progress
from anatomy.serving.completions import Request
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine
from anatomy.serving.engine_hooks import stream_with_hooks
from anatomy.serving.hooks.modules import PROVEN, refuse_unproven
from anatomy.serving.serving_modes import ENGINE_FROM
from anatomy.stages.answers import SHARD, Keep, by_want, prompts_of
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.digest import canonical_json
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
    model_edits: ModelEdits,
    edits: Mapping[str, Sequence[Edit]],
    keep: Keep,
    rendering: Rendering,
    decoding: Decoding,
    say: Callable[[str], None],
) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills cells under interventions, or under interventions and edits of weights together.

    Args:
        edits: the stack of edits behind each cell, by the cell's name; empty for the unedited model.
        keep: what of a shard may be kept.
    """

    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        by_weights: dict[str, list[Want]] = {}
        for want in wants:
            by_weights.setdefault(canonical_json(model_edits.keys(weights_of(want))), []).append(want)
        with Progress("answers of all stacks", sum(len(want.rows) for want in wants)) as progress, engine.sweep():
            for shared in by_weights.values():
                requests, origin = requests_of(shared, engine.tokenizer)
                built = model_edits.weight_edits(weights_of(shared[0]))
                with progress.part(len(requests)), engine.under(built, in_place=True):
                    for places, generations in stream_with_hooks(engine, requests, decoding, SHARD, say):
                        yield from by_want(shared, [origin[place] for place in places], generations, keep)

    def weights_of(want: Want) -> list[Edit]:
        return [edit for edit in edits[want.cell.name] if not acts_on_activations(edit)]

    def requests_of(shared: list[Want], tokenizer: Any) -> tuple[list[Request], list[tuple[int, int]]]:
        requests, origin = [], []
        for number, want in enumerate(shared):
            hooks = tuple(model_edits.intervention(edit) for edit in edits[want.cell.name] if acts_on_activations(edit))
            for row, (ids, seed) in enumerate(prompts_of(want, tokenizer, rendering)):
                requests.append(Request(ids, seed, interventions=hooks))
                origin.append((number, row))
        return requests, origin

    return compute
