"""The search for a direction: every cell on all prompts, or a race that finds the same cell for less."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.control_search import strongest_cells
from anatomy.interventions.directions.near_misses import MISSES
from anatomy.interventions.directions.prompt_scores import CRITERIA, Cell, Criterion, PromptScores
from anatomy.interventions.directions.race import Pace, Race
from anatomy.interventions.directions.selection import LIMITS, SelectionRule
from anatomy.interventions.directions.separation import separation
from anatomy.models.activations.projections import project_cells
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress, counted


def search_directions(
    loaded: LoadedModel,
    candidates: Directions,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    refusal_tokens: Sequence[int],
    *,
    rule: SelectionRule,
    pace: Pace | None,
    common_prefix: Sequence[int],
    harmless_answers: Sequence[Sequence[int]] | None,
    token_budget: int,
    epsilon: float,
) -> pd.DataFrame:
    """The selection grid, in which the cell that ``select_direction`` picks and its near misses have all their scores.

    A race (``pace``) scores cells of the layers that the rule allows on as many prompts as it takes to say that they are not the
    pick. Where no cell is within the rule's limits, it goes on until each of ``near_misses`` is known. A score on all prompts is
    the one that the exhaustive search gives, up to rounding.

    Args:
        loaded, candidates, harmful, harmless, refusal_tokens: as ``score_candidates``.
        rule: that of ``select_direction``, for which the grid is made.
        pace: of the race; None scores every cell on all prompts.
        common_prefix, harmless_answers, token_budget, epsilon: as ``score_candidates``.

    Returns:
        One row a cell: ``position, layer, bypass, induce, kl``, means over the prompts that the cell was scored on; ``n_bypass,
        n_induce, n_kl``, how many those are; ``dropped``, why they are not all (empty where they are); ``auroc, cohens_d,
        norm`` on all prompts. ``select_direction`` adds ``kept`` and ``reason``.

    Raises:
        As ``score_candidates``.
    """
    scorer = PromptScores.of(
        loaded,
        candidates,
        harmful,
        harmless,
        refusal_tokens,
        common_prefix=common_prefix,
        harmless_answers=harmless_answers,
        token_budget=token_budget,
        epsilon=epsilon,
    )
    cut = rule.cut(loaded.num_layers)
    cells = scorer.cells() if pace is None else [cell for cell in scorer.cells() if cell[1] < cut]
    # A race ends when it ends: its count is of cells that can no longer win.
    with Progress("directions decided", 1.5 * len(cells) + 1) as progress:
        with progress.part(1.5 * len(cells)):
            race = _raced(scorer, cells, rule, pace) if pace else _scored(scorer, cells, rule)
        with progress.part():
            projected = [
                project_cells(
                    loaded, prompts, candidates.vectors, candidates.positions, candidates.layers, token_budget=token_budget
                )
                for prompts in counted((harmful, harmless), "sets projected", 2)
            ]
    return _table(race, candidates, cut).merge(separation(candidates, *projected), on=["position", "layer"], validate="1:1")


def search_control(
    loaded: LoadedModel,
    control: Directions,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    refusal_tokens: Sequence[int],
    *,
    rule: SelectionRule,
    pace: Pace | None,
    common_prefix: Sequence[int],
    token_budget: int,
    epsilon: float,
) -> dict[str, Cell | None]:
    """Where a control does most (``strongest_cells``), by the search that the method had, in the layers that the rule allows.

    Args:
        loaded, control, harmful, harmless, refusal_tokens: as ``score_candidates``.
        rule: whose layers count; a control has no limits.
        pace: as ``search_directions``; its ``regret`` is how far a control may stay behind its own strongest cell.
        common_prefix, token_budget, epsilon: as ``score_candidates``.

    Raises:
        As ``score_candidates``.
    """
    scorer = PromptScores.of(
        loaded,
        control,
        harmful,
        harmless,
        refusal_tokens,
        common_prefix=common_prefix,
        harmless_answers=None,
        token_budget=token_budget,
        epsilon=epsilon,
    )
    cut = rule.cut(loaded.num_layers)
    cells = [cell for cell in scorer.cells() if cell[1] < cut]
    if pace is None:
        return strongest_cells(_table(_scored(scorer, cells, rule, ("bypass", "induce")), control, cut), control.layers)
    race = Race(scorer, cells, rule, pace)
    found = {"ablate": race.best("bypass", (), whole=False), "add": race.best("induce", (), whole=False)}
    return {form: None if cell is None else race.cells[cell] for form, cell in found.items()}


def _raced(scorer: PromptScores, cells: Sequence[Cell], rule: SelectionRule, pace: Pace) -> Race:
    """A race for the pick, and for the near misses where there is none."""
    with Progress("directions that can no longer win", len(cells)) as progress:
        race = Race(scorer, cells, rule, pace, lambda alive: progress.advance(len(cells) - alive - progress.done))
        pick = race.best("bypass", LIMITS)
        if pick is not None:
            race.finish(pick)
            return race
    for miss in MISSES:
        best = race.best(miss.criterion, miss.limits)
        if best is not None and miss.criterion == "bypass":
            race.finish(best)
    return race


def _scored(scorer: PromptScores, cells: Sequence[Cell], rule: SelectionRule, criteria: Sequence[Criterion] = CRITERIA) -> Race:
    """Every cell on all prompts."""
    race = Race(scorer, cells, rule, Pace(1, 0.0, 0))
    for criterion in counted(criteria, "scores of directions", len(criteria)):
        race.advance(criterion, range(len(cells)), race.total[criterion])
    return race


def _table(race: Race, candidates: Directions, cut: int) -> pd.DataFrame:
    """Means so far, and why a cell was scored no further."""
    index = {cell: k for k, cell in enumerate(race.cells)}
    rows = []
    for position in candidates.positions:
        for layer in candidates.layers:
            cell = index.get((position, layer))
            means = [float("nan") if cell is None else race.mean(name, cell) for name in CRITERIA]
            counts = [0 if cell is None else int(race.scored[name][cell]) for name in CRITERIA]
            scorable = candidates.vector(position, layer).any()
            why = race.why(cell) if cell is not None else f"layer >= {cut}" if scorable else ""
            rows.append((position, layer, *means, *counts, why))
    return pd.DataFrame(rows, columns=["position", "layer", *CRITERIA, *(f"n_{name}" for name in CRITERIA), "dropped"])
