"""The report of a run: one HTML file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.report.page import build_report
from anatomy.recipes.rosi.page import SUMMARY, sections
from anatomy.stages.evidence import read_evidence
from anatomy.stages.manifest import manifest

PINS: tuple[str, ...] = ("vl-convert-python",)
NOT_PINNED = {
    "altair": "figures are read, not drawn",
    "scipy": "it reads tables that other stages made",
    "torch": "its version is printed",
}


def write_page(
    config: Config, files: dict[str, list[Path]], figures: Path, ledger: pd.DataFrame, cards: list[Path], out: Path
) -> None:
    """Write the page."""
    evidence = read_evidence(config, files)
    results = Path(config.results)
    benchmarks = [*results.glob("*/*/*.tsv"), *results.glob("organism/*/logs/*.tsv")]
    build_report(
        title=config.report.title,
        summary=SUMMARY,
        ledger=ledger,
        sections=sections(config, evidence, figures),
        manifest=manifest(config, cards, benchmarks),
        out_path=out,
    )
