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
        captions: folder of captions, one file a kind; kinds of a paper's own have theirs in the paper's folder.
    """

    name: str
    kind: str
    section: str
    title: str
    models: tuple[str, ...]
    family: str = ""
    captions: Path = CAPTIONS

    @property
    def caption_file(self) -> Path | None:
        """The file with its caption; None where its kind has none."""
        file = self.captions / f"{self.kind}.rst"
        return file if file.is_file() else None

    @property
    def caption(self) -> str:
        """The words below it, on the page and in Snakemake's own report."""
        return "" if self.caption_file is None else self.caption_file.read_text(encoding="utf-8").strip()
