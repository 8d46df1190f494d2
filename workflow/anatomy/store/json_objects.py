"""JSON where it comes in: objects whose fields are not ours to name, and a checked reading of those whose fields are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from anatomy.errors import AnatomyError, StoreError

JsonObject = dict[str, Any]
"""A JSON object whose fields somebody else decides: a configuration before it is checked, a model's config.json, a row of a
published file, what a digest is taken of."""

Fields = TypeVar("Fields", bound=Mapping[str, object])


def checked_fields(
    kind: Callable[..., Fields], values: object, what: str, where: str, error: type[AnatomyError] = StoreError
) -> Fields:
    """A JSON object as the ``TypedDict`` that says which fields it has.

    Args:
        kind: the type, called as what builds one. Its module may not defer annotations (``from __future__``) where a field is
            ``NotRequired``: Python then takes every field as required.
        values: as read from a file.
        what: what the file is, in words.
        where: the file.

    Raises:
        AnatomyError: of the class ``error``; a field is missing or unknown, or the file holds no object.
    """
    required, optional = kind.__required_keys__, kind.__optional_keys__  # type: ignore[attr-defined]
    found = set(values) if isinstance(values, Mapping) else set()
    wrong = [f"no {name}" for name in sorted(required - found)]
    wrong += [f"an unknown field {name}" for name in sorted(found - required - optional)]
    if wrong or not isinstance(values, Mapping):
        raise error(
            found=f"{what} with {', '.join(wrong)}" if wrong else f"a {type(values).__name__}",
            expected=f"the fields {', '.join(kind.__annotations__)}",
            where=where,
            remedy="run the stage that writes it again: delete the file, then give the same command again",
        )
    read: Any = values
    return read


def checked_list(
    kind: Callable[..., Fields], values: object, what: str, where: str, error: type[AnatomyError] = StoreError
) -> list[Fields]:
    """A JSON array of objects of one kind; arguments and errors as ``checked_fields``, and an error where it is no array."""
    if not isinstance(values, list):
        raise error(
            found=f"a {type(values).__name__}",
            expected=f"a list, and in it {what} an entry",
            where=where,
            remedy="run the stage that writes it again: delete the file, then give the same command again",
        )
    return [checked_fields(kind, value, what, where, error) for value in values]
