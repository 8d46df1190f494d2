"""The whole selection grid of one model: causal scores, separation and norms of every candidate."""

from collections.abc import Sequence

import pandas as pd

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.scores import score_candidates
from anatomy.interventions.directions.separation import projections, separation
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress, counted


def direction_grid(
    loaded: LoadedModel,
    directions: Directions,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    refusal_tokens: Sequence[int],
    *,
    common_prefix: Sequence[int],
    harmless_answers: Sequence[Sequence[int]] | None,
    token_budget: int,
    epsilon: float,
) -> pd.DataFrame:
    """One row a cell: ``position, layer, bypass, induce, kl, auroc, cohens_d, norm`` on validation prompts.

    Arguments and errors as ``score_candidates``. ``select_direction`` adds ``kept`` and ``reason``.
    """
    cells = len(directions.positions) * len(directions.layers)
    with Progress("grid", 1.5 * cells + 1) as progress:
        with progress.part(1.5 * cells):
            scores = score_candidates(
                loaded,
                directions,
                harmful,
                harmless,
                refusal_tokens,
                common_prefix=common_prefix,
                harmless_answers=harmless_answers,
                token_budget=token_budget,
                epsilon=epsilon,
            )
        with progress.part():
            apart = separation_grid(loaded, directions, harmful, harmless, token_budget=token_budget)
    return scores.merge(apart, on=["position", "layer"], validate="one_to_one")


def separation_grid(
    loaded: LoadedModel,
    directions: Directions,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    *,
    token_budget: int,
) -> pd.DataFrame:
    """One row a cell: ``position, layer, auroc, cohens_d, norm``, which need neither an intervention nor refusal tokens.

    Args:
        harmful, harmless: rendered validation prompts.
    """
    projected = [
        projections(loaded, prompts, directions, token_budget) for prompts in counted((harmful, harmless), "sets projected", 2)
    ]
    return separation(directions, *projected)
