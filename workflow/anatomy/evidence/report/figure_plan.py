"""What a figure is before it is drawn: cheap to list while rules are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CAPTIONS = Path(__file__).resolve().parents[3] / "report" / "captions"


@dataclass(frozen=True)
class FigurePlan:
    """One figure.

    Attributes:
        name: its file name.
        kind: how it is drawn, and name of its caption.
        section: where it stands on the page.
        title: above it.
        models: ids of the models it shows.
        family: method it shows, or what part of the evidence, where it shows one.
    """

    name: str
    kind: str
    section: str
    title: str
    models: tuple[str, ...]
    family: str = ""

    @property
    def caption(self) -> str:
        """The words below it, on the page and in Snakemake's own report: one file a kind."""
        file = CAPTIONS / f"{self.kind}.rst"
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
