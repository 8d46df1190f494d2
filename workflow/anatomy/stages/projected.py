"""Projections of test prompts onto a model's direction, unedited and under its picks, as rows of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from anatomy.interventions.edits.spec import Edit
from anatomy.models.activations.projections import project
from anatomy.models.card import ModelCard, computed_in
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.progress.counting import counted
from anatomy.stages.in_memory import edited
from anatomy.stages.model_directions import vector_digest
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Want, assemble
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

COLUMNS = ["id", "layer", "projection", "group", "label", "model", "variant", "phase", "set"]


def projection_cell(
    store: Path,
    model: ModelCard,
    edits: Sequence[JsonObject],
    rendering: Rendering,
    direction: Tensor,
    position: int,
    code: str,
) -> Cell:
    """The cell of one variant's projections at every layer.

    Args:
        model: the model's card.
        edits: keys of its concrete edits.
        direction: [d_model].
        position: counted from the end of the prompt.
        code: fingerprint of the code that shapes the rows.
    """
    return Cell(
        store,
        "project",
        {
            "code": code,
            "model": model["digest"],
            "edits": list(edits),
            "rendering": rendering.key(),
            **computed_in(model),
            "direction": vector_digest(direction),
            "position": position,
        },
    )


def prompt_items(prompts: pd.DataFrame, name: str) -> pd.DataFrame:
    """Prompts as wanted rows: a projection depends on the prompt alone."""
    items = [digest({"prompt": text}) for text in prompts["prompt"]]
    return prompts[["id", "prompt", "group", "label"]].assign(set=name, item=items)


def computing_projections(
    model_edits: ModelEdits,
    edits: Mapping[str, Sequence[Edit]],
    direction: Tensor,
    position: int,
    rendering: Rendering,
    token_budget: int,
) -> Callable[[LoadedModel, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How transformers fills cells of projections.

    Args:
        edits: the stack of edits behind each cell, by the cell's name; empty for the unedited model.
    """

    def compute(loaded: LoadedModel, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        for want in counted(wants, "variants projected", len(wants)):
            items, tokens = list(want.rows["item"]), render(loaded.tokenizer, list(want.rows["prompt"]), rendering)
            with edited(loaded, model_edits, edits[want.cell.name]):
                rows = project(
                    loaded,
                    items,
                    tokens,
                    direction,
                    position=position,
                    layers=range(loaded.num_layers),
                    token_budget=token_budget,
                )
            yield want, rows.groupby("id")["projection"].agg(list).rename_axis("item").reset_index()

    return compute


def projections_table(wants: list[Want]) -> pd.DataFrame:
    """One row a prompt and layer."""
    table = assemble(wants, ["variant", "set", "id"])
    table["layer"] = [list(range(len(values))) for values in table["projection"]]
    table = table.explode(["layer", "projection"], ignore_index=True)
    return table.astype({"layer": int, "projection": float})[COLUMNS]
