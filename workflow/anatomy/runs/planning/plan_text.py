"""A plan in words and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anatomy.costs.lengths import ASSUMED
from anatomy.models.machine.cores import usable_cores
from anatomy.models.memory import say_bytes, say_count
from anatomy.runs.pending.reasons import listed
from anatomy.runs.planning.plan import Plan, PlannedJob
from anatomy.runs.resources.bound import machine_memory_mb

ERROR = 2
"""Times that a job may take more or less than planned, where it runs alone on its cores."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """Jobs by rule, work by model and stage, totals, and what the numbers rest on."""
    if not plan.jobs:
        yield "Nothing to do: everything asked for is there and up to date."
        return
    yield f"{len(plan.jobs)} jobs to run; counts are upper bounds: rows in the store cost nothing, answers end early"
    yield f"\n{'rule':<22}{'jobs':>8}{'hours':>14}{'memory':>12}"
    for rule in sorted({job.rule for job in plan.jobs}):
        members = [job for job in plan.jobs if job.rule == rule]
        yield f"{rule:<22}{len(members):>8}{hours(members):>14}{say_bytes(max(job.mem_mb for job in members) << 20):>12}"
    yield from _work(plan)
    yield from _totals(plan)
    yield from _grounds(plan)


def _work(plan: Plan) -> Iterator[str]:
    """Tokens of each model's stages, and hours of one after the other, without the starts of their jobs."""
    yield f"\n{'model':<26}{'stage':<22}{'tokens read':>16}{'written':>14}{'hours':>10}"
    for model in sorted({job.model for job in plan.jobs if job.stages and job.model is not None}):
        stages: dict[str, list[float]] = {}
        for job in plan.jobs:
            for stage, seconds in zip(job.stages, job.by_stage, strict=True) if job.model == model else ():
                told = stages.setdefault(stage.stage, [0, 0, 0.0])
                told[:] = told[0] + stage.read, told[1] + stage.written, told[2] + (seconds or 0.0)
        parameters = plan.parameters[model]
        yield f"{model} ({'size unknown until prefetch' if parameters is None else say_count(parameters)})"
        order = list(plan.order)  # as papers name their stages
        for name in sorted(stages, key=lambda name: (order.index(name) if name in order else len(order), name)):
            read, written, seconds = stages[name]
            unknown = parameters is None and not seconds
            yield f"{'':<26}{name:<22}{read:>16,}{written:>14,}{'?' if unknown else f'{seconds / 3600:,.2f}':>10}"


def _totals(plan: Plan) -> Iterator[str]:
    """Sums over all jobs."""
    every = [stage for job in plan.jobs for stage in job.stages]
    least = "at least " if any(job.seconds is None for job in plan.jobs) else ""
    unit = "GPU" if plan.on_gpu else "CPU core"
    used = sum((job.seconds or 0) * job.processors for job in plan.jobs if not plan.on_gpu or job.gpu_seconds)
    largest = max(plan.jobs, key=lambda job: job.mem_mb)
    yield (f"\ntokens: {sum(stage.read for stage in every):,} read, {sum(stage.written for stage in every):,} written")
    yield f"time, as installed: {least}{used / 3600:,.2f} {unit} hours, {hours(plan.jobs)} hours one job after the other"
    if not plan.on_gpu and (cores := usable_cores()) > 1:
        yield f"  {least}{used / 3600 / cores:,.2f} hours at best with jobs side by side on the {cores} cores here"
    lower = sum((job.least or 0) * job.processors for job in plan.jobs if not plan.on_gpu or job.gpu_seconds)
    if lower < 0.95 * used:
        yield (f"  {lower / 3600:,.2f} {unit} hours if no search finds anything, as in models that never refuse")
    if not plan.on_gpu:
        yield f"time, on GPUs: {least}{sum(job.gpu_seconds or 0 for job in plan.jobs) / 3600:,.1f} GPU hours"
    whose = " ".join(filter(None, (largest.rule, largest.model)))
    yield f"memory of the largest job: {say_bytes(largest.mem_mb << 20)} ({whose})"
    bound_mb = machine_memory_mb()
    if bound_mb is not None and largest.mem_mb > bound_mb:
        yield (
            f"that is more than this machine has ({say_bytes(bound_mb << 20)}): here such a job runs alone, and the kernel "
            "may end it; smaller batches, a smaller cache (serving) or a narrower dtype ask for less"
        )
    disk = plan.disk
    yield f"disk: {say_bytes(disk.results)} of results; {say_bytes(disk.private)} more in private while the largest job runs"
    yield (
        f"edits: {disk.edits} served, kept as deltas of {say_bytes(disk.kept)}; a checkpoint for each would be "
        f"{say_bytes(disk.checkpoints)}"
    )


def _grounds(plan: Plan) -> Iterator[str]:
    """What the numbers rest on."""
    unknown = [model for model, parameters in plan.parameters.items() if parameters is None]
    if unknown:
        yield (
            f"time and disk of {', '.join(unknown)} unknown until prefetch: give resources.models.<name>.billions to "
            "count them now"
        )
    if plan.assumed:
        yield (
            f"prompts of {listed(plan.assumed)} not counted yet: taken are the configuration's limits, and "
            f"{ASSUMED.tokens:g} tokens each"
        )
    if plan.measured:
        yield f"corrected by finished jobs of this run: {', '.join(plan.measured)}"
    if plan.on_gpu:
        yield "rates of GPUs are assumed (resources.gpu_teraflops, writing_share), until jobs have finished"
    else:
        yield (
            f"time is good to a factor of {ERROR} where the machine is idle: this one's rate was measured just now, unless "
            "resources.core_gigaflops states it; rates of GPUs are assumed"
        )


def hours(jobs: Sequence[PlannedJob]) -> str:
    """Hours of jobs one after the other."""
    seconds = [job.seconds for job in jobs]
    known = f"{sum(value for value in seconds if value is not None) / 3600:,.2f}"
    return f"{known}+?" if None in seconds else known
