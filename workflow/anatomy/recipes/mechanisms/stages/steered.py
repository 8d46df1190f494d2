"""Doses of the picked direction in every way of steering, before its block or before all, and of each layer's own direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.logit_lens import last_streams
from anatomy.interventions.instruments.steering import Steering, steered_answers, steered_responses
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.recipes.mechanisms.stages.looking import EXACT, Looked
from anatomy.recipes.mechanisms.stages.suppression import CLAIMED, UNEDITED


class Setting(NamedTuple):
    """What a row of the tables was steered by."""

    mode: str
    layers: str
    direction: str
    dose: float


class Answers(NamedTuple):
    """Prompts with the first tokens of the unedited model's own answers."""

    ids: list[str]
    groups: dict[str, str]
    tokens: list[list[int]]
    lengths: list[int]


def own_answers(config: Config, loaded: LoadedModel, rows: pd.DataFrame, rendering: Rendering) -> Answers:
    """The first harmless answers of select, as far as they are read; empty ones are left out.

    Args:
        rows: the model's completions.
    """
    wanted = config.mechanisms.steered
    kept = rows[(rows["phase"] == "select") & (rows["set"] == config.extraction.harmless)]
    kept = kept[kept["response"].fillna("").str.strip() != ""].head(wanted.answers)
    prompts = render(loaded.tokenizer, list(kept["prompt"]), rendering)
    said = [
        list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])[: wanted.answer_tokens] for text in kept["response"]
    ]
    return Answers(
        list(kept["id"]),
        dict(zip(kept["id"], kept["group"], strict=True)),
        [[*prompt, *answer] for prompt, answer in zip(prompts, said, strict=True)],
        [len(answer) for answer in said],
    )


def steering_tables(
    config: Config,
    loaded: LoadedModel,
    fit: Mapping[str, Looked],
    test: Mapping[str, Looked],
    answers: Answers,
    tokens: list[int],
    directions: Mapping[str, Float[Tensor, " d_model"]],
    layer: int,
) -> dict[str, pd.DataFrame]:
    """Tables ``modes``, ``suppression``, ``steered_answers`` and ``layer_steering``, without the column ``model``.

    Args:
        directions: unit vectors ``refusal`` and ``random``; ``flipped`` (the refusal direction's opposite) is added to what caps.
        layer: block before which the direction was picked.
    """
    budget, metric = config.extraction.token_budget, RefusalMetric(tuple(tokens), EXACT)
    means = {side: last_streams(loaded, one.tokens, budget, one.ids).double().mean(1).cpu() for side, one in fit.items()}
    named = _settings(config, means, directions, layer, loaded.num_layers)
    asked, steerings = list(named), list(named.values())
    curves = {setting: steering for setting, steering in named.items() if _is_asked(config, setting)}
    found = {"modes": _on_prompts(config, loaded, test, curves, config.mechanisms.steered.prompts, metric)}
    claimed = {setting: named[setting] for setting in named if (setting.mode, setting.layers, setting.dose) == CLAIMED}
    found["suppression"] = _on_prompts(config, loaded, test, claimed, config.mechanisms.prompts, metric)
    if answers.ids:
        rows = steered_answers(loaded, answers.tokens, answers.lengths, answers.ids, steerings, budget)
        found["steered_answers"] = _named(rows, asked, answers.groups)
    found["layer_steering"] = _each_layer(config, loaded, test["harmless"], means, directions["random"], metric)
    return found


def _settings(
    config: Config,
    means: Mapping[str, Float64[Tensor, "layer d_model"]],
    directions: Mapping[str, Float[Tensor, " d_model"]],
    layer: int,
    num_layers: int,
) -> dict[Setting, Steering]:
    """Every way of steering that is asked for; a dose is the distance of the kinds' means along the refusal direction."""
    wanted, refusal = config.mechanisms.steered, directions["refusal"].double().cpu()
    doses = sorted({*config.mechanisms.doses, -1.0, 0.0, 1.0})
    asked = [(mode, where, dose) for mode in wanted.modes for where in wanted.layers for dose in doses]
    asked += [CLAIMED] if CLAIMED not in asked else []
    found: dict[Setting, Steering] = {}
    for mode, where, dose in asked:
        blocks = [layer] if where == "picked" else list(range(num_layers))
        units = {name: directions[name].double().cpu() for name in ("refusal", "random")}
        units |= {"flipped": -refusal} if mode == "cap" else {}
        for name, unit in units.items():
            amounts = {}
            for block in blocks:
                one = ((means["harmful"][block] - means["harmless"][block]) @ refusal).item()
                start = (means["harmless"][block] @ unit).item()
                amounts[block] = dose * one / len(blocks) if mode == "add" else start + dose * one
            found[Setting(mode, where, name, dose)] = Steering(mode, unit, amounts)
    return found


def _is_asked(config: Config, setting: Setting) -> bool:
    return setting.mode in config.mechanisms.steered.modes and setting.layers in config.mechanisms.steered.layers


def _on_prompts(
    config: Config,
    loaded: LoadedModel,
    test: Mapping[str, Looked],
    settings: Mapping[Setting, Steering],
    limit: int,
    metric: RefusalMetric,
) -> pd.DataFrame:
    rows, parts, asked, steerings = slice(0, limit), [], list(settings), list(settings.values())
    for side, looked in test.items():
        groups = dict(zip(looked.table["id"], looked.table["group"], strict=True))
        budget = config.extraction.token_budget
        found = steered_responses(loaded, looked.tokens[rows], looked.ids[rows], steerings, metric, budget)
        parts.append(_named(found, asked, groups).assign(side=side))
    return pd.concat(parts, ignore_index=True)


def _named(rows: pd.DataFrame, asked: list[Setting], groups: Mapping[str, str]) -> pd.DataFrame:
    """The settings' names beside rows, the groups of their prompts, and no number of a setting."""
    settings = pd.DataFrame(asked, columns=list(Setting._fields)).rename_axis("setting").reset_index()
    plain = pd.DataFrame([{"setting": -1, "mode": UNEDITED, "layers": "", "direction": "", "dose": float("nan")}])
    named = rows.merge(pd.concat([settings, plain], ignore_index=True), on="setting", how="left")
    return named.assign(group=named["id"].map(dict(groups))).drop(columns="setting")


def _each_layer(
    config: Config,
    loaded: LoadedModel,
    harmless: Looked,
    means: Mapping[str, Float64[Tensor, "layer d_model"]],
    random: Float[Tensor, " d_model"],
    metric: RefusalMetric,
) -> pd.DataFrame:
    """Harmless prompts with each layer's own difference in means added before it, and a random direction of its length.

    Returns:
        Columns ``id, group, layer, direction, metric, rise``: ``rise`` of the refusal metric over the unedited model's.
    """
    rows, asked, steerings = slice(0, config.mechanisms.steered.prompts), [], []
    for layer in range(loaded.num_layers):
        shift = means["harmful"][layer] - means["harmless"][layer]
        length = shift.norm().item()
        for name, unit in (("refusal", torch.nn.functional.normalize(shift, dim=0)), ("random", random)):
            asked.append((layer, name))
            steerings.append(Steering("add", unit, {layer: length}))
    budget = config.extraction.token_budget
    found = steered_responses(loaded, harmless.tokens[rows], harmless.ids[rows], steerings, metric, budget)
    plain = found[found["setting"] < 0].set_index("id")["metric"]
    own = found[found["setting"] >= 0]
    layers, names = ([asked[setting][part] for setting in own["setting"]] for part in (0, 1))
    groups = dict(zip(harmless.table["id"], harmless.table["group"], strict=True))
    rise = own["metric"] - own["id"].map(plain)
    return own.assign(layer=layers, direction=names, rise=rise, group=own["id"].map(groups)).drop(columns=["setting", "kl"])
