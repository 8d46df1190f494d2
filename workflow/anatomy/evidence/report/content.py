"""What a page is made of. A recipe hands over a list of sections; nothing here knows any paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError
from anatomy.store.files import read_json


@dataclass(frozen=True)
class PageFigure:
    """A chart: its Vega-Lite specification with data inside, and a still picture for readers without scripts.

    Attributes:
        anchor: where links on the page lead to it; empty for a place by number.
    """

    title: str
    caption: str
    spec: Mapping[str, Any]
    svg: str
    anchor: str = ""

    @property
    def broad(self) -> bool:
        """Whether the chart needs the whole width of the page rather than half of it (475 px)."""
        width = re.match(r"<svg[^>]*?\swidth=\"([\d.]+)", self.svg)
        return width is None or float(width[1]) > 475


@dataclass(frozen=True)
class PageTable:
    """A table that can be sorted and filtered; numbers keep their full precision for sorting."""

    title: str
    caption: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Answer:
    """One completion beside its verdict; `redacted` texts are gone, not hidden.

    Attributes:
        marks: (start, end, kind) of what is highlighted in the text, in order; one that overlaps the one before is left out.
    """

    text: str
    label: str
    redacted: bool = False
    marks: tuple[tuple[int, int, str], ...] = ()

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The text in pieces with the kind of each; plain pieces have none."""
        found, done = [], 0
        for start, end, kind in self.marks:
            if start < done or end <= start:
                continue
            found += [(self.text[done:start], ""), (self.text[start:end], kind)]
            done = end
        return [piece for piece in [*found, (self.text[done:], "")] if piece[0]]


@dataclass(frozen=True)
class Exchange:
    """One prompt with its answers before and after."""

    id: str
    prompt: str
    kind: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class PageCompletions:
    """Prompts with answers side by side; `columns` names the variants."""

    title: str
    caption: str
    columns: Sequence[str]
    exchanges: Sequence[Exchange]


@dataclass(frozen=True)
class PageAnswer:
    """A question that a reader has, answered in sentences that can be quoted; `code` is a command to copy."""

    question: str
    sentences: Sequence[str]
    code: str = ""


Item = PageFigure | PageTable | PageCompletions | PageAnswer


@dataclass(frozen=True)
class Section:
    """A heading with an introduction and what stands under it. `id` is its anchor.

    Attributes:
        first: whether it stands before the claims: what a reader wants to know of a model of their own.
        part: paper that begins here, with its `summary`, on a page of several.
    """

    id: str
    title: str
    lead: str
    items: Sequence[Item] = field(default_factory=tuple)
    first: bool = False
    part: str = ""
    summary: str = ""


def read_figure(folder: Path, name: str, title: str, caption: str, anchor: str = "") -> PageFigure:
    """A figure as `figures.save.save_figure` wrote it.

    Args:
        anchor: where links on the page lead to it.

    Raises:
        DataError: one of its files is missing.
    """
    svg, spec = Path(folder) / f"{name}.svg", Path(folder) / f"{name}.vl.json"
    if missing := [path.name for path in (svg, spec) if not path.is_file()]:
        raise DataError(found=f"no {' and no '.join(missing)}", expected="a saved figure", where=str(folder))
    return PageFigure(title, caption, read_json(spec), svg.read_text(encoding="utf-8"), anchor)
