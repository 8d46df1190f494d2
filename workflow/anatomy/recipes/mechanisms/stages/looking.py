"""One model under every instrument: tables of what each of them says, prompt by prompt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.attribution_patching import attribution
from anatomy.interventions.instruments.direct_attribution import attention_regions, direct_attribution
from anatomy.interventions.instruments.logit_lens import streams_at
from anatomy.interventions.instruments.paired_prompts import PairedPrompts, Prompt, pair_by_length
from anatomy.interventions.instruments.patching import WAYS, PatchedPart, patch_pair, places_of
from anatomy.interventions.instruments.steering import dose_response
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import template_positions
from anatomy.progress.counting import counted
from anatomy.recipes.mechanisms.stages.lenses import lenses
from anatomy.recipes.mechanisms.stages.looked import EXACT, Looked, read_prompts
from anatomy.recipes.mechanisms.stages.probing import probed, probed_positions
from anatomy.stages.finished_parts import FinishedParts, computed
from anatomy.stages.rendering import answer_rendering

PINS: tuple[str, ...] = ("torch", "transformers", "scikit-learn")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; nothing here is generated"}
PARTS: tuple[PatchedPart, ...] = ("stream", "attention", "mlp", "head")


def look(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    tokens: list[int],
    directions: dict[str, Float[Tensor, " d_model"]],
    others: dict[str, Float[Tensor, " d_model"]],
    layer: int | None,
    say: Callable[[str], None],
    state: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Everything that instruments say of a model. Probes and maps learn on fit; all else is read on test.

    Args:
        tokens: refusal tokens; without any, only probes are read.
        directions: unit vectors by name that contributions are taken along, and doses added: the picked one and a random one.
        others: further ones that contributions are taken along.
        layer: block before which the direction was picked; None where there is none.
        state: folder of what a killed job was through with, which the caller removes; None keeps nothing.

    Returns:
        Tables ``probes``, ``probe_places``, ``lens``, ``lens_tokens``, ``patching``, ``direct``, ``attention``, ``steering``,
        without the column ``model``.
    """
    wanted = config.mechanisms
    fit = read_prompts(config, subject, loaded, "fit", wanted.prompts)
    positions = probed_positions(loaded.tokenizer, answer_rendering(config.evaluation, subject))
    budget = config.extraction.token_budget
    streams = {side: streams_at(loaded, one.tokens, positions, budget, one.ids) for side, one in fit.items()}
    lengths = {side: [len(ids) for ids in one.tokens] for side, one in fit.items()}
    finished = FinishedParts(state, computed(config, loaded, __name__, PINS))
    probe = partial(probed, config, {side: one.table for side, one in fit.items()}, lengths, streams, positions)
    found = dict(finished.through("probes", _texts(fit), probe))
    say(
        f"{subject.id}: probes of {loaded.num_layers + 1} layers and {len(positions)} positions on "
        f"{sum(len(one.tokens) for one in fit.values())} prompts"
    )
    last = {side: one[-1] for side, one in streams.items()}
    if not tokens:
        return found
    test = read_prompts(config, subject, loaded, "test", wanted.prompts)
    see = partial(lenses, config, loaded, fit, last, test, tokens, say)
    found |= finished.through("lenses", [tokens, _texts(fit), _texts(test)], see)
    pairs, left = equal_pairs(config, test)
    say(f"{subject.id}: {len(pairs)} pairs of equal length; {left} harmful prompts have no counterpart of their length")
    found["patching"] = patched(config, loaded, pairs, tokens, finished)
    found["direct"] = _contributions(loaded, pairs, {**directions, **others})
    if layer is not None:
        found["steering"] = _steered(config, loaded, last, test, tokens, directions, layer)
    after = len(template_positions(loaded.tokenizer, answer_rendering(config.evaluation, subject)))
    before = _shared_beginning([*test["harmful"].tokens, *test["harmless"].tokens])
    found["attention"] = pd.concat(
        [
            attention_regions(loaded, one.tokens[: wanted.pairs], one.ids[: wanted.pairs], before, after).assign(side=side)
            for side, one in test.items()
        ],
        ignore_index=True,
    )
    return found


def equal_pairs(config: Config, looked: dict[str, Looked]) -> tuple[list[PairedPrompts], int]:
    """Harmful prompts with harmless ones of their length, and how many harmful ones have none."""
    return pair_by_length(_prompts(looked["harmful"]), _prompts(looked["harmless"]), config.mechanisms.pairs)


def patched(
    config: Config, loaded: LoadedModel, pairs: list[PairedPrompts], tokens: list[int], finished: FinishedParts
) -> pd.DataFrame:
    """Every patch of every pair, both ways, with what attribution predicts of it.

    Args:
        finished: pairs that a killed job was through with.

    Returns:
        Columns of ``patch_pair`` with ``column`` counted from the end, ``predicted`` (recovery to first order), ``id``,
        ``corrupt_id``, ``group``.
    """
    parts = []
    for pair in counted(pairs, "pairs patched", len(pairs)):
        made_of = [tokens, pair.clean, pair.corrupt, pair.id, pair.corrupt_id, pair.group]
        patch = partial(_patched, loaded, pair, RefusalMetric(tuple(tokens), EXACT), config.extraction.token_budget)
        parts.append(finished.through(f"pair {pair.id} {pair.corrupt_id}", made_of, patch)["patching"])
    return pd.concat(parts, ignore_index=True)


def _patched(loaded: LoadedModel, pair: PairedPrompts, metric: RefusalMetric, token_budget: int) -> dict[str, pd.DataFrame]:
    places, parts = places_of(loaded, pair.length, PARTS), []
    for way in counted(WAYS, "ways of patching", len(WAYS)):
        rows = patch_pair(loaded, pair, places, metric, way, token_budget)
        gap = rows["clean"] - rows["corrupt"] if way == "denoise" else rows["corrupt"] - rows["clean"]
        effect = attribution(loaded, pair, places, metric.refusal_tokens, metric.epsilon, way).numpy()
        parts.append(
            rows.assign(
                column=rows["column"] - pair.length,
                predicted=np.where(gap != 0, effect / gap.where(gap != 0, 1.0), np.nan),
                id=pair.id,
                corrupt_id=pair.corrupt_id,
                group=pair.group,
            )
        )
    return {"patching": pd.concat(parts, ignore_index=True)}


def _texts(looked: dict[str, Looked]) -> list[list[list[int]]]:
    """Tokens of the prompts of each side."""
    return [one.tokens for one in looked.values()]


def _prompts(looked: Looked) -> list[Prompt]:
    pairs = looked.table["pair"] if "pair" in looked.table else [None] * len(looked.table)
    rows = zip(looked.table["id"], looked.table["group"], looked.tokens, pairs, strict=True)
    return [Prompt(name, group, tuple(tokens), None if pd.isna(pair) else str(pair)) for name, group, tokens, pair in rows]


def _steered(
    config: Config,
    loaded: LoadedModel,
    last: dict[str, Float[Tensor, "layer prompt d_model"]],
    test: dict[str, Looked],
    tokens: list[int],
    directions: dict[str, Float[Tensor, " d_model"]],
    layer: int,
) -> pd.DataFrame:
    """Doses of each direction on test prompts of both kinds; one is the distance of the kinds' means on fit along the refusal
    direction, for the random one too."""
    wanted, budget = config.mechanisms, config.extraction.token_budget
    means = [one[layer].double().mean(0) for one in last.values()]
    one = ((means[0] - means[1]) @ directions["refusal"].double().cpu()).item()
    doses, parts = sorted({*wanted.doses, -1.0, 0.0, 1.0}), []
    metric = RefusalMetric(tuple(tokens), EXACT)
    for side, looked in test.items():
        groups = dict(zip(looked.table["id"], looked.table["group"], strict=True))
        for name, unit in directions.items():
            rows = dose_response(loaded, looked.tokens, looked.ids, unit, layer, doses, metric, budget, one)
            parts.append(rows.assign(side=side, direction=name, group=rows["id"].map(groups)))
    return pd.concat(parts, ignore_index=True)


def _contributions(
    loaded: LoadedModel, pairs: list[PairedPrompts], directions: dict[str, Float[Tensor, " d_model"]]
) -> pd.DataFrame:
    """What each part writes along each direction in the clean prompt, minus in the corrupt one."""
    keys = ["id", "direction", "layer", "part", "head"]
    ids = [pair.id for pair in pairs]
    clean, corrupt = (
        direct_attribution(loaded, side, ids, directions).set_index(keys)["contribution"]
        for side in ([pair.clean for pair in pairs], [pair.corrupt for pair in pairs])
    )
    found = (clean - corrupt).reset_index()
    return found.assign(group=found["id"].map({pair.id: pair.group for pair in pairs}))


def _shared_beginning(tokens: list[list[int]]) -> int:
    """Tokens that all prompts begin with."""
    ends = list(zip(min(tokens), max(tokens), strict=False))
    return next((place for place, (one, other) in enumerate(ends) if one != other), len(ends))
