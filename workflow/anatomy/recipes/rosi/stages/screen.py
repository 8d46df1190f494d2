"""Screen a recipe's edits on the select split by a cheap measure: the refusal metric at the first answer token.

Candidates are applied in memory and asked for their first token alone: all of them on a few prompts, the best on all
(``anatomy.recipes.rosi.stages.halving``); only the shortlist is generated with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.apply import applied_factors
from anatomy.interventions.edits.spec import LOW_RANK_METHODS, LowRankSpec
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress
from anatomy.recipes.rosi.families import POSITION, Family, candidates, families, layers
from anatomy.recipes.rosi.limits import undecided
from anatomy.recipes.rosi.stages.first_token import Reader
from anatomy.recipes.rosi.stages.first_token_answers import NOTHING, Read
from anatomy.recipes.rosi.stages.halving import halve, rounds, standing_against
from anatomy.recipes.rosi.stages.screen_table import COLUMNS, dose, family_rows, listed, ranked, unedited_row
from anatomy.stages.in_memory import edited
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import RefusalTokensRecord
from anatomy.store.digest import digest


def _under(loaded: LoadedModel, model_edits: ModelEdits, edit: LowRankSpec) -> AbstractContextManager[object]:
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
) -> tuple[pd.DataFrame, dict[str, list[LowRankSpec]]]:
    """Open a model and ``screen`` it.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
    """
    loaded = opened(model)
    return screen(config, subject, loaded, ModelEdits(model, extracted), tokens, say)


def screen(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    model_edits: ModelEdits,
    tokens: RefusalTokensRecord,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, dict[str, list[LowRankSpec]]]:
    """Screen every family of a model: methods first, then the controls of those that have a candidate.

    Without refusal tokens nothing can be ranked: the table is empty and so is every shortlist. Controls of a method without any
    candidate have nothing to be compared with, and are not read.

    Returns:
        The screen table, and family to its shortlisted edits, best first.
    """
    found = families(config, subject)
    shortlist: dict[str, list[LowRankSpec]] = {family.name: [] for family in found}
    if not tokens["tokens"]:
        return pd.DataFrame(columns=COLUMNS), shortlist
    reader = Reader(config, subject, loaded, tokens)
    base = reader.read()
    say(f"{subject.id}: {undecided(len(base.benign), config.rosi.max_benign_rise, config.statistics)}")
    tried = layers(config.rosi, loaded.num_layers, config.selection.layer_share)
    spaces = {
        family.name: _named(
            candidates(family, config.rosi, _at_hand(model_edits, tried, family.contrast) if _foreign(subject, family) else tried)
        )
        for family in found
    }
    read: dict[str, Read] = {}
    edits = {name: edit for space in spaces.values() for name, edit in space.items()}

    def ask(name: str, share: float) -> Read:
        known = read.get(name, NOTHING)
        if len(known.benign) < round(share * reader.counts["benign"]):
            with _under(loaded, model_edits, edits[name]):
                read[name] = reader.read(share, known)
        return read[name]

    tables = []
    shares = rounds(max(reader.counts.values()), config.selection)
    with Progress(f"screen {subject.id}", len(found), whole=True) as progress:
        for family in found:
            if not family.control or shortlist[family.method]:
                space = spaces[family.name]
                halve(list(space), shares, ask, standing_against(base), 2 * config.rosi.shortlist)
                for name in dose(ranked(config, family_rows(subject, family, space, read, base), read, base, reader)):
                    ask(name, 1.0)
                table = ranked(config, family_rows(subject, family, space, read, base), read, base, reader)
                shortlist[family.name] = [space[name] for name in listed(table)]
                tables.append(table)
            progress.advance()
    say(progress.line())
    for family in found:
        if not family.control and not shortlist[family.name]:
            say(f"{subject.id}: no edit of {family.name} is within the limits, and its controls are not searched")
    return pd.concat([unedited_row(subject, base), *tables], ignore_index=True)[COLUMNS], shortlist


def _foreign(subject: Subject, family: Family) -> bool:
    return family.contrast in subject.foreign


def _at_hand(model_edits: ModelEdits, tried: list[int], contrast: str) -> list[int]:
    """Layers among those tried at which a foreign direction is there."""
    directions = model_edits.directions.candidates(contrast)
    return [layer for layer in tried if layer in directions.layers and directions.vector(POSITION, layer).any()]


def _named(space: Iterable[LowRankSpec]) -> dict[str, LowRankSpec]:
    """Edits by digest: families share candidates."""
    return {digest(edit): edit for edit in space}
