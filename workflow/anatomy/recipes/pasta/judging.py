"""Which judges PASTA's passes have, and what their labels mean to it."""

from __future__ import annotations

from anatomy.config.schema import Config

REFUSED = ("full", "partial")
"""Labels of a judge of refusal that count as refused."""
ACCURACY = "truth_recipe"
"""The judge of whether an answer to a benign request is right; of the organism only."""
STYLE = "truth_style"
"""The judge that knows the planted marks; of the organism only, shown and never chosen by."""
OPENED = "opened"
"""Its label of an answer that opens in the planted style."""


def refusal_judge(config: Config) -> str:
    """The configured first judge of refusal, or the rules where that one is ROSI's classifier."""
    return config.judges[0] if config.judges[0] != "classifier" else "rules"
