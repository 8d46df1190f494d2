"""Adapters of a search's picks: ``adapters.json``, which exports and pages read."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from anatomy.interventions.edits.spec import Intent, Sign
from anatomy.store.files import read_json
from anatomy.store.json_objects import checked_list

KeptAdapter = TypedDict(
    "KeptAdapter",
    {
        "model": str,
        "family": str,
        "layer": int,
        "strength": float,
        "sign": Sign,
        "intent": Intent,
        "matrices": int,
        "parameters": int,
        "relative norm": float,
        "survives bfloat16": float,
        "digest": str,
        "adapter": str,
    },
)
"""The pick of one family: what the edit is, how large (mean ||Delta||_F / ||W||_F), how much of it a cast to bfloat16 keeps, and
the folder it lies in, or "not kept"."""


def read_kept_adapters(path: Path) -> list[KeptAdapter]:
    """Every pick of a model.

    Raises:
        StoreError: no list of adapters, or a field of one is missing or unknown.
    """
    return checked_list(KeptAdapter, read_json(path), "an adapter", str(path))
