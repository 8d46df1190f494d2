"""Judge the claims of a paper on a run's tables, and put the verdicts of all papers into one ledger."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.ledger import COLUMNS
from anatomy.stages.paper_report import Files, paper_report

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {"altair": "a report module draws too; verdicts are no pictures"}


def judge_claims(report: str, config: Config, files: Files) -> pd.DataFrame:
    """One paper's rows of the ledger.

    Args:
        report: its report module.
        files: its evidence, by name.
    """
    return paper_report(report).judge(config, files)


def one_ledger(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The ledgers of several papers below each other."""
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=COLUMNS)
