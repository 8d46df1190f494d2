"""The original model's refusal direction at every place, from prompts, with draws that cosines are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch

from anatomy.audit.direction_files import places_of
from anatomy.audit.directions import REFUSAL, Reference, reference_of
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.covariance_draws import covariance_draws, gaussian_weights
from anatomy.models.activations.means import mean_activations
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render, template_positions

DRAWS, SEED = 99, 2_000
"""Directions drawn from the covariance of the original's own activations, and the first one's seed."""

TOKENS = 2048
"""Most tokens of a batch."""


def with_draws(
    references: Sequence[Reference], loaded: LoadedModel, fit: dict[str, pd.DataFrame], rendering: Rendering
) -> list[Reference]:
    """References beside draws from the covariance of the original's own activations, the same for all; without one of refusal,
    the original's own comes first.

    The draws stand at each position of the template and each block's input. A direction that was handed over may belong to any
    of these places, so a draw has its choice among all of them: at least as many as the direction has. One that has more
    candidates than there are places gets no draws, for these would have less of a choice than it has.

    Args:
        references: directions that were handed over.
        fit: prompts of ``harmful`` and ``harmless``.
        rendering: how prompts are put to the model.

    Raises:
        NumericsError: the refusal direction is asked for, and the two sides do not differ anywhere.
    """
    positions = template_positions(loaded.tokenizer, rendering)
    sides = ("harmful", "harmless")
    weights = gaussian_weights(len(fit["harmful"]), len(fit["harmless"]), [SEED + number for number in range(DRAWS)])
    harmful, harmless = (
        mean_activations(
            loaded,
            render(loaded.tokenizer, list(fit[side]["prompt"]), rendering),
            positions,
            token_budget=TOKENS,
            weights=own,
            ids=list(fit[side]["id"]),
        )
        for side, own in zip(sides, weights, strict=True)
    )
    drawn = covariance_draws(harmful, harmless, *weights, slice(None))
    matched = torch.stack([one.vectors.double().reshape(-1, loaded.d_model) for one in drawn])
    matched = torch.nn.functional.normalize(matched, dim=2)
    own = []
    if REFUSAL not in (one.name for one in references):
        # Differences in means at the same places (Arditi et al. 2024, section 2.3).
        directions = difference_in_means(harmful, harmless)
        source = f"difference in means of {len(fit['harmful'])} harmful and {len(fit['harmless'])} harmless prompts"
        own.append(reference_of(directions.vectors, places_of(directions), source))
    return [replace(one, matched=matched) if len(one.units) <= matched.shape[1] else one for one in (*own, *references)]
