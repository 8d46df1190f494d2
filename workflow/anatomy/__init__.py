"""Measure, localise and edit the traces of alignment training in language models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anatomy.notebook.study import Study

__all__ = ["open_study"]


def open_study(folder: str | Path) -> Study:
    """The results of a run, for a notebook: claims, tables and figures with where they come from, and its models.

    Args:
        folder: what the option ``results`` names.

    Raises:
        StoreError: the folder holds no records of a run.
    """
    from anatomy.notebook.study import open_study as opened  # here, so that jobs import no more than they need

    return opened(folder)
