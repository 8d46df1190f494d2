"""On the select split: which candidate is the refusal direction, and where control directions do most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from anatomy.config.methods import Contrast
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.grid import separation_grid
from anatomy.interventions.directions.nearest import nearest_cell
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.search import search_control, search_directions
from anatomy.interventions.directions.selection import SelectionRule, select_direction
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.progress.counting import Progress, counted
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.opening import opened_to_measure
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import contrast_rendering
from anatomy.stages.selected_direction import USABLE, ControlPlaces, Place, Selected, SelectedDirection

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

BATCH = 64
"""Prompts that are continued together, if the budget of tokens allows."""

EPSILON = 1e-8
"""Of the refusal metric, as in the code of Arditi et al."""


def localize(
    config: Config,
    subject: Subject,
    model: ModelCard,
    extracted: Path,
    tokens: RefusalTokensRecord,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, Selected]:
    """Score every candidate direction and apply the published rule; then, beside what it found, search for the controls.

    Without refusal tokens no score means anything, and nothing is searched: the grid says how far the two sides lie apart along
    each candidate, and no more. Controls are searched where the model's direction is ranked among them and there is one.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
        tokens: what its refusals begin with.

    Returns:
        The grid of all contrasts, and each contrast's direction.
    """
    loaded = opened_to_measure(model)
    directions = ModelDirections(extracted)
    controls = config.extraction.controls.draws() if subject.direction_headline else []
    progress = Progress("localize", len(subject.contrasts) + len(controls) / SEARCH_OF_CONTROL, whole=True)
    grids: list[pd.DataFrame] = []
    selected: Selected = {}
    for contrast in subject.extracted:
        with progress.part():
            grid, found = choose(config, subject, loaded, directions, contrast, tokens)
        grids.append(grid.assign(model=subject.id, contrast=contrast))
        say(f"{subject.id}: {contrast}: {found['outcome']}, position {found['position']}, layer {found['layer']}")
        if contrast == subject.contrasts[0] and found["outcome"] in USABLE and controls:
            with progress.part(len(controls) / SEARCH_OF_CONTROL):
                found["controls"] = search_controls(config, subject, loaded, directions, contrast, tokens, controls)
            say(f"{subject.id}: {len(controls)} control directions searched the grid")
        selected[contrast] = found
    progress.close()
    return pd.concat(grids, ignore_index=True), selected


SEARCH_OF_CONTROL = 1.5
"""The model's own grid costs so many times a control's, which is not asked for its divergence. Only progress rests on it."""


def choose(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    directions: ModelDirections,
    contrast: Contrast,
    tokens: RefusalTokensRecord,
) -> tuple[pd.DataFrame, SelectedDirection]:
    """The selection grid of one contrast, and the pick of the published rule or what comes nearest to it."""
    wanted = config.selection
    rule = rule_of(config)
    harmful, harmless = validation_prompts(config, subject, loaded, contrast)
    candidates = directions.candidates(contrast)
    if not tokens["tokens"]:
        grid = separation_grid(loaded, candidates, harmful, harmless, token_budget=config.extraction.token_budget)
        unscored = grid.assign(bypass=float("nan"), induce=float("nan"), kl=float("nan"), kept=False, reason="no refusal tokens")
        return unscored, {"outcome": "no refusal tokens", "position": None, "layer": None}
    progress = Progress("parts of the grid", 1 + len(candidates.positions) * len(candidates.layers))
    with progress.part():
        continuations = own_continuations(
            loaded, harmless, wanted.kl_tokens, tokens["common_prefix"], config.extraction.token_budget
        )
    with progress.part(progress.total - 1):
        grid = search_directions(
            loaded,
            candidates,
            harmful,
            harmless,
            tokens["tokens"],
            rule=rule,
            pace=Pace.of(wanted),
            common_prefix=tokens["common_prefix"],
            harmless_answers=continuations,
            token_budget=config.extraction.token_budget,
            epsilon=EPSILON,
        )
    selection = select_direction(grid, loaded.num_layers, rule)
    if selection.outcome == "picked":
        return selection.grid, {"outcome": "picked", "position": selection.position, "layer": selection.layer}
    nearest = nearest_cell(grid, loaded.num_layers, rule)
    if nearest is None:
        return selection.grid, {"outcome": "empty grid", "position": None, "layer": None}
    return selection.grid, {"outcome": "nearest", "position": nearest[0], "layer": nearest[1]}


def search_controls(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    directions: ModelDirections,
    contrast: Contrast,
    tokens: RefusalTokensRecord,
    controls: list[tuple[str, int]],
) -> dict[str, ControlPlaces]:
    """The cells that each control direction is measured at, by the control's name (see ``strongest_cells``)."""
    harmful, harmless = validation_prompts(config, subject, loaded, contrast)
    found: dict[str, ControlPlaces] = {}
    for kind, number in counted(controls, "controls", len(controls)):
        places = search_control(
            loaded,
            directions.directions(contrast, [kind, number]),
            harmful,
            harmless,
            tokens["tokens"],
            rule=rule_of(config),
            pace=Pace.of(config.selection, control=True),
            common_prefix=tokens["common_prefix"],
            token_budget=config.extraction.token_budget,
            epsilon=EPSILON,
        )
        found[f"{kind}-{number}"] = {"ablate": _place(places["ablate"]), "add": _place(places["add"])}
    return found


def rule_of(config: Config) -> SelectionRule:
    """The limits of the selection, as configured."""
    return SelectionRule(config.selection.min_induce, config.selection.max_kl, config.selection.layer_share)


def _place(cell: tuple[int, int] | None) -> Place | None:
    return None if cell is None else list(cell)


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


def own_continuations(
    loaded: LoadedModel, prompts: list[list[int]], count: int, common_prefix: list[int], token_budget: int
) -> list[list[int]]:
    """The model's greedy answers, cut to the tokens the KL is averaged over after the common prefix.

    Args:
        count: tokens of an answer.
        token_budget: most tokens a batch.
    """
    from anatomy.serving.decoding import Decoding
    from anatomy.serving.transformers_generation import generate_with_transformers

    prefix = list(common_prefix)
    forced = [[*ids, *prefix] for ids in prompts]
    longest = max(map(len, forced), default=1)
    found = generate_with_transformers(
        loaded, forced, Decoding(count, 0.0), batch_size=max(1, min(BATCH, token_budget // longest))
    )
    return [[*prefix, *one.token_ids] for one in found]
