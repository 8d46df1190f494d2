"""Rows of a spreadsheet that was saved as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from anatomy.errors import DataError
from anatomy.sources.prompts.headed import Row, blank, headed_rows, shown

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
LOOKED_AT = 50
"""Records from which the separator is told."""
ANNOUNCED = re.compile(r'"?sep=(.)"?[,;\t|]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
"""Excel's own first line, which names the separator and which it does not show."""
QUOTES = "put quotation marks around cells that hold a separator or a line end, or save the table anew"


def delimited_rows(text: str, path: Path, preferred: str) -> tuple[list[Row], list[str]]:
    """Rows of a CSV or TSV file, and what a reader should know of how it was read.

    Rows in which every cell is empty and columns without a name are left out. A place is the row as a spreadsheet shows it,
    with the line of the file where that differs.

    Args:
        preferred: the separator that the file's name promises; another one is taken where only that one makes a table.

    Raises:
        DataError: malformed records, rows longer or shorter than the header, or repeated names.
    """
    announced = ANNOUNCED.match(text)
    separator = announced.group(1) if announced else _separator(text, preferred)
    lines_before = 1 if announced else 0
    text = text[announced.end() :] if announced else text
    with _cells_of_any_length(len(text)):
        records = list(_records(text, separator, path, lines_before))
    places = (f"line {number}" if number == line else f"row {number} (line {line} of the file)" for number, line, _ in records)
    found, more = headed_rows(zip(places, (fields for _, _, fields in records), strict=True), path, QUOTES)
    notes = [f"columns are separated by {SEPARATORS.get(separator, repr(separator))}"] if separator != preferred else []
    return found, notes + more


def _records(text: str, separator: str, path: Path, lines_before: int) -> Iterator[tuple[int, int, list[str]]]:
    """The records with the number of their row and of the line that they begin in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for number, fields in enumerate(reader, start=1):
            yield number, begins + lines_before, fields
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            found=f"{error}, in the record that begins here",
            expected="a well-formed CSV record",
            where=f"{path}, line {begins + lines_before}",
            remedy="a quotation mark inside a quoted cell is written twice; " + QUOTES,
        ) from None


@contextmanager
def _cells_of_any_length(length: int) -> Iterator[None]:
    """The csv module's limit of 131,072 letters a cell is one for the whole process, so it is put back."""
    before = csv.field_size_limit(max(length, 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _separator(text: str, preferred: str) -> str:
    """The separator under which the first records make a table of several columns; the preferred one wins."""
    order = [preferred, *(separator for separator in SEPARATORS if separator != preferred)]
    widths = {separator: _widths(text, separator) for separator in order}
    tables = [separator for separator in order if len(set(widths[separator])) == 1 and widths[separator][0] > 1]
    if tables:
        return tables[0]
    return max(order, key=lambda separator: (widths[separator][:1] > [1], separator == preferred, widths[separator][:1]))


def _widths(text: str, separator: str) -> list[int]:
    """Number of fields of each of the first records that hold something."""
    with _cells_of_any_length(len(text)):
        try:
            records = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), LOOKED_AT))
        except csv.Error:
            return []
    records = [[shown(cell) for cell in fields] for fields in records if not all(map(blank, fields))]
    header = len(records[0]) if records else 0
    # Cells beyond the header count only where they hold something: Excel writes empty ones.
    return [len(fields[:header]) + len([cell for cell in fields[header:] if cell]) for fields in records]
