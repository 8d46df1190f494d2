"""What finished searches of ROSI have found in a model."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.costs.stage_work import Outcome
from anatomy.errors import StoreError
from anatomy.stages.selected_direction import USABLE
from anatomy.store.files import read_json


def searched(config: Config, subject: Subject) -> Outcome | None:
    """Whether there is a refusal direction, and whether any edit is worth generating with.

    Returns:
        None before the searches have run, or where their files are not sound.
    """
    at = Layout(config.results)
    selected = Path(at.stage("localize", subject.id, "selected.json"))
    shortlist = Path(at.stage("screen", subject.id, "shortlist.json"))
    if not (selected.exists() and shortlist.exists()):
        return None
    try:
        direction = read_json(selected)[subject.contrasts[0]]["outcome"] in USABLE
        return Outcome(direction, any(read_json(shortlist).values()))
    except (StoreError, KeyError, TypeError, AttributeError):
        return None
