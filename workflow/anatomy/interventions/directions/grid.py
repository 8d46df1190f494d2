"""The part of a selection grid that needs no intervention: how far the two sides lie apart along every candidate."""

from collections.abc import Sequence

import pandas as pd

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.separation import projections, separation
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted


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
