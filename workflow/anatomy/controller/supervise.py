"""Around Snakemake's execution: one controller at a time, progress while it runs, last words when it ends.

The one module of the library that speaks to Snakemake. Events reach it as records of Snakemake's logger.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake.exceptions import ApiError, WorkflowError
from snakemake_interface_logger_plugins.common import LogEvent

from anatomy.controller.standing import read_targets_from_there
from anatomy.errors import AnatomyError

if TYPE_CHECKING:  # whatever reads tables imports pandas, which a dry run can do without
    from anatomy.progress.board import Board
    from anatomy.progress.screen import Screen

BESIDE = {"status", "disk", "verify", "garbage", "prefetch"}
"""Targets that make nothing in the results: allowed beside a run."""


def supervise(workflow: Any, results: str) -> None:
    """Let a workflow run under supervision; dry runs, summaries and the inner calls of cluster jobs stay as they are.

    Args:
        workflow: Snakemake's, while its Snakefile is read.
        results: the folder of results, as the configuration writes it.
    """
    if not workflow.is_main_process:
        return
    execute = workflow.execute

    def supervised(*, executor_plugin: Any, executor_settings: Any, **options: Any) -> None:
        read_targets_from_there(workflow)
        options |= {"executor_plugin": executor_plugin, "executor_settings": executor_settings}
        kind, targets = executor_plugin.common_settings, set(workflow.dag_settings.targets or ())
        if kind.dryrun_exec or (targets and targets <= BESIDE):
            return execute(**options)
        from anatomy.controller.cluster_jobs import PREFIX, job_prefix
        from anatomy.controller.takeover import controlled
        from anatomy.progress.last_words import command_of

        command = command_of()
        try:
            with controlled(results, Path.cwd(), command, "local" if kind.local_exec else "cluster", _tell) as run:
                if hasattr(executor_settings, "jobname_prefix"):
                    executor_settings.jobname_prefix = job_prefix(run.id, executor_settings.jobname_prefix or PREFIX)
                if kind.touch_exec:
                    execute(**options)
                else:
                    _watch(lambda: execute(**options), workflow.logger_manager.logger, Path(results), command)
        except AnatomyError as error:
            raise ApiError(str(error)) from None

    workflow.execute = supervised


def _watch(execute: Callable[[], None], log: logging.Logger, results: Path, command: str) -> None:
    """Run, with progress on standard error and last words at the end."""
    from anatomy.controller.hold import FOLDER
    from anatomy.progress.board import Board
    from anatomy.progress.estimate import Durations
    from anatomy.progress.last_words import failed_words, finished_words
    from anatomy.progress.screen import Screen
    from anatomy.store.journal import count

    remembered = results / FOLDER / "durations.json"
    board = Board(Durations.read(remembered))
    before = count(results / "store")
    with Screen(board) as screen:
        events, quieter = Events(board), InPlaceOfSnakemake(screen)
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
            board.durations.write(remembered)
    if board.total:
        after = count(results / "store")
        _tell(finished_words(board, results, {name: after[name] - before[name] for name in after}))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Events(logging.Handler):
    """Snakemake's events, brought to the board."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.board.plan({rule: jobs for rule, jobs in record.stats.items() if rule != "total"})
        elif event == LogEvent.JOB_INFO:
            self.board.start(record.jobid, record.rule_name, map(str, record.wildcards.values()), map(str, record.log))
        elif event == LogEvent.JOB_FINISHED:
            self.board.finish(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            self.board.fail(record.jobid)


class InPlaceOfSnakemake(logging.Filter):
    """On Snakemake's own output: nothing that the board already says, and every line on a clean one."""

    EVENTS = (LogEvent.WORKFLOW_STARTED, LogEvent.PROGRESS, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.RESOURCES_INFO)
    WORDS = ("Select jobs to execute", "Using shell", "Elapsed time")

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "event", None) in self.EVENTS or record.getMessage().startswith(self.WORDS):
            return False
        self.screen.clear()
        return True
