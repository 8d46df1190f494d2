"""The figure of facts: what carries them, and where they can be rewritten."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import dashed, themed
from anatomy.interventions.instruments.recovery_over_pairs import weighed

ASKED = {"efficacy": "said anew", "paraphrase": "said in other wordings", "unrelated": "unrelated facts that stay"}


def facts(patches: pd.DataFrame, table: pd.DataFrame) -> alt.TopLevelMixin:
    """Recovery by attention and the MLP of each block at the subject's last token; shares after an edit of each block."""
    means = (
        weighed(patches)
        .groupby(["part", "layer"], sort=False)
        .agg(recovery=("recovery", "mean"), n=("id", "nunique"))
        .reset_index()
    )
    carried = (
        alt.Chart(means)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:O", title="block", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("recovery:Q", title="recovery at the subject's last token"),
            color=alt.Color("part:N", title="patched"),
            tooltip=["part:N", "layer:O", alt.Tooltip("recovery:Q", format=".3f"), "n:Q"],
        )
        .properties(width=260, height=220)
    )
    alone = table[table["under"] == ""].melt(["layer", "kind", "n"], list(ASKED), "measure", "share")
    edited = (
        alt.Chart(alone.assign(measure=alone["measure"].map(ASKED)))
        .encode(
            x=alt.X("layer:O", title="block whose MLP is edited", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="share", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("measure:N", title=None, sort=list(ASKED.values())),
            tooltip=["measure:N", "kind:N", "layer:O", alt.Tooltip("share:Q", format=".2f"), "n:Q"],
        )
        .properties(width=260, height=220)
    )
    return themed(
        alt.hconcat(carried, dashed(edited, alt.StrokeDash("kind:N", title=None, sort=["fact", "random key"]))).resolve_scale(
            color="independent"
        )
    )
