"""What the claims, the drawing and the page stage ask of a paper's report module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.report.content import Section
from anatomy.evidence.report.figure_plan import FigurePlan

Files = Mapping[str, Sequence[Path]]
"""Name to files of a paper's evidence."""


@runtime_checkable
class PaperReport(Protocol):
    """A module that makes verdicts, figures, tables and sections of one paper's evidence, which is read once a job."""

    def read_evidence(self, config: Config, files: Files) -> Any: ...

    def judge(self, config: Config, files: Files) -> pd.DataFrame:
        """The paper's rows of the ledger (``anatomy.evidence.claims.ledger``)."""

    def draw(self, plan: FigurePlan, config: Config, evidence: Any) -> alt.TopLevelMixin: ...

    def tabulate(self, name: str, config: Config, evidence: Any) -> pd.DataFrame: ...

    def title_of(self, table: str) -> str:
        """Caption of a table that is printed as LaTeX too."""

    def sections(self, config: Config, evidence: Any, figures: Path) -> list[Section]: ...


def paper_report(module: str) -> PaperReport:
    """The report module of a paper, by its name."""
    return cast(PaperReport, import_module(module))
