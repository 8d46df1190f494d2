"""Prompts as a notebook gives them: one, or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from anatomy.errors import DataError


def listed(prompts: str | Iterable[object]) -> list[str]:
    """The prompts as a list; one string is one prompt, and not its letters.

    Raises:
        DataError: none, a whole table, or something that is no text.
    """
    columns = getattr(prompts, "columns", prompts if isinstance(prompts, Mapping) else None)
    if columns is not None:
        raise DataError(
            found=f"a table with columns {[str(name) for name in columns]}",
            expected="a text, or several",
            where="prompts",
            remedy="give one column of it, such as table['prompt']",
        )
    given = [prompts] if isinstance(prompts, str) else list(prompts)
    texts = [one for one in given if isinstance(one, str)]
    if not given or len(texts) < len(given):
        wrong = next((f"{one!r} of type {type(one).__name__}" for one in given if not isinstance(one, str)), "no prompts")
        raise DataError(found=wrong, expected="a text, or several", where="prompts")
    return texts
