"""The page of PASTA: one HTML file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.report.page import build_report
from anatomy.recipes.pasta.page import SUMMARY, TITLE, sections
from anatomy.stages.manifest import manifest
from anatomy.stages.pasta_evidence import read_evidence

PINS: tuple[str, ...] = ("torch", "vl-convert-python")
NOT_PINNED = {
    "scipy": "it reads tables that other stages made",
    "transformers": "imported with the reader of directions; no model is opened",
}

TIMED = ("generate/*/pasta.*.tsv", "extract/*/signature.tsv", "judge/*/pasta.*.tsv", "organism/*/logs/*.tsv")
"""Snakemake's measurements of this recipe's jobs."""


def write_page(
    config: Config, files: dict[str, list[Path]], figures: Path, ledger: pd.DataFrame, cards: list[Path], out: Path
) -> None:
    """Write the page."""
    evidence = read_evidence(config, files)
    benchmarks = [path for pattern in TIMED for path in Path(config.results).glob(pattern)]
    build_report(
        title=TITLE,
        summary=SUMMARY,
        ledger=ledger,
        sections=sections(config, evidence, figures),
        manifest=manifest(config, cards, benchmarks),
        out_path=out,
    )
