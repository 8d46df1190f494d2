"""Rows of a workbook as spreadsheets keep it: Excel's files, and OpenDocument's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anatomy.errors import DataError
from anatomy.sources.prompts.headed import Row, blank, headed_rows

KINDS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def workbook_rows(path: Path) -> tuple[list[Row], list[str]]:
    """Rows of the one visible sheet that has any, and what a reader should know of how they were read; a place is its row.

    Cells are what the program that saved the workbook computed for them. Whole numbers are read without a fraction: the formats
    know none. A cell that shows an error, or whose formula was never computed, is empty.

    Raises:
        DataError: no workbook, one behind a password, no sheet or several with rows; or as ``headed_rows``.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            names = [
                sheet.name
                for sheet in book.sheets_metadata
                if (sheet.typ, sheet.visible) == (SheetTypeEnum.WorkSheet, SheetVisibleEnum.Visible)
            ]
            sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    except PasswordError:
        raise _unreadable(path, "a workbook behind a password", "save it without one") from None
    except CalamineError as error:
        raise _unreadable(path, str(error), "open and save it again, or save the sheet as CSV UTF-8") from None
    filled = {name: rows for name, rows in sheets.items() if not all(blank(cell) for row in rows for cell in row)}
    if len(filled) > 1:
        raise DataError(
            found=f"{len(filled)} sheets with rows, {', '.join(map(repr, filled))}",
            expected="one",
            where=str(path),
            remedy="keep the sheet with the prompts in a workbook of its own, or save it as CSV UTF-8",
        )
    name, rows = next(iter(filled.items()), ("", []))
    records = ((f"row {number}", [_plain(cell) for cell in row]) for number, row in enumerate(rows, start=1))
    found, notes = headed_rows(records, path, "move what stands beside the table to another workbook")
    return found, [f"read from the sheet {name!r}"] * (len(sheets) > 1) + notes


def _plain(cell: Any) -> Any:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _unreadable(path: Path, found: str, remedy: str) -> DataError:
    return DataError(found=found, expected="a workbook of Excel or OpenDocument", where=f"{path}, the file", remedy=remedy)
