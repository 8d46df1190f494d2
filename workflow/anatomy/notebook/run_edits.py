"""Edits that a run left of a model: what its searches picked, and what its papers made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from anatomy.errors import EditError
from anatomy.interventions.edits.spec import Edit, SavedSpec, stack_intent
from anatomy.stages.make_edit import RECORD
from anatomy.store.files import read_json

CONTROL = "~"
"""What stands in the name of a control's family before the control."""


def run_edits(selected: Path) -> dict[str, Edit]:
    """Picks of searches by family, and masks, heads and adapters by name, controls among both.

    Args:
        selected: file of the searches' picks, which need not be there; what papers made lies beside it.
    """
    picked = cast("dict[str, Edit | None]", read_json(selected)) if selected.is_file() else {}
    found = {family: edit for family, edit in picked.items() if edit is not None}
    for folder in sorted(one for one in selected.parent.glob("*.*") if (one / RECORD).is_file()):
        file = folder.with_name(f"{folder.name}.json")
        made = cast("dict[str, SavedSpec]", read_json(file)) if file.is_file() else {}
        found |= {name: {**spec, "folder": str(folder)} for name, spec in made.items()}
    return found


def but_controls(edits: Mapping[str, Edit]) -> list[str]:
    """Names of those edits that are no controls."""
    return [name for name, edit in edits.items() if CONTROL not in name and stack_intent([edit]) != "control"]


def edit_named(edits: Mapping[str, Edit], name: str, selected: Path) -> Edit:
    """The edit of a name. Raises ``EditError`` where there is none, with the names of those that are no controls."""
    if name not in edits:
        own = but_controls(edits)
        raise EditError(
            found=f"edit {name!r}",
            expected=f"one of {', '.join(own)}" if own else "a search that ended with an edit",
            where=str(selected),
        )
    return edits[name]
