"""What each job of a run is planned to take, for the run's own line of progress.

In the process of the run's controller, which is spared torch and transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anatomy.runs.pending.jobs import PendingJob
from anatomy.runs.planning.plan import plan_run
from anatomy.runs.provenance.record import read_records
from anatomy.store.json_objects import JsonObject


def forecast(options: JsonObject, jobs: Sequence[PendingJob], *, on_gpu: bool) -> dict[str, tuple[str, float]]:
    """A job's name (rule and wildcards' values) to its rule and seconds; jobs of models of unknown size are left out.

    Args:
        options: the whole configuration.
        jobs: to be run.
        on_gpu: whether models run on GPUs.

    Raises:
        AnatomyError: the configuration or a record cannot be read.
    """
    counted = [job for job in jobs if job.outputs]
    plan = plan_run(options, counted, read_records(Path(options.get("results", "results"))), on_gpu=on_gpu, tokenizers=False)
    return {
        " ".join([job.rule, *job.wildcards.values()]): (job.rule, planned.seconds)
        for job, planned in zip(counted, plan.jobs, strict=True)
        if planned.seconds is not None
    }
