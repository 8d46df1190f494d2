"""Paths of the heads that matter most, and a subspace that carries what tells two runs apart: chosen on fit, read on test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.interchange import (
    SubspaceTraining,
    exchangeable_runs,
    interchange_table,
    learn_subspace,
)
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import WAYS, patch_pair, places_of
from anatomy.interventions.instruments.path_patching import Head, path_effects
from anatomy.interventions.instruments.recovery_over_pairs import weighed
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.mechanisms.stages.looked import EXACT, read_prompts
from anatomy.recipes.mechanisms.stages.looking import equal_pairs


def circuits(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    tokens: list[int],
    unit: Float[Tensor, " d_model"] | None,
    place: tuple[int, int] | None,
    say: Callable[[str], None],
) -> dict[str, pd.DataFrame]:
    """Tables ``ranked``, ``paths`` and ``interchange``, without the column ``model``.

    Args:
        tokens: refusal tokens.
        unit: the picked refusal direction at unit norm.
        place: its position, counted from the end, and block; None where none was picked: the last token in the middle.
    """
    metric = RefusalMetric(tuple(tokens), EXACT)
    sides = {phase: read_prompts(config, subject, loaded, phase, config.mechanisms.prompts) for phase in ("fit", "test")}
    pairs = {phase: equal_pairs(config, looked)[0] for phase, looked in sides.items()}
    say(f"{subject.id}: {len(pairs['fit'])} pairs choose heads and train subspaces, {len(pairs['test'])} are read")
    found = {}
    if loaded.num_layers > 1:
        found["ranked"] = ranked_heads(config, loaded, pairs["fit"], metric)
        if found["ranked"].empty:
            say(f"{subject.id}: no heads are followed: runs of fit pairs have the same metric, or differences cancel out")
        else:
            found["paths"] = followed(config, loaded, pairs["test"], metric, found["ranked"])
    position, layer = place if place is not None else (-1, loaded.num_layers // 2)
    found["interchange"] = exchanged(config, loaded, pairs, metric, unit, position, layer)
    return found


def ranked_heads(config: Config, loaded: LoadedModel, pairs: list[PairedPrompts], metric: RefusalMetric) -> pd.DataFrame:
    """Heads below the last block, the one whose exchange moves most both ways first.

    Returns:
        Columns ``layer, head, denoise, noise, least, place``: recovery over pairs each way, the lesser, and the rank from 1. No
        rows where no pair's runs differ.
    """
    parts = []
    for pair in counted(pairs, "pairs that choose heads", len(pairs)):
        places = places_of(loaded, pair.length, ("head",), range(loaded.num_layers - 1))
        for way in WAYS:
            parts.append(patch_pair(loaded, pair, places, metric, way, config.extraction.token_budget).assign(id=pair.id))
    rows = weighed(pd.concat(parts, ignore_index=True)).dropna(subset=["recovery"])
    wide = rows.pivot_table(index=["layer", "head"], columns="way", values="recovery").reindex(columns=list(WAYS))
    table = wide.assign(least=wide.min(axis=1)).reset_index().sort_values("least", ascending=False, kind="stable")
    return table.assign(place=range(1, len(table) + 1)).rename_axis(columns=None).reset_index(drop=True)


def followed(
    config: Config, loaded: LoadedModel, pairs: list[PairedPrompts], metric: RefusalMetric, ranked: pd.DataFrame
) -> pd.DataFrame:
    """Paths of the first heads (role ``top``) and of as many others drawn at random (role ``random``), both ways."""
    count = min(config.mechanisms.paths.heads, len(ranked))
    rest = np.arange(count, len(ranked))
    drawn = np.random.default_rng(config.mechanisms.seed).permutation(rest)[:count]
    chosen = pd.concat([ranked.iloc[:count].assign(role="top"), ranked.iloc[np.sort(drawn)].assign(role="random")])
    senders = [Head(int(row.layer), int(row.head)) for row in chosen.itertuples()]
    names = chosen[["layer", "head", "role", "place"]].rename(columns={"layer": "sender_layer", "head": "sender_head"})
    parts = []
    for pair in counted(pairs, "pairs whose paths are followed", len(pairs)):
        for way in WAYS:
            rows = path_effects(loaded, pair, senders, metric, way, config.extraction.token_budget)
            parts.append(rows.assign(id=pair.id, group=pair.group))
    return pd.concat(parts, ignore_index=True).merge(names, on=["sender_layer", "sender_head"])


def exchanged(
    config: Config,
    loaded: LoadedModel,
    pairs: dict[str, list[PairedPrompts]],
    metric: RefusalMetric,
    unit: Float[Tensor, " d_model"] | None,
    position: int,
    layer: int,
) -> pd.DataFrame:
    """Test pairs under exchanges of the learned subspace, the one of dealt outcomes, the picked direction, and random ones."""
    wanted, seed = config.mechanisms.interchange, config.mechanisms.seed
    training = SubspaceTraining(wanted.rank, wanted.steps, wanted.learning_rate, wanted.batch, seed)
    fit, test = (exchangeable_runs(loaded, pairs[phase], layer, position, metric) for phase in ("fit", "test"))
    bases = {
        name: learn_subspace(loaded, fit, layer, position, metric, training, dealt=name == "dealt")
        for name in ("learned", "dealt")
    }
    if unit is not None:
        bases["refusal"] = torch.nn.functional.normalize(unit.float().cpu(), dim=0)[:, None]
    rows = interchange_table(loaded, test, layer, position, metric, bases, like="learned", draws=wanted.draws, seed=seed)
    sides = {run.id: (run.end, run.start) if run.way == "denoise" else (run.start, run.end) for run in test}
    clean, corrupt = ([sides[name][side] for name in rows["id"]] for side in (0, 1))
    return rows.assign(layer=layer, column=position, rank=wanted.rank, clean=clean, corrupt=corrupt)
