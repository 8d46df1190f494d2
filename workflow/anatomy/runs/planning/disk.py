"""Room that a run takes on the disk, and what the same edits would take as checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from anatomy.models.preflight.disk import estimate_disk
from anatomy.runs.planning.jobs import Work
from anatomy.runs.planning.work import run_counts


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
        counts = run_counts(config, work.subjects[model], stages, prompts)
        estimate = estimate_disk(size, counts, Path(config.results))
        pasta = sum(stage.answers for name, stage in stages.items() if name.startswith("pasta."))
        texts = estimate_disk(
            size,
            replace(
                counts,
                contrasts=0,
                adapters=0,
                kept_adapters=0,
                benchmark_rows=0,
                answers=pasta,
                max_new_tokens=config.pasta.decoding.max_new_tokens,
            ),
            Path(config.results),
        )
        served = counts.adapters - 1
        results, edits, kept = results + estimate.results + texts.results, edits + served, kept + estimate.adapters
        private, checkpoints = max(private, estimate.private), checkpoints + served * size.disk
    return PlannedDisk(results, edits, kept, private, checkpoints, tuple(unknown))
