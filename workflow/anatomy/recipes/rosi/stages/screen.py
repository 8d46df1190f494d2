"""Screen a recipe's edits on the select split by a cheap measure: the refusal metric at the first answer token.

Every candidate of every family is applied in memory and read by one forward pass over the prompts; only the shortlist is
generated with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.apply import applied_factors
from anatomy.interventions.edits.spec import LOW_RANK_METHODS, Edit
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name
from anatomy.progress.counting import Progress
from anatomy.recipes.rosi.families import Family, candidates, families, layers
from anatomy.recipes.rosi.limits import intervals_of, undecided
from anatomy.recipes.rosi.rules import rank_candidates
from anatomy.recipes.rosi.stages.first_token import Read, Reader
from anatomy.stages.in_memory import edited
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.store.digest import digest

COLUMNS = [
    "model",
    "family",
    "form",
    "contrast",
    "control",
    "control_seed",
    "position",
    "layer",
    "strength",
    "sign",
    "harmful_metric",
    "harmful_refused",
    "harmful_rise",
    "benign_refused",
    "benign_rise",
    "benign_rise_low",
    "benign_rise_high",
    "benign_kl",
    "place",
    "reason",
]


def _under(loaded: LoadedModel, model_edits: ModelEdits, edit: Edit) -> AbstractContextManager[object]:
    """The model under a candidate; of low-rank ones the factors alone, since nobody reads the cards of hundreds."""
    if edit["method"] in LOW_RANK_METHODS:
        return applied_factors(loaded, model_edits.factors(edit))
    return edited(loaded, model_edits, [edit])


def screen_model(
    config: Config,
    subject: Subject,
    model: ModelCard,
    extracted: Path,
    tokens: RefusalTokensRecord,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, dict[str, list[Edit]]]:
    """Open a model and ``screen`` it.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
    """
    loaded = load_model(Path(model["folder"]), getattr(torch, model["dtype"]), device_name())
    return screen(config, subject, loaded, ModelEdits(model, extracted), tokens, say)


def screen(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    model_edits: ModelEdits,
    tokens: RefusalTokensRecord,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, dict[str, list[Edit]]]:
    """Screen every family of a model: methods first, then the controls of those that have a candidate.

    Without refusal tokens nothing can be ranked: the table is empty and so is every shortlist. Controls of a method without any
    candidate have nothing to be compared with, and are not read.

    Returns:
        The screen table, and family to its shortlisted edits, best first.
    """
    found = families(config, subject)
    shortlist: dict[str, list[Edit]] = {family.name: [] for family in found}
    if not tokens["tokens"]:
        return pd.DataFrame(columns=COLUMNS), shortlist
    reader = Reader(config, subject, loaded, tokens)
    base = reader.read()
    say(f"{subject.id}: {undecided(len(base.benign), config.rosi.max_benign_rise, config.statistics)}")
    tried = layers(config.rosi, loaded.num_layers, config.selection.layer_share)
    spaces = {family.name: candidates(family, config.rosi, tried) for family in found}
    read: dict[str, Read] = {}
    ranked = []
    with Progress(f"screen {subject.id}", len(_distinct(spaces.values())), whole=True) as progress:
        for family in found:
            if family.control and not shortlist[family.method]:
                continue
            space = spaces[family.name]
            for name, edit in _distinct([space]).items():
                if name not in read:
                    with _under(loaded, model_edits, edit):
                        read[name] = reader.read()
                    progress.advance()
            table = _family_rows(subject, family, space, [read[digest(edit)] for edit in space], base)
            intervals = intervals_of(
                np.stack([read[digest(edit)].benign - base.benign for edit in space]), reader.groups["benign"], config.statistics
            )
            table = table.assign(benign_rise_low=[i.low for i in intervals], benign_rise_high=[i.high for i in intervals])
            table = rank_candidates(table, config.rosi.max_benign_rise, config.rosi.shortlist)
            places = {place: space[row] for row, place in enumerate(table["place"]) if place > 0}
            shortlist[family.name] = [places[place] for place in sorted(places)]
            ranked.append(table)
    say(progress.line())
    for family in found:
        if not family.control and not shortlist[family.name]:
            say(f"{subject.id}: no edit of {family.name} is within the limits, and its controls are not searched")
    return pd.concat([_unedited_row(subject, base), *ranked], ignore_index=True)[COLUMNS], shortlist


def _distinct(spaces: Iterable[list[Edit]]) -> dict[str, Edit]:
    """Edits by digest: families share candidates."""
    return {digest(edit): edit for space in spaces for edit in space}


def _numbers(read: Read, base: Read) -> dict[str, float]:
    return {
        "harmful_metric": read.harmful_metric,
        "harmful_refused": float(read.harmful.mean()),
        "harmful_rise": float((read.harmful - base.harmful).mean()),
        "benign_refused": float(read.benign.mean()),
        "benign_rise": float((read.benign - base.benign).mean()),
        "benign_kl": read.benign_kl,
    }


def _family_rows(subject: Subject, family: Family, space: list[Edit], read: list[Read], base: Read) -> pd.DataFrame:
    """One row a candidate of a family."""
    return pd.DataFrame(
        [
            {
                "model": subject.id,
                "family": family.name,
                "form": family.method,
                "contrast": family.contrast,
                "control": family.control,
                "control_seed": family.control_seed,
                "position": edit["direction"]["position"],
                "layer": edit["direction"]["layer"],
                "strength": edit["strength"],
                "sign": edit["sign"],
                **_numbers(one, base),
            }
            for edit, one in zip(space, read, strict=True)
        ]
    )


def _unedited_row(subject: Subject, base: Read) -> pd.DataFrame:
    nothing = {"contrast": "", "control": "", "control_seed": -1, "position": -1, "layer": -1, "strength": 0.0, "sign": 0}
    bounds = {"benign_rise_low": 0.0, "benign_rise_high": 0.0, "place": 0, "reason": "unedited"}
    return pd.DataFrame([{"model": subject.id, "family": "base", "form": "base", **nothing, **_numbers(base, base), **bounds}])
