"""How far variants move predictions on harmless prompts, as rows of the store: at the first token of the answer and over several.

Every variant is forced along the unedited model's own greedy answer, as candidates are in the selection of a direction
(``anatomy.stages.localize.own_continuations``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.directions.divergence import forced_runs
from anatomy.interventions.directions.forced_predictions import forced_predictions, prediction_divergences
from anatomy.interventions.edits.spec import Edit
from anatomy.models.card import ModelCard, computed_in
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.progress.counting import counted
from anatomy.stages.in_memory import edited
from anatomy.stages.localize import own_continuations
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Want, assemble
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "scipy": "imported with the search for a direction, of which the model's own answers alone are used",
    "vllm": "an engine is imported with what serves either way; these rows come from transformers",
}

COLUMNS = ["model", "variant", "phase", "set", "id", "group", "first_token_kl", "kl", "n_tokens"]


@dataclass(frozen=True)
class Forcing:
    """What the answers are that every variant is forced to read.

    Attributes:
        rendering: what surrounds the prompts.
        prefix: tokens that all answers of the model begin with; divergence is read after them, as the screen reads it.
        tokens: of the unedited model's answer after the prefix, at most.
        token_budget: most tokens of a batch: changes memory, not results.
    """

    rendering: Rendering
    prefix: tuple[int, ...]
    tokens: int
    token_budget: int

    def runs(self, loaded: LoadedModel, prompts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Token ids to run and how many predictions of each count, with the model as it is now answering."""
        ids, prefix = render(loaded.tokenizer, list(prompts), self.rendering), list(self.prefix)
        return forced_runs(ids, prefix, own_continuations(loaded, ids, self.tokens, prefix, self.token_budget))

    def predictions(
        self, loaded: LoadedModel, runs: Sequence[list[int]], counts: Sequence[int]
    ) -> list[Float[Tensor, "_prediction vocabulary"]]:
        """Logits along the runs, of the model as it is now."""
        return forced_predictions(loaded, runs, counts, self.token_budget)


def divergence_cell(store: Path, model: ModelCard, edits: Sequence[JsonObject], forcing: Forcing, code: str) -> Cell:
    """The cell of one variant's divergences.

    Args:
        edits: keys of its concrete edits, first edit first.
        code: fingerprint of the code that shapes the rows.
    """
    key = {"code": code, "model": model["digest"], "edits": list(edits), "rendering": forcing.rendering.key()}
    return Cell(store, "divergence", {**key, "prefix": list(forcing.prefix), "tokens": forcing.tokens, **computed_in(model)})


def harmless_items(prompts: pd.DataFrame, name: str) -> pd.DataFrame:
    """Prompts as wanted rows: a divergence depends on the prompt alone."""
    items = [digest({"prompt": text}) for text in prompts["prompt"]]
    return prompts[["id", "prompt", "group"]].assign(set=name, item=items)


def computing_divergences(
    model_edits: ModelEdits, edits: Mapping[str, Sequence[Edit]], forcing: Forcing
) -> Callable[[LoadedModel, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How transformers fills cells of divergences: the unedited model answers once, then one stack of edits at a time.

    Args:
        edits: the stack of edits behind each cell, by the cell's name; empty for a variant that changes nothing.
    """

    def compute(loaded: LoadedModel, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        asked = pd.concat([want.rows for want in wants]).drop_duplicates("item").reset_index(drop=True)
        runs, counts = forcing.runs(loaded, list(asked["prompt"]))
        original = forcing.predictions(loaded, runs, counts)
        place = {item: row for row, item in enumerate(asked["item"])}
        for want in counted(wants, "variants beside the unedited model", len(wants)):
            rows = [place[item] for item in want.rows["item"]]
            with edited(loaded, model_edits, edits[want.cell.name]):
                after = forcing.predictions(loaded, [runs[row] for row in rows], [counts[row] for row in rows])
            found = prediction_divergences([original[row] for row in rows], after)
            yield want, divergence_rows(found).assign(item=list(want.rows["item"]))

    return compute


def divergence_rows(found: Sequence[Tensor]) -> pd.DataFrame:
    """One row a prompt: divergence at the first token, the mean over its forced tokens, and how many those are."""
    return pd.DataFrame(
        {
            "first_token_kl": [one[0].item() for one in found],
            "kl": [one.mean().item() for one in found],
            "n_tokens": [len(one) for one in found],
        }
    )


def divergences_table(wants: list[Want]) -> pd.DataFrame:
    """One row a variant and prompt; with its columns also where no variant was wanted."""
    return assemble(wants, ["variant", "set", "id"]).reindex(columns=COLUMNS)
