"""A tool run as its own command, with the time at every line that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anatomy.errors import AnatomyError

TICKS = os.sysconf("SC_CLK_TCK")


class PeerFailed(AnatomyError):
    """A tool did not come to its end."""


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds; on one thread they are equal on an idle machine, and on a busy one the second counts."""

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def each(self, count: int) -> Cost:
        """A ``count``-th of it."""
        return Cost(self.wall / count, self.cpu / count)

    def as_json(self) -> dict[str, float]:
        return {name: round(seconds, 3) for name, seconds in asdict(self).items()}


@dataclass(frozen=True)
class Line:
    """One printed line, and what had been spent since the command began."""

    text: str
    at: Cost


def watch(
    command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str], answers: str = "", limit: float = 1800
) -> list[Line]:
    """Run a command to its end on one thread.

    Args:
        environment: the whole environment of the command, added to by what keeps it to one thread and away from hubs.
        answers: what it reads from its standard input, where it asks.
        limit: seconds of wall time after which it is ended.

    Returns:
        Its lines, standard error among them; progress bars that go back in their line count as lines.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env={**ONE_THREAD, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    ended = threading.Timer(limit, process.kill)
    ended.start()
    lines: list[Line] = []
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(answers.encode())
        process.stdin.close()
        rest = b""
        while chunk := os.read(process.stdout.fileno(), 2**16):
            *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
            at = Cost(time.perf_counter() - began, processor_seconds(process.pid))
            lines += [Line(text.decode(errors="replace"), at) for text in whole if text.strip()]
        process.wait()
    finally:
        ended.cancel()
        process.kill()
    return lines


ONE_THREAD = {
    **{name: "1" for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")},
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "NO_COLOR": "1",
    "COLUMNS": "200",
}
"""OMP_THREAD_LIMIT holds even where a tool asks torch for as many threads as there are cores."""


def processor_seconds(pid: int) -> float:
    """User and system seconds of a process and of its children that have ended (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def line_of(lines: Sequence[Line], pattern: str, where: str) -> Line:
    """The first line that a pattern is found in.

    Raises:
        PeerFailed: there is none; the last lines are in the message.
    """
    for line in lines:
        if re.search(pattern, line.text):
            return line
    tail = " / ".join(line.text.strip() for line in lines[-4:])
    raise PeerFailed(found=f"it ended with: {tail[-600:]}", expected=f"a line with {pattern!r}", where=where)
