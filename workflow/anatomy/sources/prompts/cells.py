"""What a cell of a prompt file holds: text, a number or a flag that stands for text, or nothing."""

from __future__ import annotations

import unicodedata
from typing import Any

from anatomy.errors import DataError

LOST = ("nan", "<na>", "nat", "none", "null")
"""What programs write for a value that is missing, as text."""
SPREADSHEET_ERRORS = ("#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#N/A", "#NULL!", "#NUM!", "#SPILL!")
"""What a spreadsheet leaves of a cell that it took for a formula, such as a text that begins with = or -."""
NAMES = ("group", "pair")
"""Columns that tie rows to one another."""


def cell_text(value: Any, column: str, where: str) -> str | None:
    """A cell as text without blanks around it (which prompts and responses keep); None where it is missing or blank.

    Names of groups and pairs may be numbers, 0 among them: 3, 3.0 and "3" are one name, because programs write whole numbers
    as fractions as soon as a cell of their column is empty.

    Raises:
        DataError: a list or an object, text that UTF-8 cannot hold or that holds NUL; a number or an error of a spreadsheet
            where a prompt should be.
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, list | dict | tuple | bytes):
        raise _wrong(f"a {type(value).__name__} in {column}", "text" if column == "prompt" else "text or a number", where)
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(f"half of a surrogate pair in {column}", "text that UTF-8 can hold", where) from None
    if "\0" in text:
        raise _wrong(f"a NUL character in {column}", "text", where)
    if not visible(text) or (column in ("prompt", *NAMES) and text.strip().casefold() in LOST):
        return None
    if column == "prompt":
        _check_prompt(text.strip(), where)
    if column in ("prompt", "response"):
        return text
    return _name(text.strip()) if column in NAMES else text.strip()


def visible(text: str) -> bool:
    """Whether a text has anything but blanks, control characters and characters without a width."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def _check_prompt(text: str, where: str) -> None:
    if text in SPREADSHEET_ERRORS:
        raise DataError(
            found=f"{text}, which a spreadsheet leaves of a text that it took for a formula",
            expected="a prompt",
            where=where,
            remedy="type the prompt again with an apostrophe before it, and save anew",
        )
    if text.lower() in ("true", "false") or _is_number(text):
        raise _wrong(f"{text!r} as a prompt", "text", where)


def _name(text: str) -> str:
    return (
        str(int(float(text)))
        if text.endswith(".0") and text[:-2].lstrip("-").isascii() and text[:-2].lstrip("-").isdigit()
        else text
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong(found: str, expected: str, where: str) -> DataError:
    return DataError(found=found, expected=expected, where=where, remedy="mend or remove that row")
