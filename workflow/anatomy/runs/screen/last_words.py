"""What a run says when it ends: what it did and where the report lies, or what failed and how to go on."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.progress.counting import duration
from anatomy.runs.screen.board import Board
from anatomy.store.files import read_table

LOG_LINES = 12


def command_of(arguments: Sequence[str] = tuple(sys.argv)) -> str:
    """What a person typed to start this run, to be given again as it stands; ``envs/bootstrap.py`` knows its own call."""
    if typed := os.environ.get("ANATOMY_COMMAND"):
        return typed
    given = shlex.join(arguments[1:])
    through_bootstrap = "ANATOMY_SET" in os.environ
    return f"{'python3 envs/bootstrap.py ' if through_bootstrap else ''}snakemake {given}".strip()


def verdict_counts(results: Path) -> str | None:
    """``8 supported, 3 not supported, ...``, from the ledger; None where there is none."""
    try:
        verdicts = read_table(results / "claims" / "ledger.parquet", columns=["verdict"])["verdict"]
    except StoreError:
        return None
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.value_counts().items())


def finished_words(board: Board, results: Path, cost: dict[str, int]) -> str:
    """The end of a run that did all it was asked.

    Args:
        cost: model and engine ``starts`` and ``rows`` computed in this run.
    """
    lines = [
        f"finished: {board.done} jobs in {duration(board.passed)}; {cost['starts']} engine and model starts, "
        f"{cost['rows']} rows computed"
    ]
    for folder in (results, *sorted(path.parent for path in results.glob("*/report.html"))):  # a recipe beside has its own
        verdicts, page = verdict_counts(folder), folder / "report.html"
        if verdicts:
            lines.append(f"verdicts: {verdicts}")
        if page.exists():
            lines.append(f"report:   {page}")
    return "\n".join(lines)


def failed_words(board: Board, command: str) -> str:
    """The end of a run in which jobs failed: each with its log's last lines, and the command that goes on."""
    lines = [
        f"failed: {board.done} of {board.total} jobs done in {duration(board.passed)}, {len(board.failed)} failed, "
        f"{board.waiting.total()} not started; finished work is kept"
    ]
    for job in board.failed.values():
        lines.append(f"rule {job.name}")
        lines += [f"  {job.killed}"] * bool(job.killed)
        for log in job.logs:
            lines += [f"  log: {log}", *(f"    | {line}" for line in last_lines(Path(log)) if line != job.killed)]
    lines.append(f"when it is mended, go on with: {command}")
    return "\n".join(lines)


def last_lines(log: Path, count: int = LOG_LINES) -> list[str]:
    """The last lines of a log that say something, from the reason on where it ends in a traceback.

    Of a line that a progress bar kept rewriting, its last state counts.
    """
    try:
        text = log.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ["(no log was written)"]
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    lines = [line for line in lines if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if frames:
        reason = next((number for number in range(frames[-1] + 1, len(lines)) if not lines[number].startswith(" ")), frames[-1])
        lines = lines[reason:]
    return lines[-count:] or ["(empty)"]
