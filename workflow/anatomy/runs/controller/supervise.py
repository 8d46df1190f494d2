"""Around Snakemake's execution: one controller at a time, progress while it runs, last words when it ends.

With ``pending`` the only module of the library that speaks to Snakemake. Events reach it as records of Snakemake's logger.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.exceptions import ApiError, WorkflowError

from anatomy.errors import AnatomyError
from anatomy.progress.terminal import Unfailing, let_output_go, write_line
from anatomy.runs.controller.file_times import keep_finished_work, times_brought_back
from anatomy.runs.controller.input_checksums import checksums_read_once
from anatomy.runs.controller.standing import read_targets_from_there
from anatomy.runs.controller.terminal_signals import outlive_terminal
from anatomy.runs.controller.wakeups import one_wakeup_at_a_time
from anatomy.store.json_objects import JsonObject

if TYPE_CHECKING:  # whatever reads tables imports pandas, which a dry run can do without
    from anatomy.runs.pending.jobs import PendingJob
    from anatomy.runs.screen.board import Board

BESIDE = {"status", "disk", "verify", "garbage", "prefetch"}
"""Targets that make nothing in the results: allowed beside a run."""


def supervise(workflow: Any, results: str) -> None:
    """Let a workflow run under supervision; dry runs, summaries and the inner calls of cluster jobs stay as they are.

    Args:
        workflow: Snakemake's, while its Snakefile is read.
        results: the folder of results, as the configuration writes it.
    """
    keep_finished_work()
    if not workflow.is_main_process:
        return
    _let_snakemake_print_on(workflow.logger_manager.logger)
    execute = workflow.execute

    def supervised(*, executor_plugin: Any, executor_settings: Any, **options: Any) -> None:
        read_targets_from_there(workflow)
        options |= {"executor_plugin": executor_plugin, "executor_settings": executor_settings}
        kind, targets = executor_plugin.common_settings, set(workflow.dag_settings.targets or ())
        if kind.dryrun_exec:
            return execute(**options)
        outlive_terminal()
        if targets and targets <= BESIDE:
            return execute(**options)
        from anatomy.runs.controller.cluster_jobs import PREFIX, job_prefix
        from anatomy.runs.controller.hold import FOLDER
        from anatomy.runs.controller.takeover import controlled
        from anatomy.runs.screen.last_words import command_of

        command = command_of()
        try:
            with (
                controlled(results, Path.cwd(), command, "local" if kind.local_exec else "cluster", _tell) as run,
                times_brought_back(Path(results) / FOLDER / "hold", _tell),
                checksums_read_once(),
                one_wakeup_at_a_time(),
            ):
                if hasattr(executor_settings, "jobname_prefix"):
                    executor_settings.jobname_prefix = job_prefix(run.id, executor_settings.jobname_prefix or PREFIX)
                if kind.touch_exec:
                    execute(**options)
                else:
                    _watch(lambda: execute(**options), workflow, Path(results), command, here=kind.local_exec)
        except AnatomyError as error:
            raise ApiError(str(error)) from None

    workflow.execute = supervised


def _watch(execute: Callable[[], None], workflow: Any, results: Path, command: str, here: bool) -> None:
    """Run, with progress on standard error and last words at the end.

    Args:
        here: whether jobs run on this machine.
    """
    from anatomy.runs.controller.events import Events, InPlaceOfSnakemake
    from anatomy.runs.screen.board import Board
    from anatomy.runs.screen.last_words import failed_words, finished_words
    from anatomy.runs.screen.reports import remove_reports
    from anatomy.runs.screen.screen import Screen
    from anatomy.store.journal import count

    remove_reports(results)
    bound_mb = _bound_memory(workflow) if here else None
    log = workflow.logger_manager.logger
    board = Board(results)
    before = count(results / "store")

    def keep(text: str) -> None:
        """In Snakemake's own log, which is whole whatever becomes of the terminal."""
        for handler in log.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(logging.LogRecord(log.name, logging.INFO, __file__, 0, text, None, None))

    def say(text: str) -> None:
        screen.clear()
        _tell(text)
        keep(text)

    def planned() -> None:
        jobs = _pending(workflow)
        if bound_mb is not None:
            for line in _too_large(workflow.config, jobs, bound_mb):
                say(line)
        threading.Thread(target=_forecast, args=(board, workflow.config, jobs), name="forecast", daemon=True).start()

    with Screen(board, log=keep) as screen:
        events, quieter = Events(board, planned, say), InPlaceOfSnakemake(screen)
        own = [handler for handler in log.handlers if handler.name == "DefaultStreamHandler"]
        log.addHandler(events)
        for handler in own:
            handler.addFilter(quieter)
        try:
            execute()
        except WorkflowError as error:
            if board.failed:
                error.args = (f"{error}\n{failed_words(board, command)}",)  # Snakemake prints it last, as it stands
            raise
        finally:
            log.removeHandler(events)
            for handler in own:
                handler.removeFilter(quieter)
            remove_reports(results)
    if board.total:
        after = count(results / "store")
        words = finished_words(board, results, {name: after[name] - before[name] for name in after})
        _tell(words)
        keep(words)


def _tell(text: str) -> None:
    write_line(2, text)


def _let_snakemake_print_on(log: logging.Logger) -> None:
    """Its handler of standard error raises where a pipe is broken, and with that ends the run (``| head``)."""
    let_output_go()
    for handler in log.handlers:
        if handler.name == "DefaultStreamHandler" and isinstance(handler, logging.StreamHandler):
            stream = sys.stdout if handler.stream is sys.__stdout__ and sys.__stdout__ is not None else sys.stderr
            if isinstance(stream, Unfailing):
                with contextlib.suppress(OSError, ValueError):
                    handler.flush()
                handler.stream = stream


def _bound_memory(workflow: Any) -> int | None:
    """Bound the memory of jobs that run at a time by what this machine has, unless the call names a bound (``--resources
    mem_mb=...``); returns it. Snakemake cuts what a single job asks for down to it, so that a larger one runs alone."""
    from anatomy.runs.resources.bound import machine_memory_mb

    if "mem" in workflow.global_resources or "mem_mb" in workflow.global_resources:
        return None
    bound_mb = machine_memory_mb()
    if bound_mb is not None:
        workflow.global_resources["mem_mb"] = bound_mb
    return bound_mb


def _pending(workflow: Any) -> list[PendingJob]:
    """The jobs of the run that begins, without Snakemake's reasons."""
    from anatomy.runs.pending.jobs import PendingJob

    return [
        PendingJob(
            job.rule.name,
            dict(job.wildcards_dict),
            tuple(map(str, job.output)),
            threads=int(job.threads),
            resources={"gpu": job.resources.get("gpu", 0)},
        )
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
    ]


def _too_large(options: JsonObject, jobs: list[PendingJob], bound_mb: int) -> list[str]:
    from anatomy.recipes.configuration import check_config
    from anatomy.runs.resources.bound import too_large
    from anatomy.runs.resources.requests import Requests
    from anatomy.runs.resources.threads import with_threads
    from anatomy.serving.environment import installed_set

    try:
        on_gpu = installed_set() == "cuda"
        requests = Requests(with_threads(check_config(options, "the configuration"), on_gpu=on_gpu), on_gpu)
        return list(too_large(requests, [(job.rule, job.wildcards) for job in jobs], bound_mb))
    except (AnatomyError, KeyError):  # of a workflow that is not ours
        return []


def _forecast(board: Board, options: JsonObject, jobs: list[PendingJob]) -> None:
    """Let the board know what jobs are planned to take; beside the run, since it reads prompts and headers of models."""
    from anatomy.runs.planning.forecast import forecast
    from anatomy.serving.environment import installed_set

    try:
        board.forecast(forecast(options, jobs, on_gpu=installed_set() == "cuda"))
    except Exception as error:  # a run without an estimate is better than none
        logging.getLogger(__name__).debug("no forecast: %s", error)
