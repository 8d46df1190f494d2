"""What stands for an edit before the search or the maker behind it has run."""

from typing import Literal, TypedDict, TypeGuard, final

from anatomy.interventions.edits.spec import ControlReference, Edit, HookMethod, HookSpec, LowRankSpec, SavedSpec


@final
class ShortlistReference(TypedDict):
    """The edit at a place, from 1, of the shortlist that a search will end with."""

    shortlist: str
    place: int


@final
class PickReference(TypedDict):
    """The edit that a search will pick."""

    pick: str


@final
class MadeReference(TypedDict):
    """The edit that a maker will make and save."""

    made: str


class SelectedDirectionReference(TypedDict):
    """The direction that the selection will choose under a contrast, or a control's in its place."""

    contrast: str
    selected: Literal[True]
    control: ControlReference | None


@final
class SelectedReference(TypedDict):
    """An edit along the direction that the selection will choose."""

    method: Literal["orthogonalize"] | HookMethod
    direction: SelectedDirectionReference


EditReference = ShortlistReference | PickReference | MadeReference | SelectedReference
"""An edit by the place it takes in a search, or by the name of what makes it, before anything has run."""

AskedEdit = LowRankSpec | HookSpec | SavedSpec | ShortlistReference | PickReference | MadeReference | SelectedReference
"""An ``Edit`` or an ``EditReference``, written out so that the type checker tells them apart by their keys."""


def is_concrete(spec: AskedEdit) -> TypeGuard[Edit]:
    """Whether an edit can be built as it is: a reference has no method, or a direction that is not selected yet."""
    return "method" in spec and not along_selected(spec)


def along_selected(spec: AskedEdit) -> TypeGuard[SelectedReference]:
    """Whether an edit waits for the direction that the selection will choose."""
    return "direction" in spec and "selected" in spec["direction"]
