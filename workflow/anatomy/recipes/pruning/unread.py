"""Options of pruning that a job does not read: changing one makes nothing of it stale, and a job that reads it fails loudly."""

from __future__ import annotations

JUDGING = ("models", "pairs", "kept", "removed_elsewhere")
"""What claims and the plan of the run read, and no job."""
UNREAD: dict[str, tuple[str, ...]] = {
    "scores": (*JUDGING, "text", "limits", "removed", "control_draws", "finetuning"),
    "grid": (*JUDGING, "text", "control_draws", "finetuning"),
    "make_edit": (*JUDGING, "text", "limits", "removed", "control_draws", "finetuning"),
    "test": (*JUDGING, "limits", "removed", "finetuning"),
    "finetuned": (*JUDGING, "text", "limits", "removed"),
}
"""By job. Of one's own models the text set (``text``) is read on the test alone."""
