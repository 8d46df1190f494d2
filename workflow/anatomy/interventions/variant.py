"""A variant: a model with an ordered stack of edits, named before anything has run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anatomy.errors import EditError
from anatomy.interventions.edits.reference import AskedEdit, is_concrete
from anatomy.interventions.edits.spec import Edit
from anatomy.store.digest import canonical_json, digest, named_digest

Role = Literal["base", "method", "control", "measure"]

BASE = "base"
"""Id and slug of the unedited model, spoken to as always."""


@dataclass(frozen=True)
class Variant:
    """One variant of one model.

    Args:
        slug: readable half of the id.
        role: ``base`` (unedited), ``method``, ``control`` of a method, or ``measure`` (lowers safety, in memory only).
        edits: the stack, first edit first, concrete or by reference; empty for the base.
        sets: prompt sets it answers.
        benchmarked: whether it takes the benchmarks too.
        family: the search it belongs to, empty for the base.
        form: what the edit does.
        contrast: what its direction was extracted under.
        control: family of control directions, empty for methods.
        control_seed: which draw of that family.
        manner: how it is spoken to, where that is not as its model is otherwise; part of what the variant is.
    """

    slug: str
    role: Role
    edits: tuple[AskedEdit, ...]
    sets: tuple[str, ...]
    benchmarked: bool = False
    family: str = ""
    form: str = ""
    contrast: str = ""
    control: str = ""
    control_seed: int = -1
    manner: str = ""

    @property
    def spec(self) -> Any:
        """What makes it this variant, as plain JSON: its edits, and the manner it is spoken to in where that is another."""
        return {"edits": list(self.edits), "manner": self.manner} if self.manner else list(self.edits)

    @property
    def id(self) -> str:
        """``slug~8hex``: a name and the digest of the spec. Tables have the slug in a column of its own: no id is taken apart."""
        return BASE if self.role == "base" else named_digest(self.slug, self.spec)

    def bucket(self, buckets: int) -> int:
        """Which evaluation job serves it: a hash, so that adding a variant never moves another."""
        return int(digest(self.spec), 16) % buckets


Found = Mapping[str, list[Edit] | Edit | None]
"""What searches and makers of edits ended with, by name: a shortlist of edits, one edit, or None where nothing was found."""


def resolve(edit: AskedEdit, found: Found) -> Edit | None:
    """Replace the name that an edit goes by before anything has run by the edit itself.

    Args:
        edit: concrete, or ``{"shortlist": search, "place": n}`` (places from 1), ``{"pick": search}``, ``{"made": name}``.
        found: what the searches and makers found.

    Returns:
        The concrete edit, or None where the search found nothing for that place.

    Raises:
        EditError: nothing of that name was looked for; one edit is there where a shortlist is asked for, or the reverse; or the
            edit is along a direction that is not selected yet.
    """
    if "shortlist" in edit:
        places = _looked_for("shortlist", edit["shortlist"], found)
        if not isinstance(places, list):
            raise _other("shortlist", edit["shortlist"], "one edit, or none")
        return places[edit["place"] - 1] if edit["place"] <= len(places) else None
    if "pick" in edit:
        return _one_edit("pick", edit["pick"], found)
    if "made" in edit:
        return _one_edit("made", edit["made"], found)
    if is_concrete(edit):
        return edit
    raise EditError(
        found=f"{canonical_json(edit)}, along a direction that the selection will choose",
        expected="a concrete edit, or its place among those that searches and makers left",
        where="the edits that searches and makers left",
        remedy="ask for it in the stage that reads what the selection ended with",
    )


def _one_edit(kind: str, name: str, found: Found) -> Edit | None:
    one = _looked_for(kind, name, found)
    if isinstance(one, list):
        raise _other(kind, name, "a shortlist")
    return one


def _looked_for(kind: str, name: str, found: Found) -> list[Edit] | Edit | None:
    if name not in found:
        raise EditError(
            found=f"no {kind} called {name!r}",
            expected=f"one of {', '.join(sorted(found)) or 'none at all'}",
            where="the edits that searches and makers left",
            remedy="let the paper name the file in its `found`",
        )
    return found[name]


def _other(kind: str, name: str, what: str) -> EditError:
    return EditError(
        found=f"{name!r} asked for as {kind}, and {what} by that name",
        expected="a shortlist for a place in it, one edit for a pick or what was made",
        where="the edits that searches and makers left",
        remedy="let the paper name the files of this phase in its `found`",
    )


def merged(parts: Iterable[Found]) -> Found:
    """What several files hold, as one.

    Raises:
        EditError: two of them give something by one name.
    """
    found: dict[str, list[Edit] | Edit | None] = {}
    for part in parts:
        if twice := sorted(set(part) & set(found)):
            raise EditError(
                found=f"two edits called {twice[0]!r}",
                expected="one of each name",
                where="the edits that searches and makers left",
                remedy="let a paper begin the names of its edits with its own",
            )
        found |= part
    return found
