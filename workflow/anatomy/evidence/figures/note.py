"""What stands in the place of a figure that a run has no evidence for."""

from __future__ import annotations

from collections.abc import Callable

import altair as alt
import pandas as pd

from anatomy.errors import DataError
from anatomy.evidence.claims.tables import MissingEvidence
from anatomy.evidence.figures.save import chart_data
from anatomy.evidence.figures.theme import MUTED, themed


def note(text: str) -> alt.TopLevelMixin:
    """A chart that says why there is none."""
    chart = alt.Chart(pd.DataFrame({"text": [f"not shown: {text}"]})).mark_text(color=MUTED, fontSize=12, limit=460)
    return themed(chart.encode(text="text:N").properties(width=480, height=60))


def chart_or_note(draw: Callable[[], alt.TopLevelMixin], empty: str) -> alt.TopLevelMixin:
    """What `draw` draws; where the run has no evidence for it, or it would show nothing, a note that says so.

    Args:
        empty: the note of a chart without data.
    """
    try:
        chart = draw()
    except (MissingEvidence, DataError) as missing:
        return note(f"{missing.where}: {missing.found}")
    return note(empty) if chart_data(chart.to_dict(validate=False)).empty else chart  # validated where it is saved
