"""Probes of a model's streams: several kinds at the last token, and the difference of means at every position of the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.interventions.instruments.probe_tables import place_table, probe_table
from anatomy.models.rendering import Rendering, template_positions
from anatomy.recipes.mechanisms.prompts_read import SIDES


def probed_positions(tokenizer: Any, rendering: Rendering) -> list[int]:
    """The positions that directions are extracted at, the request's last token before them; counted from the end, -1 last.

    A text with nothing after the request (no template, no prefill) has its last token alone.
    """
    after = template_positions(tokenizer, rendering)
    return [after[0] - 1, *after] if rendering.template or rendering.prefill else after


def kinds_of(rows: pd.DataFrame) -> list[str]:
    """Source and category of each prompt of a side; without a category its source, where there are several, else its group."""
    sources, several = rows["source"].fillna(""), rows["source"].nunique() > 1
    found = []
    for source, category, group in zip(sources, rows["category"].fillna(""), rows["group"], strict=True):
        found.append(f"{source}/{category}" if category else f"{source}/" if several and source else f"group {group}")
    return found


def probed(
    config: Config,
    tables: Mapping[str, pd.DataFrame],
    lengths: Mapping[str, Sequence[int]],
    streams: Mapping[str, Float[Tensor, "position layer prompt d_model"]],
    positions: Sequence[int],
) -> dict[str, pd.DataFrame]:
    """Tables ``probes`` (the last token) and ``probe_places`` (every position; ``request``: the request's last token) of fit.

    Args:
        tables: rows of the prompts of each side.
        lengths: tokens of each prompt.
        streams: at ``positions``, of which the first is the request's last token and the last -1.
    """
    wanted = config.mechanisms
    rows = pd.concat([tables[side] for side in SIDES], ignore_index=True)
    read = torch.cat([streams[side] for side in SIDES], dim=2).numpy()
    harmful = np.arange(len(rows)) < len(tables[SIDES[0]])
    groups, ids = rows["group"].to_numpy(object), list(rows["id"])
    last = probe_table(
        read[-1],
        harmful,
        groups,
        ids,
        list(rows["prompt"]),
        np.concatenate([lengths[side] for side in SIDES]),
        [kind for side in SIDES for kind in kinds_of(tables[side])],
        few=wanted.few,
        seed=wanted.seed,
    )
    places = place_table(read, positions, harmful, groups, ids, wanted.seed)
    return {"probes": last, "probe_places": places.assign(request=places["position"] == positions[0])}
