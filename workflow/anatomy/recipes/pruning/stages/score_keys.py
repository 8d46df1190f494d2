"""Names of scores, by set of answers and by ranking."""

from __future__ import annotations

from anatomy.interventions.pruning.rankings import Ranking

PINS: tuple[str, ...] = ()

OPPOSITE, SNIP, WANDA, WANDA_BENIGN = "opposite", "snip", "wanda", "wanda.benign"
"""Scores of the pooled set that make controls and the predecessor's masks."""


def prune_key(name: str, ranking: Ranking) -> str:
    """Name of the signed scores of a set."""
    return f"prune.{name}.{ranking}"


def preserve_key(name: str, ranking: Ranking) -> str:
    """Name of the absolute scores of a set."""
    return f"preserve.{name}.{ranking}"
