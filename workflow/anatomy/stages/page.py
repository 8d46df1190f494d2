"""The report of a run: one HTML file with a part for each paper and one ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.report.content import Section
from anatomy.evidence.report.page import build_report
from anatomy.stages.manifest import manifest
from anatomy.stages.paper_report import Files, paper_report

TRAININGS = "organism/*/logs/*.tsv"

PINS: tuple[str, ...] = ("vl-convert-python",)
NOT_PINNED = {
    "altair": "figures are read, not drawn",
    "torch": "its version is printed",
    "transformers": "its version is printed",
}


@dataclass(frozen=True)
class Part:
    """What a paper brings to the page.

    Attributes:
        name, paper: its short name, and how it is cited.
        summary: one paragraph.
        report: its report module.
        files: its evidence, by name.
        figures: folder of its figures.
        measured: patterns of Snakemake's measurements of its jobs, below results.
    """

    name: str
    paper: str
    summary: str
    report: str
    files: Files
    figures: Path
    measured: Sequence[str]


def write_page(config: Config, parts: Sequence[Part], ledger: pd.DataFrame, cards: Sequence[Path], out: Path) -> None:
    """Write the page."""
    patterns = dict.fromkeys([*(pattern for part in parts for pattern in part.measured), TRAININGS])
    benchmarks = list(dict.fromkeys(path for pattern in patterns for path in Path(config.results).glob(pattern)))
    build_report(
        title=config.report.title,
        summary=" ".join(part.summary for part in parts) if len(parts) == 1 else "",
        ledger=ledger,
        sections=[section for part in parts for section in sections_of(config, part, alone=len(parts) == 1)],
        manifest=manifest(config, list(cards), benchmarks),
        out_path=out,
    )


def sections_of(config: Config, part: Part, *, alone: bool) -> list[Section]:
    """A paper's sections; beside others their anchors begin with its name, and the first one is headed by the paper."""
    report = paper_report(part.report)
    found = report.sections(config, report.read_evidence(config, part.files), part.figures)
    if alone:
        return found
    named = [replace(section, id=f"{part.name}-{section.id}") for section in found]
    opening = [section for section in named if section.first]
    rest = [section for section in named if not section.first]
    return opening + ([replace(rest[0], part=part.paper, summary=part.summary), *rest[1:]] if rest else [])
