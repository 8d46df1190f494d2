"""Screen a recipe's edits on the select split by a cheap measure: the refusal metric at the first answer token.

Every candidate of every family is applied in memory and read by one forward pass over the prompts; only the shortlist is
generated with.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.interventions.edits.apply import applied_factors
from anatomy.interventions.edits.spec import LOW_RANK_METHODS, LowRankSpec
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.progress.counting import Progress
from anatomy.recipes.rosi.families import candidates, families, layers
from anatomy.recipes.rosi.rules import rank_candidates
from anatomy.stages.in_memory import edited
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.store.digest import digest

COLUMNS = [
    "model",
    "family",
    "form",
    "contrast",
    "control",
    "control_seed",
    "position",
    "layer",
    "strength",
    "sign",
    "harmful_metric",
    "harmful_refused",
    "benign_refused",
    "benign_kl",
    "place",
    "reason",
]


class Reader:
    """Reads the refusal metric of harmful and harmless validation prompts, rendered as they will be evaluated."""

    def __init__(self, config: Config, subject: Subject, loaded: LoadedModel, tokens: dict[str, Any]) -> None:
        at, rendering = Layout(config.results), answer_rendering(config.evaluation, subject)
        self.loaded, self.tokens = loaded, tokens["tokens"]
        self.batches = {}
        for side, name in (("harmful", config.extraction.harmful), ("benign", config.extraction.harmless)):
            prompts = phase_prompts(at, subject, name, "select", config.selection.prompts)
            rendered = [[*ids, *tokens["common_prefix"]] for ids in render(loaded.tokenizer, list(prompts["prompt"]), rendering)]
            self.batches[side] = list(batches(rendered, config.extraction.token_budget, loaded.pad_token_id, loaded.device))
        self.unedited = self.logits("benign")

    @torch.no_grad()
    def logits(self, side: str) -> torch.Tensor:
        """Next-token logits [prompt, vocabulary] of one side, in batch order."""
        return torch.cat(
            [self.loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1] for batch in self.batches[side]]
        )

    def read(self) -> dict[str, float]:
        """The screen's numbers for the model as it is now in memory; a refusal is a metric above 0."""
        benign = self.logits("benign")
        harmful_metric, benign_metric = (refusal_metric(logits, self.tokens, 0.0) for logits in (self.logits("harmful"), benign))
        return {
            "harmful_metric": harmful_metric.mean().item(),
            "harmful_refused": (harmful_metric > 0).double().mean().item(),
            "benign_refused": (benign_metric > 0).double().mean().item(),
            "benign_kl": kl_divergence(self.unedited, benign).mean().item(),
        }


def _under(loaded: LoadedModel, model_edits: ModelEdits, edit: LowRankSpec) -> AbstractContextManager[object]:
    """The model under a candidate; of low-rank ones the factors alone, since nobody reads the cards of hundreds."""
    if edit["method"] in LOW_RANK_METHODS:
        return applied_factors(loaded, model_edits.factors(edit))
    return edited(loaded, model_edits, [edit])


def screen(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    model_edits: ModelEdits,
    tokens: dict[str, Any],
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, dict[str, list[LowRankSpec]]]:
    """Screen every family of a model.

    Without refusal tokens nothing can be ranked: the table is empty and so is every shortlist.

    Returns:
        The screen table, and family to its shortlisted edits, best first.
    """
    found = families(config, subject)
    if not tokens["tokens"]:
        return pd.DataFrame(columns=COLUMNS), {family.name: [] for family in found}
    reader = Reader(config, subject, loaded, tokens)
    base = reader.read()
    tried = layers(config.rosi, loaded.num_layers, config.selection.layer_share)
    spaces = {family.name: candidates(family, config.rosi, tried) for family in found}
    wanted = {digest(edit): edit for space in spaces.values() for edit in space}
    read = {}
    with Progress(f"screen {subject.id}", len(wanted)) as progress:
        for name, edit in wanted.items():
            with _under(loaded, model_edits, edit):
                read[name] = reader.read()
            progress.advance()
    say(progress.line())
    tables, shortlist = [], {}
    for family in found:
        space = spaces[family.name]
        table = pd.DataFrame(
            [
                {
                    "model": subject.id,
                    "family": family.name,
                    "form": family.method,
                    "contrast": family.contrast,
                    "control": family.control,
                    "control_seed": family.control_seed,
                    "position": edit["direction"]["position"],
                    "layer": edit["direction"]["layer"],
                    "strength": edit["strength"],
                    "sign": edit["sign"],
                    **read[digest(edit)],
                }
                for edit in space
            ]
        )
        ranked = rank_candidates(table, base["benign_refused"], config.rosi.max_benign_rise, config.rosi.shortlist)
        places = {place: space[row] for row, place in enumerate(ranked["place"]) if place > 0}
        shortlist[family.name] = [places[place] for place in sorted(places)]
        tables.append(ranked)
    unedited = pd.DataFrame(
        [
            {
                "model": subject.id,
                "family": "base",
                "form": "base",
                "contrast": "",
                "control": "",
                "control_seed": -1,
                "position": -1,
                "layer": -1,
                "strength": 0.0,
                "sign": 0,
                **base,
                "place": 0,
                "reason": "unedited",
            }
        ]
    )
    return pd.concat([unedited, *tables], ignore_index=True)[COLUMNS], shortlist
