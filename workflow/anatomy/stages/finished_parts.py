"""Tables of those parts of a long job that it is through with, so that one that is killed does not compute them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anatomy.config.options import told
from anatomy.config.schema import Config
from anatomy.errors import StoreError
from anatomy.models.loading import LoadedModel
from anatomy.store.digest import digest
from anatomy.store.files import read_json, read_table, write_json, write_table
from anatomy.store.fingerprint import fingerprint

PINS: tuple[str, ...] = ("torch",)
NOT_PINNED = {"transformers": "imported with what a loaded model is; each job says by what its parts are computed"}


@dataclass(frozen=True)
class FinishedParts:
    """One folder of them, which the job removes at its end. Tables have verdicts and numbers, never a text.

    Attributes:
        folder: None keeps nothing.
        key: what decides the tables besides the part (``computed``).
    """

    folder: Path | None
    key: str

    def through(self, name: str, made_of: Any, compute: Callable[[], Mapping[str, pd.DataFrame]]) -> Mapping[str, pd.DataFrame]:
        """Tables of a part: those that were kept, or else computed now and kept.

        Args:
            name: of the part, any text.
            made_of: what decides the part's tables besides ``key``: anything that JSON can say.
        """
        wanted = digest([self.key, name, made_of])
        found: Mapping[str, pd.DataFrame] | None = self._kept(name, wanted)
        if found is None:
            found = compute()
            self._keep(name, wanted, found)
        return found

    def _kept(self, name: str, wanted: str) -> dict[str, pd.DataFrame] | None:
        """None where the part was not finished, was made of something else, or is damaged."""
        if self.folder is None or not self._said(self.folder, name).exists():
            return None
        try:
            said = read_json(self._said(self.folder, name))
            if said["made_of"] != wanted:
                return None
            return {table: read_table(self._table(self.folder, name, table)) for table in said["tables"]}
        except (StoreError, FileNotFoundError):
            return None

    def _keep(self, name: str, made_of: str, tables: Mapping[str, pd.DataFrame]) -> None:
        """The file that says what is kept comes last."""
        if self.folder is None:
            return
        self._said(self.folder, name).unlink(missing_ok=True)
        for table, rows in tables.items():
            write_table(self._table(self.folder, name, table), rows)
        write_json(self._said(self.folder, name), {"made_of": made_of, "tables": list(tables)})

    @staticmethod
    def _said(folder: Path, name: str) -> Path:
        return folder / f"{digest(name)}.json"  # names may be what prompts are called, which may be no name for a file

    @staticmethod
    def _table(folder: Path, name: str, table: str) -> Path:
        return folder / f"{digest(name)}.{table}.parquet"


def computed(config: Config, loaded: LoadedModel, module: str, pins: Sequence[str]) -> str:
    """What decides every part of a job: the code that a module reaches, options, the model, and how it computes here."""
    how = [str(loaded.model.dtype), loaded.device.type, torch.get_num_threads()]
    return digest([fingerprint([module], pins), loaded.digest, how, told(config)])
