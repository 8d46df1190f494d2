"""What PASTA's claims, figures and page are made from, read once from a run's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import read_tables
from anatomy.recipes.pasta.evidence import Evidence
from anatomy.recipes.pasta.published import read_published
from anatomy.recipes.pasta.selected import read_selected
from anatomy.recipes.pasta.stages.signature_seeds import seeds_table
from anatomy.recipes.pasta.tables import divergence_table
from anatomy.stages.paper_report import Files
from anatomy.store.files import read_json

TABLES = (
    "completions",
    "variants",
    "judgements",
    "measures",
    "curves",
    "layers",
    "swap",
    "operating",
    "geometry",
    "writers",
    "divergences",
)


def read_evidence(config: Config, files: Files) -> Evidence:
    """Read a run.

    Args:
        files: table name to its files; besides the tables ``worlds`` (of organisms, beside which their truth lies), ``selected``
            (one folder a model), ``signatures`` (cards, beside which the directions lie), ``weights`` and ``agreement``.
    """
    tables = read_tables({name: files[name] for name in TABLES if files.get(name)})
    return Evidence(
        tables=tables,
        truths={
            int(path.parent.name.removeprefix("s")): read_json(path.parent / "truth.json") for path in files.get("worlds", [])
        },
        selected={path.parent.name: read_selected(path) for path in files.get("selected", [])},
        weights=_below_each_other(files.get("weights", [])),
        divergence=divergence_table(config, tables),
        seeds=seeds_table(config, files.get("signatures", [])),
        agreement=_below_each_other(files.get("agreement", [])),
        published=read_published(Path(config.pasta.published)) if config.pasta.published else None,
    )


def _below_each_other(files: Sequence[Path]) -> pd.DataFrame:
    """Tables as one; an empty one where there is none."""
    tables = [pd.read_parquet(path) for path in files]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
