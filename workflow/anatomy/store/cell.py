"""A cell: all rows that share everything but the item.

    <root>/<stage>/<cell>/cell.json            what the cell's digest was taken of
    <root>/<stage>/<cell>/<content>.parquet    shards of rows, named by their own content
    <root>/<stage>/<cell>/<content>.damaged    a shard that no longer matched its name, set aside

A row carries its ``item`` digest. Shards are never changed; a cell only grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pandas as pd

from anatomy.errors import StoreError
from anatomy.store.digest import digest
from anatomy.store.files import explained, write_aside, write_json
from anatomy.store.json_objects import JsonObject

NAME_LENGTH = 24


@dataclass(frozen=True)
class Cell:
    """One cell of the store.

    Args:
        root: the store's folder.
        stage: the stage that computes the rows.
        key: everything that shapes a row except the item; plain JSON.
    """

    root: Path
    stage: str
    key: JsonObject

    @cached_property
    def name(self) -> str:
        return digest({"stage": self.stage, **self.key})

    @property
    def folder(self) -> Path:
        return self.root / self.stage / self.name

    def shards(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def append(self, rows: pd.DataFrame) -> Path:
        """Keep rows as one new shard.

        Raises:
            StoreError: rows lack ``item``, name an item twice, or the disk is unwritable.
        """
        if "item" not in rows or rows["item"].duplicated().any():
            raise StoreError(
                found="rows without an item digest, or two rows for one item",
                expected="a column 'item' with one row an item",
                where=f"{self.stage}/{self.name}",
            )
        if not (self.folder / "cell.json").exists():
            write_json(self.folder / "cell.json", {"stage": self.stage, "key": self.key})
        buffer = BytesIO()
        rows.to_parquet(buffer, index=False)
        content = buffer.getvalue()
        path = self.folder / f"{hashlib.sha256(content).hexdigest()[:NAME_LENGTH]}.parquet"
        write_aside(path, lambda aside: aside.write_bytes(content))
        return path

    def read(self, say: Callable[[str], None] = print) -> pd.DataFrame:
        """All rows, each item once; shards that do not match their name are set aside first.

        Two jobs may have computed the same item before the lease existed on both sides; the first shard by name wins.

        Args:
            say: receives a line for each damaged shard.
        """
        tables = []
        for path in self.shards():
            content = path.read_bytes()
            if not matches(path, content):
                say(f"damaged: {set_aside(path)} no longer is what its name says; its rows are computed again")
                continue
            tables.append(pd.read_parquet(BytesIO(content)))
        if not tables:
            return pd.DataFrame({"item": pd.Series(dtype=str)})
        return pd.concat(tables, ignore_index=True).drop_duplicates("item", ignore_index=True)


def matches(path: Path, content: bytes) -> bool:
    """Whether a shard still is what its name says."""
    return hashlib.sha256(content).hexdigest()[:NAME_LENGTH] == path.stem


def set_aside(path: Path) -> Path:
    """Move a damaged shard out of the way, where a person can look at it; its rows count as missing."""
    target = path.with_suffix(".damaged")
    with explained(path):
        path.rename(target)
    return target
