"""What edits that were tried did to a model, kept one by one, so that a job that is killed does not try them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.errors import StoreError
from anatomy.store.digest import digest
from anatomy.store.files import read_json, read_table, write_json, write_table

PINS: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinishedEdits:
    """One folder. Tables have verdicts and numbers, never a text.

    Attributes:
        folder: left to the caller to remove.
        key: what decides the tables besides the edit, such as the model, the options and the prompts.
    """

    folder: Path
    key: str

    def of(self, name: str, edit: str) -> dict[str, pd.DataFrame] | None:
        """Tables of an edit; None where it was not through, where it is another one, or where what was kept is damaged.

        Args:
            edit: its digest.
        """
        said = self._said(name)
        if not said.exists():
            return None
        try:
            found = read_json(said)
            if found["made_of"] != self._made_of(name, edit):
                return None
            return {table: read_table(self._table(name, table)) for table in found["tables"]}
        except (StoreError, FileNotFoundError):
            return None

    def keep(self, name: str, edit: str, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write what an edit did. The file that says so comes last."""
        self._said(name).unlink(missing_ok=True)
        for table, rows in tables.items():
            write_table(self._table(name, table), rows)
        write_json(self._said(name), {"made_of": self._made_of(name, edit), "tables": list(tables)})

    def _said(self, name: str) -> Path:
        return self.folder / f"{digest(name)}.json"  # a kind of harm is called as its prompts call it

    def _table(self, name: str, table: str) -> Path:
        return self.folder / f"{digest(name)}.{table}.parquet"

    def _made_of(self, name: str, edit: str) -> str:
        return digest([self.key, name, edit])
