"""The original model's refusal direction at every place, from prompts, with draws that a cosine is compared with."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import torch

from anatomy.audit.direction_files import places_of
from anatomy.audit.directions import Reference, reference_of
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.covariance_draws import covariance_draws, gaussian_weights
from anatomy.models.activations.means import mean_activations
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render, template_positions

DRAWS, SEED = 99, 2_000
"""Directions drawn from the covariance of the original's own activations, and the first one's seed."""

TOKENS = 2048
"""Most tokens of a batch."""


def refusal_reference(loaded: LoadedModel, fit: dict[str, pd.DataFrame], rendering: Rendering) -> Reference:
    """Differences in means of harmful and harmless prompts at each position of the template and each block's input (Arditi et
    al. 2024, section 2.3), beside draws from the covariance within the two sets at the same places.

    Args:
        fit: prompts of ``harmful`` and ``harmless``.
        rendering: how prompts are put to the model.

    Raises:
        NumericsError: the two sides do not differ anywhere.
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
    directions = difference_in_means(harmful, harmless)
    drawn = covariance_draws(harmful, harmless, *weights, slice(None))
    source = f"difference in means of {len(fit['harmful'])} harmful and {len(fit['harmless'])} harmless prompts"
    found = reference_of(directions.vectors, places_of(directions), source)
    matched = torch.stack([one.vectors.double().reshape(-1, loaded.d_model) for one in drawn])
    return replace(found, matched=torch.nn.functional.normalize(matched, dim=2))
