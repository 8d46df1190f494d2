"""Pairs as two files with a prompt a line: the harmful ones, then the harmless ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anatomy.errors import DataError
from anatomy.sources.prompts.formats import Row, read_file

KIND = ".txt"
SIDES = ("harmful", "harmless")
REMEDY = "give both files, the harmful prompts first: --pairs harmful.txt harmless.txt"


def rows_of(paths: Sequence[Path], notes: list[str]) -> tuple[list[Row], Path]:
    """The rows of one file, or of two lists of prompts with the side that each is; and the path that errors begin with.

    Args:
        notes: takes how files were read.

    Raises:
        DataError: one list alone, two files that are no lists, more files, or as ``read_file``.
    """
    kinds = [path.suffix.lower() for path in paths]
    if len(paths) == 1:
        file = read_file(paths[0])
        if kinds == [KIND]:
            raise DataError(
                found="one list of prompts",
                expected="two lists; or a table with columns harmful and harmless",
                where=str(paths[0]),
                remedy=REMEDY,
            )
        notes += file.notes
        return file.rows, paths[0]
    if kinds != [KIND, KIND]:
        raise DataError(
            found=", ".join(map(str, paths)),
            expected=f"one table, or two files that end in {KIND} with a prompt a line",
            where="--pairs",
            remedy=REMEDY,
        )
    rows: list[Row] = []
    for side, path in zip(SIDES, paths, strict=True):
        file = read_file(path)
        notes += [*(f"{path.name}: {note}" for note in file.notes), f"{path.name}: {len(file.rows)} {side} prompts"]
        rows += [(f"{path.name}, {place}", {**row, "label": side}) for place, row in file.rows]
    return rows, paths[0].parent
