"""The journal: one line for each model or engine start and each shard, so that what a run cost can be counted."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.store.files import explained


def record(root: Path, event: str, **facts: Any) -> None:
    """Append one line; a line is written in one call, so that lines of parallel jobs never mix.

    Args:
        root: the store's folder.
        event: ``start`` (a model load or an engine start), ``rows`` (a shard kept) or ``fallback`` (something served in another
            way than asked).
        facts: stage, cell, rows, seconds and whatever else explains the event.
    """
    path = root / "journal.jsonl"
    line = (
        json.dumps({"time": round(time.time(), 3), "event": event, "pid": os.getpid(), "host": socket.gethostname(), **facts})
        + "\n"
    )
    with explained(path):
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def read_journal(root: Path) -> pd.DataFrame:
    """All events; a last line cut by a kill is left out."""
    path = root / "journal.jsonl"
    events = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
    return pd.DataFrame(
        events,
        columns=[
            "time",
            "event",
            "stage",
            "cell",
            "rows",
            "tokens",
            "seconds",
            "pid",
            "host",
            "model",
            "asked",
            "served",
            "reason",
        ],
    )


def count(root: Path) -> dict[str, int]:
    """How often engines were started and how many rows were computed, over the life of the store."""
    events = read_journal(root)
    return {"starts": int((events["event"] == "start").sum()), "rows": int(events.loc[events["event"] == "rows", "rows"].sum())}
