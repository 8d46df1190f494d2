"""The same member's signature across organism seeds: is it the same direction?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.recipes.pasta.edits import SIGNATURE

COLUMNS = ["member", "first", "second", "position", "layer", "cosine", "chance"]


def seeds_table(config: Config, cards: Sequence[Path]) -> pd.DataFrame:
    """Cosine of the signatures v[l] of every two seeds of a member.

    Families of different seeds begin at different random weights, so that their axes of the residual stream need not match:
    ``chance``, the root mean square cosine of independent directions, ``1 / sqrt(d_model)``, is what to compare with.

    Args:
        cards: ``extract/<model>/signature.json``, beside which the signatures lie.

    Returns:
        Columns ``COLUMNS``: ``first`` and ``second`` are seeds, ``cosine`` is NaN where a signature is zero; no row where a
        member has a single seed.
    """
    known = {subject.id: subject for subject in subjects(config)}
    members: dict[str, dict[int, Path]] = {}
    for card in cards:
        subject = known[card.parent.name]
        if subject.member is not None and subject.seed is not None:
            members.setdefault(subject.member, {})[subject.seed] = card.parent
    if all(len(folders) < 2 for folders in members.values()):
        return pd.DataFrame(columns=COLUMNS)
    from anatomy.interventions.directions.signature import cosines
    from anatomy.stages.model_directions import ModelDirections

    rows = []
    for member, folders in sorted(members.items()):
        signatures = {seed: ModelDirections(folder).candidates(SIGNATURE) for seed, folder in sorted(folders.items())}
        for (first, one), (second, other) in combinations(signatures.items(), 2):
            values = cosines(one.vectors.double(), other.vectors.double())
            rows += [
                {
                    "member": member,
                    "first": first,
                    "second": second,
                    "position": position,
                    "layer": layer,
                    "cosine": values[place, number].item(),
                    "chance": one.vectors.shape[-1] ** -0.5,
                }
                for place, position in enumerate(one.positions)
                for number, layer in enumerate(one.layers)
            ]
    return pd.DataFrame(rows, columns=COLUMNS)
