"""On the select split: which direction is the refusal direction, and which edits are worth generating with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anatomy.config.methods import Contrast
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.control_search import Cell, strongest_cells
from anatomy.interventions.directions.grid import direction_grid
from anatomy.interventions.directions.scores import score_candidates
from anatomy.interventions.directions.selection import Selection, SelectionRule, select_direction
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name
from anatomy.models.rendering import render
from anatomy.progress.counting import Progress, counted
from anatomy.recipes.rosi.stages.localize_parts import Parts
from anatomy.recipes.rosi.stages.screen import screen
from anatomy.recipes.rosi.variants import draws
from anatomy.stages.direction_book import DirectionBook
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.own_answers import advice, answer, refusal_tokens
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import contrast_rendering

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

EPSILON = 1e-8
"""Of the refusal metric, as in the code of Arditi et al."""


@dataclass(frozen=True)
class Localization:
    """What the stage found."""

    grid: pd.DataFrame
    selected: dict[str, Any]
    screen: pd.DataFrame
    shortlist: dict[str, list[dict[str, Any]]]
    completions: pd.DataFrame
    refusal_tokens: dict[str, Any]


def localize(
    config: Config, subject: Subject, model: ModelCard, extracted: Path, fallback: Path | None, say: Callable[[str], None]
) -> Localization:
    """Score every candidate direction, apply the published rule, then screen the recipe's edits by a cheap measure.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
        fallback: refusal tokens of the aligned relative.
    """
    loaded = load_model(Path(model["folder"]), getattr(torch, model["dtype"]), device_name())
    directions = DirectionBook(extracted)
    parts = Parts.of(config, subject, directions)
    progress = Progress("localize", parts.total, whole=True)
    with progress.part(parts.answers):
        answers = answer(config, subject, loaded)
    tokens = refusal_tokens(config, subject, answers, fallback, loaded)
    say(f"{subject.id}: refusal tokens {tokens['outcome']}, {tokens['refusals']} refusals in {len(answers)} answers")
    if words := advice(subject, tokens):
        say(words)
    grids: list[pd.DataFrame] = []
    selected: dict[str, dict[str, Any]] = {}
    for contrast in subject.contrasts:
        with progress.part(parts.grid):
            selection = choose(config, subject, loaded, directions, contrast, tokens)
        grids.append(selection.grid.assign(model=subject.id, contrast=contrast))
        selected[contrast] = {"outcome": selection.outcome, "position": selection.position, "layer": selection.layer}
        ranked = subject.direction_headline and contrast == subject.contrasts[0]
        with progress.part(parts.controls if ranked else 0):
            controls = (
                search_controls(config, subject, loaded, directions, contrast, tokens)
                if ranked and selection.outcome == "picked"
                else None
            )
        if controls is not None:
            selected[contrast]["controls"] = controls
            say(f"{subject.id}: {len(controls)} control directions searched the grid")
        say(f"{subject.id}: {contrast}: {selection.outcome}, position {selection.position}, layer {selection.layer}")
    with progress.part(parts.screen):
        table, shortlist = screen(config, subject, loaded, ModelEdits(model, extracted), tokens, say)
    progress.close()
    return Localization(
        pd.concat(grids, ignore_index=True), selected, table, shortlist, answers.drop(columns="token_ids"), tokens
    )


def choose(
    config: Config, subject: Subject, loaded: LoadedModel, directions: DirectionBook, contrast: Contrast, tokens: dict[str, Any]
) -> Selection:
    """The selection grid of one contrast and the pick of the published rule.

    Without refusal tokens nothing causal can be scored: every cell says so, and the outcome is an empty grid.
    """
    wanted = config.selection
    harmful, harmless = validation_prompts(config, subject, loaded, contrast)
    candidates = directions.candidates(contrast)
    progress = Progress("parts of the grid", 1 + len(candidates.positions) * len(candidates.layers))
    with progress.part():
        continuations = own_continuations(loaded, harmless, wanted.kl_tokens, tokens)
    with progress.part(progress.total - 1):
        grid = direction_grid(
            loaded,
            candidates,
            harmful,
            harmless,
            tokens["tokens"] or [0],
            common_prefix=tokens["common_prefix"],
            harmless_answers=continuations,
            token_budget=config.extraction.token_budget,
            epsilon=EPSILON,
        )
    if not tokens["tokens"]:
        grid[["bypass", "induce"]] = float("nan")
    return select_direction(grid, loaded.num_layers, SelectionRule(wanted.min_induce, wanted.max_kl, wanted.layer_share))


def search_controls(
    config: Config, subject: Subject, loaded: LoadedModel, directions: DirectionBook, contrast: Contrast, tokens: dict[str, Any]
) -> dict[str, dict[str, Cell | None]]:
    """The cells that each control direction is measured at, by the control's name (see ``strongest_cells``)."""
    harmful, harmless = validation_prompts(config, subject, loaded, contrast)
    controls = draws(config.extraction.controls)
    allowed = [
        layer for layer in directions.candidates(contrast).layers if layer < int(config.selection.layer_share * loaded.num_layers)
    ]
    return {
        f"{kind}-{number}": strongest_cells(
            score_candidates(
                loaded,
                directions.directions(contrast, [kind, number]),
                harmful,
                harmless,
                tokens["tokens"],
                common_prefix=tokens["common_prefix"],
                harmless_answers=None,
                token_budget=config.extraction.token_budget,
                epsilon=EPSILON,
                divergence=False,
            ),
            allowed,
        )
        for kind, number in counted(controls, "controls", len(controls))
    }


def validation_prompts(config: Config, subject: Subject, loaded: LoadedModel, contrast: Contrast) -> list[list[list[int]]]:
    """Token ids of the select split's harmful and harmless prompts under a contrast's rendering."""
    rendering = contrast_rendering(config.extraction, subject, contrast)
    return [
        render(
            loaded.tokenizer,
            list(phase_prompts(Layout(config.results), subject, name, "select", config.selection.prompts)["prompt"]),
            rendering,
        )
        for name in (config.extraction.harmful, config.extraction.harmless)
    ]


def own_continuations(loaded: LoadedModel, prompts: list[list[int]], count: int, tokens: dict[str, Any]) -> list[list[int]]:
    """The model's greedy answers, cut to the tokens the KL is averaged over after the common prefix."""
    from anatomy.serving.decoding import Decoding
    from anatomy.serving.transformers_generation import generate_with_transformers

    prefix = list(tokens["common_prefix"])
    forced = [[*ids, *prefix] for ids in prompts]
    found = generate_with_transformers(loaded, forced, Decoding(count, 0.0), batch_size=64)
    return [[*prefix, *one.token_ids] for one in found]
