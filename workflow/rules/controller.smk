# Around a run: one controller at a time, what a killed one left is cleared, progress is shown, and last words are said.
import logging
import sys
from pathlib import Path

from anatomy.controller.cluster_jobs import PREFIX, job_prefix
from anatomy.controller.hold import FOLDER
from anatomy.controller.takeover import controlled
from anatomy.errors import AnatomyError
from anatomy.progress.board import Board
from anatomy.progress.estimate import Durations
from anatomy.progress.last_words import command_of, failed_words, finished_words
from anatomy.progress.screen import Screen
from anatomy.store.journal import count
from snakemake.exceptions import WorkflowError
from snakemake_interface_logger_plugins.common import LogEvent

# Targets that only look: allowed beside a run.
LOOKING = {"status", "disk", "verify", "garbage"}


class Events(logging.Handler):
    """Snakemake's events, brought to the board."""

    def __init__(self, board, screen):
        super().__init__()
        self.board, self.screen = board, screen

    def emit(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.board.plan({rule: jobs for rule, jobs in record.stats.items() if rule != "total"})
        elif event == LogEvent.JOB_INFO:
            self.board.start(record.jobid, record.rule_name, map(str, record.wildcards.values()), record.log)
        elif event == LogEvent.JOB_FINISHED:
            self.board.finish(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            self.board.fail(record.jobid)


class InPlaceOfSnakemake(logging.Filter):
    """On Snakemake's own output: nothing that the board already says, and every line on a clean one."""

    SAID_IN_WORDS = ("Select jobs to execute", "Execute ", "Using shell", "Elapsed time")
    SAID = {LogEvent.WORKFLOW_STARTED, LogEvent.PROGRESS, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.RESOURCES_INFO}

    def __init__(self, screen):
        super().__init__()
        self.screen = screen

    def filter(self, record):
        if getattr(record, "event", None) in self.SAID or record.getMessage().startswith(self.SAID_IN_WORDS):
            return False
        self.screen.clear()
        return True


def supervised(execute):
    """Snakemake's execution of the workflow, with all that surrounds it."""

    def run(*arguments, **options):
        plugin = options["executor_plugin"]
        looking = workflow.dag_settings.targets and set(workflow.dag_settings.targets) <= LOOKING
        if not workflow.is_main_process or plugin.common_settings.dryrun_exec or looking:
            return execute(*arguments, **options)
        local = plugin.common_settings.local_exec
        results = Path(CONFIG.results)
        command = command_of()
        try:
            with controlled(CONFIG.results, Path.cwd(), command, "local" if local else "cluster", tell) as controller:
                if hasattr(options["executor_settings"], "jobname_prefix"):
                    options["executor_settings"].jobname_prefix = job_prefix(
                        controller.id, options["executor_settings"].jobname_prefix or PREFIX
                    )
                if plugin.common_settings.touch_exec:
                    execute(*arguments, **options)
                else:
                    watched(execute, arguments, options, results, command)
        except AnatomyError as error:
            raise WorkflowError(str(error)) from None

    return run


def watched(execute, arguments, options, results, command):
    """Run, with progress on standard error and last words at the end."""
    remembered = results / FOLDER / "durations.json"
    board = Board(Durations.read(remembered))
    before = count(results / "store")
    log = workflow.logger_manager.logger
    with Screen(board) as screen:
        events, quieter = Events(board, screen), InPlaceOfSnakemake(screen)
        own = [handler for handler in log.handlers if handler.name == "DefaultStreamHandler"]
        log.addHandler(events)
        for handler in own:
            handler.addFilter(quieter)
        try:
            execute(*arguments, **options)
        except WorkflowError as error:
            raise WorkflowError(f"{error}\n{failed_words(board, command)}") if board.failed else error
        finally:
            log.removeHandler(events)
            for handler in own:
                handler.removeFilter(quieter)
            board.durations.write(remembered)
    if board.total:
        after = count(results / "store")
        print(finished_words(board, results, {name: after[name] - before[name] for name in after}), file=sys.stderr)


def tell(text):
    print(text, file=sys.stderr, flush=True)


if workflow.is_main_process:
    workflow.execute = supervised(workflow.execute)
