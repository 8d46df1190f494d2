"""Snakemake's events, brought to the board; and what of its own output is left out beside it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from anatomy.runs.resources.killed import Kills, ended_by, memory_words, signal_of, status_in
from anatomy.runs.screen.board import Board, RunningJob
from anatomy.runs.screen.screen import Screen


class Events(logging.Handler):
    """Snakemake's events, brought to the board.

    Args:
        board: of the run.
        planned: called when Snakemake knows the run's jobs, before the first of them starts.
        say: receives why the system ended a job, which the job itself could not say.
    """

    def __init__(
        self, board: Board, planned: Callable[[], None] = lambda: None, say: Callable[[str], None] = lambda text: None
    ) -> None:
        super().__init__()
        self.board, self._planned, self._say = board, planned, say
        self._status: dict[int | None, int | None] = {}
        self._kills = Kills.now()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        told: Any = record  # Snakemake's records carry what happened as attributes
        if event == LogEvent.RUN_INFO:
            self.board.plan({rule: jobs for rule, jobs in told.stats.items() if rule != "total"})
            self._planned()
        elif event == LogEvent.JOB_INFO:
            asked = told.resources.get("mem_mb")
            self.board.start(
                told.jobid,
                told.rule_name,
                map(str, told.wildcards.values()),
                map(str, told.log),
                asked if isinstance(asked, int) else None,
            )
        elif event == LogEvent.JOB_FINISHED:
            self.board.finish(told.job_id)
        elif event == LogEvent.ERROR:  # a job's thread tells why before it tells that
            self._status[record.thread] = status_in(record.getMessage())
        elif event == LogEvent.JOB_ERROR:
            job = self.board.fail(told.jobid, self._status.pop(record.thread, None))
            if job is not None:
                self._explain(job, str(told.rule_msg or ""))

    def _explain(self, job: RunningJob, message: str) -> None:
        """Say why the system ended a job, where it did: now, in its log and among the last words."""
        now = Kills.now()
        counted, self._kills = now.since(self._kills), now
        found, others = signal_of(job.status), len(self.board.running)
        if found is not None:
            job.killed = ended_by(found, job.rule, job.mem_mb, others, counted)
        elif "OUT_OF_MEMORY" in message:
            job.killed = (
                f"ended by the scheduler: it took more memory than it was granted. {memory_words(job.rule, job.mem_mb, 0)}"
            )
        if job.killed is None:
            return
        for log in job.logs:
            with contextlib.suppress(OSError), open(Path(log), "a", encoding="utf-8") as file:
                file.write(f"{job.killed}\n")
        self._say(f"[{job.name}] {job.killed}")


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
