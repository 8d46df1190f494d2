"""lm-eval's data, laid out as ``anatomy.serving.benchmarks`` reads them; files that a user put there are never touched."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

from anatomy.config.data import Data
from anatomy.errors import DataError
from anatomy.sources.registry.entry import Entry, File
from anatomy.sources.registry.fetch import check_bytes
from anatomy.sources.registry.location import files_here, local_path
from anatomy.store.files import write_aside

NAME = re.compile(r"[\w-]+")
"""Values that files are called by: a value of someone else's data must not lead out of the folder."""


def lay_out(data: Data, name: str, entry: Entry, folder: Path) -> list[Path]:
    """Write fetched files of a benchmark under ``folder``, a split that is there already excepted.

    Raises:
        DataError: a file is not the pinned one, has another number of rows, or lacks the column it is parted by.
    """
    written = []
    for file in entry.files:
        source = local_path(data, name, file)
        if files_here(entry, folder, file.split) or not source.is_file():
            continue
        check_bytes(source, file)
        place = folder / entry.layout.folder
        if entry.layout.by is not None:
            written += _parted(source, file, entry.layout.by, place)
            continue
        path = place / f"{file.split}{source.suffix}"
        write_aside(path, partial(shutil.copyfile, source))
        written.append(path)
    return written


def adopt(data: Data, entry: Entry, folder: Path) -> list[Path]:
    """Copy a mirror's own copy of a benchmark that lies in the layout of ``benchmarks.data``; its bytes cannot be checked."""
    if data.mirror is None or files_here(entry, folder):
        return []
    written = []
    for source in files_here(entry, Path(data.mirror)):
        path = folder / source.relative_to(data.mirror)
        write_aside(path, partial(shutil.copyfile, source))
        written.append(path)
    return written


def _parted(source: Path, file: File, column: str, place: Path) -> list[Path]:
    """One file a value of a column, ``<value>_<split>.parquet``."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    if file.rows is not None and len(table) != file.rows:
        raise DataError(found=f"{len(table)} rows", expected=f"{file.rows} rows, as the registry says", where=str(source))
    if column not in table.column_names:
        raise DataError(found=f"columns {table.column_names}", expected=f"also {column}", where=str(source))
    written = []
    for value in sorted(set(table[column].to_pylist()), key=str):
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise DataError(
                found=f"{column} {value!r}",
                expected="names of letters, digits, _ and -, which files are called by",
                where=str(source),
            )
        path = place / f"{value}_{file.split}.parquet"
        rows = table.filter(pc.equal(table[column], value))
        write_aside(path, partial(pq.write_table, rows))
        written.append(path)
    return written
