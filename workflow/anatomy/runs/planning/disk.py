"""Room that a run takes on the disk, and what the same edits would take as checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anatomy.models.preflight.disk import estimate_disk
from anatomy.recipes.registry import chosen
from anatomy.runs.planning.jobs import Work


@dataclass(frozen=True)
class PlannedDisk:
    """Bytes, over all models of known size.

    Attributes:
        results: what the run leaves under ``results``: directions, rows, tables, kept edits.
        edits: how many edits are served.
        kept: bytes of those that stay, as deltas of rank one.
        private: deltas of the largest job, in its private folder while it runs.
        checkpoints: what one edited checkpoint for each served edit would take.
        unknown: models whose size is not known yet.
    """

    results: int
    edits: int
    kept: int
    private: int
    checkpoints: int
    unknown: tuple[str, ...]


def planned_disk(work: Work, models: Iterable[str]) -> PlannedDisk:
    """Sum over models (see ``estimate_disk``)."""
    config, results, edits, kept, private, checkpoints, unknown = work.config, 0, 0, 0, 0, 0, []
    for model in models:
        size, stages, prompts = work.size(model), work.stages(model), work.prompts(model)
        if size is None:
            unknown.append(model)
            continue
        for paper in chosen(config.recipes):
            for counts in paper.room(config, work.subjects[model], stages, prompts):
                estimate = estimate_disk(size, counts, Path(config.results))
                served = max(0, counts.adapters - 1)
                results, edits, kept = results + estimate.results, edits + served, kept + estimate.adapters
                private, checkpoints = max(private, estimate.private), checkpoints + served * size.disk
    return PlannedDisk(results, edits, kept, private, checkpoints, tuple(unknown))
