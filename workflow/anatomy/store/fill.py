"""From wanted rows to one table: subtract what the store has, compute the rest, assemble.

This is the one place where the two halves of the contract meet: Snakemake decided that the job runs, the store decides
what is left to compute.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

from anatomy.errors import StoreError
from anatomy.store.cell import Cell
from anatomy.store.journal import record
from anatomy.store.lease import lease

Session = TypeVar("Session")


@dataclass(frozen=True)
class Want:
    """Rows wanted of one cell.

    Args:
        cell: where they belong.
        rows: what a computed row is made from and what describes it, with its ``item`` digest. Only what shapes the
            result goes into the digest, so a renamed id or a prompt that two sets share costs nothing.
        labels: columns that name the rows in this job's table (variant, phase); they are no part of the cell, so the same
            cell can serve two names.
    """

    cell: Cell
    rows: pd.DataFrame
    labels: Mapping[str, object]

    def missing(self, say: Callable[[str], None] = print) -> pd.DataFrame:
        """One row for each item that the store does not have; `say` receives a line for each damaged shard."""
        return self.rows[~self.rows["item"].isin(set(self.cell.read(say)["item"]))].drop_duplicates("item")


class Lazy(Generic[Session]):
    """A session (a loaded model, an engine) that is opened when it is first needed, once, and closed at the end."""

    def __init__(self, open_session: Callable[[], contextlib.AbstractContextManager[Session]], root: Path, stage: str):
        self._open, self._root, self._stage = open_session, root, stage
        self._stack = contextlib.ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> Lazy[Session]:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def get(self) -> Session:
        if self._session is None:
            started = time.perf_counter()
            self._session = self._stack.enter_context(self._open())
            record(self._root, "start", stage=self._stage, seconds=round(time.perf_counter() - started, 3))
        return self._session


def fill(
    wants: list[Want],
    session: Lazy[Session],
    compute: Callable[[Session, list[Want]], Iterable[tuple[Want, pd.DataFrame]]],
    say: Callable[[str], None] = print,
) -> int:
    """Compute what is missing, keeping each shard as soon as it is there.

    Two wants of the same cell are computed once. Leases are held from the subtraction to the last shard.

    Args:
        wants: the rows this job must be able to assemble.
        session: opened only if a row is missing.
        compute: yields ``(want, rows)`` shards; gets wants cut down to their missing rows.

    Returns:
        The number of rows computed.
    """
    cells: dict[str, Want] = {}
    for want in wants:
        known = cells.get(want.cell.name)
        rows = want.rows if known is None else pd.concat([known.rows, want.rows]).drop_duplicates("item")
        cells[want.cell.name] = Want(want.cell, rows, {})
    computed = 0
    with lease([want.cell.folder for want in cells.values()], say):
        open_wants = []
        for want in cells.values():
            missing = want.missing(say)
            if len(missing):
                open_wants.append(Want(want.cell, missing, {}))
        if not open_wants:
            return 0
        for want, rows in compute(session.get(), open_wants):
            want.cell.append(rows)
            tokens = int(rows["n_tokens"].sum()) if "n_tokens" in rows else 0
            record(want.cell.root, "rows", stage=want.cell.stage, cell=want.cell.name, rows=len(rows), tokens=tokens)
            computed += len(rows)
    return computed


def assemble(wants: list[Want], sort: list[str]) -> pd.DataFrame:
    """Every wanted row exactly once, sorted: what describes it, what was computed, and the job's labels.

    Raises:
        StoreError: a wanted row is not in the store, or two wants claim the same row under the same labels.
    """
    tables = []
    for want in wants:
        rows = want.rows.merge(want.cell.read(), on="item", how="inner", validate="many_to_one")
        if len(rows) != len(want.rows):
            raise StoreError(
                found=f"{len(rows)} of {len(want.rows)} wanted rows",
                expected="every wanted row",
                where=f"{want.cell.stage}/{want.cell.name} ({want.labels})",
                remedy="run again; if this stays, a computation returned fewer rows than it was asked for",
            )
        tables.append(rows.assign(**want.labels))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({column: [] for column in [*sort, "item"]})
    if table.duplicated(sort).any():
        first = table[table.duplicated(sort)].iloc[0][sort].to_dict()
        raise StoreError(
            found=f"row {first} twice",
            expected="every row once",
            where="assembly",
            remedy="two variants or sets share a name; rename one",
        )
    return table.sort_values(sort, ignore_index=True).drop(columns="item")


def cells_of(wants: Iterable[Want]) -> Iterator[str]:
    """The cells a table was assembled from, as ``stage/cell``: what garbage collection must keep."""
    return iter(sorted({f"{want.cell.stage}/{want.cell.name}" for want in wants}))
