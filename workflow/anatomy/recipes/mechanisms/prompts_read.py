"""Which prompt sets instruments read: they learn where directions are extracted, and are tested where every edit is."""

from __future__ import annotations

from anatomy.config.schema import Config

SIDES = ("harmful", "harmless")


def set_read(config: Config, side: str, phase: str) -> str:
    """The prompt set of a side: the contrast's on fit, the evaluation's on test."""
    harmful, harmless = (
        (config.extraction.harmful, config.extraction.harmless)
        if phase == "fit"
        else (config.evaluation.harmful, config.evaluation.benign)
    )
    return {"harmful": harmful, "harmless": harmless}[side]


def sets_read(config: Config) -> dict[str, set[str]]:
    """Every prompt set that is read, by phase."""
    return {phase: {set_read(config, side, phase) for side in SIDES} for phase in ("fit", "test")}
