"""Geometry of a model's directions, as tables: angles, shifts without the template's share, stability, kinds of harm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.instruments.geometry import (
    bootstrapped_cosines,
    cosine_table,
    first_share,
    kind_directions,
    own_beyond_others,
    principal_angles,
)
from anatomy.interventions.instruments.probes import shuffled
from anatomy.interventions.instruments.template_shift import shift_ranks, shift_table
from anatomy.recipes.mechanisms.stages.directions import Read, own_wording, shifted

ByLayer = Float[Tensor, "layer d_model"]
DRAWS = 200
"""Draws of groups of prompts for stability."""
SHUFFLED = 20
"""Deals of kinds among groups, as controls."""
FEWEST = 3
"""Prompts of fit that a kind needs for a direction of its own."""


def geometry_tables(
    fit: dict[str, Read], test: dict[str, Read], directions: dict[str, ByLayer], seed: int
) -> dict[str, pd.DataFrame]:
    """Tables ``angles``, ``shifts``, ``ranks``, ``stability``, ``kinds``, ``kind_controls``, ``spaces`` and ``vectors``."""
    found = {"angles": cosine_table(directions), "stability": _stability(fit, seed), "vectors": _vectors(directions)}
    if ("base", "template") in fit["harmful"].streams:
        parts, ranks = [], []
        for side, read in test.items():
            groups = dict(zip(read.table["id"], read.groups, strict=True))
            rows = shift_table(shifted(read), directions["refusal"], list(read.table["id"]))
            parts.append(rows.assign(side=side, group=rows["id"].map(groups)))
            ranks.append(shift_ranks(shifted(read)).assign(side=side))
        found |= {"shifts": pd.concat(parts, ignore_index=True), "ranks": pd.concat(ranks, ignore_index=True)}
    kinds = fit["harmful"].kinds
    if kinds is not None and test["harmful"].kinds is not None and len(_frequent(kinds)) > 1:
        found |= _kinds(fit, test, kinds, seed)
    return found


def _stability(fit: dict[str, Read], seed: int) -> pd.DataFrame:
    """Cosine of each difference in means with the same on groups drawn anew: middle and the middle 95 % of draws."""
    sides, parts = [fit["harmful"], fit["harmless"]], []
    wording = own_wording(sides[0])
    named = {"refusal": ("aligned", wording), "harmfulness": ("aligned", "instruction"), "refusal of the base": ("base", wording)}
    for name, key in named.items():
        if key in sides[0].streams:
            high, low = (side.streams[key] for side in sides)
            drawn = bootstrapped_cosines(high, low, (sides[0].groups, sides[1].groups), DRAWS, seed).numpy()
            # Where all prompts are alike, as before the first block at a template's last token, there is no direction: NaN.
            low_end, middle, high_end = pd.DataFrame(drawn).quantile([0.025, 0.5, 0.975]).to_numpy()
            rows = {"direction": name, "layer": range(len(middle)), "low": low_end, "middle": middle, "high": high_end}
            parts.append(pd.DataFrame(rows).assign(draws=DRAWS, n=high.shape[1] + low.shape[1]))
    return pd.concat(parts, ignore_index=True)


def _vectors(directions: dict[str, ByLayer]) -> pd.DataFrame:
    """The directions themselves at unit norm, for a comparison of seeds."""
    rows = [
        (name, layer, torch.nn.functional.normalize(vector.float(), dim=0).tolist())
        for name, vectors in directions.items()
        if name != "random"
        for layer, vector in enumerate(vectors)
    ]
    return pd.DataFrame(rows, columns=["direction", "layer", "vector"])


def _frequent(kinds: Sequence[str]) -> list[str]:
    return [name for name, count in pd.Series(kinds).value_counts(sort=False).items() if count >= FEWEST]


def _kinds(fit: dict[str, Read], test: dict[str, Read], kinds: Sequence[str], seed: int) -> dict[str, pd.DataFrame]:
    """A direction for each kind of harm, learnt on fit and read on test, beside kinds that were dealt anew among groups."""
    wording = own_wording(fit["harmful"])
    high, low = (fit[side].streams["aligned", wording] for side in ("harmful", "harmless"))
    asked, middle = test["harmful"].streams["aligned", wording], test["harmless"].streams["aligned", wording].mean(1)
    names, groups = np.asarray(kinds, dtype=object), np.asarray(fit["harmful"].groups, dtype=object)
    own = test["harmful"].kinds or []
    rows, controls, spaces = [], [], []
    for draw in range(-1, SHUFFLED):
        dealt = names if draw < 0 else shuffled(names, groups, seed + draw)
        kept = np.isin(dealt, _frequent(list(dealt)))
        for layer in range(len(high)):
            learnt = kind_directions(high[layer][kept], list(dealt[kept]), low[layer])
            value = own_beyond_others(asked[layer], own, middle[layer], learnt)
            controls.append((layer, draw, float(np.nanmean(value)) if np.isfinite(value).any() else np.nan, first_share(learnt)))
            if draw < 0:
                rows.append(test["harmful"].table[["id", "group"]].assign(kind=own, layer=layer, value=value))
                spaces += _spaces(fit, wording, layer, list(names), torch.stack(list(learnt.values())), seed)
    return {
        "kinds": pd.concat(rows, ignore_index=True),
        "kind_controls": pd.DataFrame(controls, columns=["layer", "draw", "value", "share"]),
        "spaces": pd.DataFrame(spaces, columns=["layer", "other", "number", "degrees"]),
    }


def _spaces(
    fit: dict[str, Read], wording: str, layer: int, kinds: list[str], learnt: Tensor, seed: int
) -> list[tuple[int, str, int, float]]:
    """Principal angles of the space of all kinds' directions with the base's and with a random space."""
    generator = torch.Generator().manual_seed(seed + layer)
    others = {"random": torch.randn(learnt.shape, generator=generator, dtype=torch.float64)}
    if ("base", wording) in fit["harmful"].streams:
        high, low = (fit[side].streams["base", wording][layer] for side in ("harmful", "harmless"))
        kept = np.isin(kinds, _frequent(kinds))
        named = [str(kind) for kind in np.asarray(kinds, dtype=object)[kept]]
        others["base"] = torch.stack(list(kind_directions(high[kept], named, low).values()))
    return [
        (layer, name, number, angle)
        for name, space in others.items()
        for number, angle in enumerate(principal_angles(learnt, space).tolist())
    ]
