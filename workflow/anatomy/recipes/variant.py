"""A variant: a model with an ordered stack of edits, named before anything has run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from anatomy.interventions.edits.spec import Edit
from anatomy.store.digest import digest, named_digest

Role = Literal["base", "method", "control", "measure"]


@dataclass(frozen=True)
class Variant:
    """One variant of one model.

    Args:
        slug: readable half of the id.
        role: ``base`` (unedited), ``method``, ``control`` of a method, or ``measure`` (lowers safety, in memory only).
        edits: the stack, first edit first; empty for the base.
        sets: prompt sets it answers.
        benchmarked: whether it takes the benchmarks too.
        family: the search it belongs to, empty for the base.
        form: what the edit does.
        contrast: what its direction was extracted under.
        control: family of control directions, empty for methods.
        control_seed: which draw of that family.
    """

    slug: str
    role: Role
    edits: tuple[Edit, ...]
    sets: tuple[str, ...]
    benchmarked: bool = False
    family: str = ""
    form: str = ""
    contrast: str = ""
    control: str = ""
    control_seed: int = -1
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return "base" if self.role == "base" else named_digest(self.slug, list(self.edits))

    def bucket(self, buckets: int) -> int:
        """Which evaluation job serves it: a hash, so that adding a variant never moves another."""
        return int(digest(list(self.edits)), 16) % buckets


def resolve(edit: Edit, shortlist: dict[str, list[Edit]], selected: dict[str, Edit | None]) -> Edit | None:
    """Replace the place an edit takes in a search by what the search found there.

    Args:
        edit: concrete, or ``{"shortlist": family, "place": n}``, or ``{"pick": family}``.
        shortlist: family to its candidates, best first.
        selected: family to its pick; None where the search ended without one.

    Returns:
        The concrete edit, or None where the search found nothing for that place.
    """
    if "shortlist" in edit:
        places = shortlist[edit["shortlist"]]
        return places[edit["place"] - 1] if edit["place"] <= len(places) else None
    if "pick" in edit:
        return selected[edit["pick"]]
    return edit
