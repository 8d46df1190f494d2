"""Why a model has no direction, no interventions or no pick, in sentences for whoever reads the verdicts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.variants import NEAREST
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.stages.selected_direction import Selected

INTERVENTIONS = ("ablate", "clamp", "add", "orthogonalize")


def no_tokens(config: Config, model: str, tokens: RefusalTokensRecord) -> str:
    """Why nothing says what a refusal of a model begins with."""
    asked = tokens["refusals"] + tokens["compliances"]
    said = f"{model} refused {tokens['refusals']} of {asked} requests"
    if tokens["refusals"] == 0:
        return f"{said}, so there is no refusal to find a direction for"
    if tokens["refusals"] < config.selection.min_refusals:
        return f"{said}, fewer than the {config.selection.min_refusals} that are needed to learn how its refusals begin"
    return f"{said}, but its refusals begin with no token that its other answers do not begin with as well"


def absences(
    config: Config, subject: Subject, tokens: RefusalTokensRecord, selected: Selected, screen: pd.DataFrame, picks: pd.DataFrame
) -> dict[tuple[str, str], str]:
    """What a model lacks, by (model, family of variants or table), and why.

    Args:
        screen: the model's screen.
        picks: the model's candidates on the select split, with reasons.
    """
    model, found = subject.id, selected[subject.contrasts[0]]
    absent: dict[tuple[str, str], str] = {}
    if found["outcome"] == "no refusal tokens":
        why = no_tokens(config, model, tokens)
        absent |= dict.fromkeys(((model, name) for name in ("grid", *INTERVENTIONS, *map(nearest_of, INTERVENTIONS))), why)
    elif found["outcome"] == "empty grid":
        absent |= dict.fromkeys(((model, name) for name in ("grid", *INTERVENTIONS)), f"no candidate of {model} could be scored")
    elif found["outcome"] == "nearest":
        place = f"position {found['position']}, layer {found['layer']}"
        why = f"no direction of {model} passes the published rule; what the nearest one ({place}) does is tested as ours"
        absent |= dict.fromkeys(((model, name) for name in INTERVENTIONS), why)
    names = {name for name in (family.name for family in families(config, subject) if not family.control)}
    for name in names:
        if found["outcome"] == "no refusal tokens":
            absent[model, name] = no_tokens(config, model, tokens) + ", and no edit could be screened by its refusals"
        elif sentence := no_pick(model, name, screen, picks):
            absent[model, name] = sentence
    return absent


def no_pick(model: str, family: str, screen: pd.DataFrame, picks: pd.DataFrame) -> str:
    """Why a search ended without a pick; empty where it has one."""
    generated = picks[picks["family"] == family]
    if len(generated) and generated["picked"].any():
        return ""
    if len(generated):
        return f"no pick: on the select split {model} under {family} " + "; or ".join(
            f"(layer {row['layer']}, strength {row['strength']:g}) {row['reason']}" for row in generated.to_dict("records")
        )
    tried = screen[screen["family"] == family]
    counts: Mapping[str, int] = tried["reason"].value_counts().to_dict() if len(tried) else {}
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"no candidate: of {len(tried)} edits of {family} tried on the select split of {model}, {reasons or 'none was read'}"


def nearest_of(form: str) -> str:
    """Family of an intervention along the direction that comes nearest to the published rule."""
    return f"{NEAREST} {form}"
