"""The search for a direction: every cell on all prompts, or a race that finds the same cell for less."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.control_search import strongest_cells
from anatomy.interventions.directions.grid import separation_grid
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.partial_scores import PartialScores
from anatomy.interventions.directions.prompt_scores import CRITERIA, Cell, PromptScores
from anatomy.interventions.directions.race import Race
from anatomy.interventions.directions.scores import score_candidates
from anatomy.interventions.directions.selection import LIMITS, SelectionRule
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress


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
    """The selection grid, in which the cell that ``select_direction`` picks, or else ``nearest_cell``, has all its scores.

    A race (``pace``) scores cells of the layers that the rule allows on as many prompts as it takes to say that they are not the
    pick. Where no cell is within the rule's limits, it goes on until no cell's bypass can be lower than the lowest by more than
    the pace's regret. A score on all prompts is the one that the exhaustive search gives, up to rounding.

    Args:
        loaded, candidates, harmful, harmless, refusal_tokens: as ``PromptScores.of``.
        rule: that of ``select_direction``, for which the grid is made.
        pace: of the race; None scores every cell on all prompts.
        common_prefix, harmless_answers, token_budget, epsilon: as ``PromptScores.of``.

    Returns:
        One row a cell: ``position, layer, bypass, induce, kl``, means over the prompts that the cell was scored on; ``n_bypass,
        n_induce, n_kl``, how many those are; ``dropped``, why they are not all (empty where they are); ``auroc, cohens_d,
        norm`` on all prompts. ``select_direction`` adds ``kept`` and ``reason``.

    Raises:
        As ``PromptScores.of`` and ``PromptScores.score``.
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
    cells = len(candidates.positions) * len(candidates.layers)
    with Progress("grid", 1.5 * cells + 1) as progress:
        with progress.part(1.5 * cells):
            scores = _scored(scorer) if pace is None else _raced(scorer, rule.cut(loaded.num_layers), rule, pace)
        with progress.part():
            apart = separation_grid(loaded, candidates, harmful, harmless, token_budget=token_budget)
    return scores.merge(apart, on=["position", "layer"], validate="one_to_one")


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
        loaded, control, harmful, harmless, refusal_tokens: as ``PromptScores.of``.
        rule: whose layers count; a control has no limits.
        pace: as ``search_directions``; its ``regret`` is how far a control may stay behind its own strongest cell.
        common_prefix, token_budget, epsilon: as ``PromptScores.of``.

    Raises:
        As ``PromptScores.of`` and ``PromptScores.score``.
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
    if pace is None:
        return strongest_cells(score_candidates(scorer, divergence=False), [layer for layer in control.layers if layer < cut])
    read = PartialScores(scorer, [cell for cell in scorer.cells() if cell[1] < cut], pace, ("bypass", "induce"))
    race = Race(read, rule)
    with read.progress:
        found = {"ablate": race.best("bypass", whole=False), "add": race.best("induce", whole=False)}
    return {form: None if cell is None else read.cells[cell] for form, cell in found.items()}


def _scored(scorer: PromptScores) -> pd.DataFrame:
    """Every cell's scores on all prompts, and how many those are."""
    scores, cells = score_candidates(scorer), set(scorer.cells())
    scored = [cell in cells for cell in zip(scores["position"], scores["layer"], strict=True)]
    counts = {f"n_{name}": [scorer.prompts(name) * one for one in scored] for name in CRITERIA}
    return scores.assign(**counts, dropped="")


def _raced(scorer: PromptScores, cut: int, rule: SelectionRule, pace: Pace) -> pd.DataFrame:
    """A race for the pick, and for what comes nearest where there is none: means so far, and why a cell was scored no further."""
    read = PartialScores(scorer, [cell for cell in scorer.cells() if cell[1] < cut], pace)
    race = Race(read, rule)
    with read.progress:
        best = race.best("bypass", LIMITS)
        if best is None:
            best = race.best("bypass")
        if best is not None:
            read.finish(best)
    return _table(race, scorer.directions, cut)


def _table(race: Race, candidates: Directions, cut: int) -> pd.DataFrame:
    """Means so far, and why a cell was scored no further."""
    read = race.read
    index = {cell: k for k, cell in enumerate(read.cells)}
    rows = []
    for position in candidates.positions:
        for layer in candidates.layers:
            cell = index.get((position, layer))
            means = [float("nan") if cell is None else read.mean(name, cell) for name in CRITERIA]
            counts = [0 if cell is None else int(read.scored[name][cell]) for name in CRITERIA]
            scorable = candidates.vector(position, layer).any()
            why = race.why(cell) if cell is not None else f"layer >= {cut}" if scorable else ""
            rows.append((position, layer, *means, *counts, why))
    return pd.DataFrame(rows, columns=["position", "layer", *CRITERIA, *(f"n_{name}" for name in CRITERIA), "dropped"])
