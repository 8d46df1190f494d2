"""Edits as a notebook spells them out: one, or a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from anatomy.errors import EditError
from anatomy.interventions.edits.spec import Edit, check_spec


def spelled_out(edit: object) -> list[Edit]:
    """The edits as a stack.

    Raises:
        EditError: something that is no spec, or one that no method can mean.
    """
    stack = list(edit) if isinstance(edit, Sequence) else [edit]
    for one in stack:
        if not isinstance(one, Mapping):
            raise EditError(
                found=f"{one!r} of type {type(one).__name__}",
                expected="an edit that is spelled out, such as one of model.edits",
                where="edit",
                remedy="a name stands alone: edit='projection'",
            )
        check_spec(one)
    return [cast(Edit, {**cast(Mapping[str, object], one)}) for one in stack]


def not_allowed(model: str, stack: Sequence[Edit]) -> EditError:
    """What is said of edits that lower safety, of a model that is not the organism's."""
    return EditError(
        found="an edit that lowers safety, of a model that is not the organism's",
        expected="an edit to amplify",
        where=f"{model}: {list(stack)}",
        remedy="such edits are measured by the workflow, which keeps scores and no texts",
    )
