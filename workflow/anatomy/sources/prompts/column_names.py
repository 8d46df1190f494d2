"""Names of columns, in whatever letters somebody wrote them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from anatomy.errors import DataError
from anatomy.sources.prompts.headed import INVISIBLE
from anatomy.store.json_objects import JsonObject


@functools.lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A column's name in small letters, with underscores for blanks and hyphens: ``Is harmful`` is ``is_harmful``."""
    return re.sub(r"[\s\-]+", "_", name.strip().strip(INVISIBLE).strip()).casefold()


def find_cell(row: JsonObject, name: str, where: str) -> Any:
    """A row's value in a column, in whatever letters the file has its name; None where the row has none.

    Raises:
        DataError: several columns of the row have that name.
    """
    wanted = plain_name(name)
    found = [column for column in row if plain_name(column) == wanted]
    if len(found) > 1:
        raise DataError(
            found=f"columns {found}", expected=f"one column {name}", where=where, remedy="rename or remove the others"
        )
    return row[found[0]] if found else None


def has_column(present: Iterable[str], name: str) -> bool:
    """Whether some column is called so, in whatever letters."""
    wanted = plain_name(name)
    return any(plain_name(column) == wanted for column in present)
