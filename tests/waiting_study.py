"""A workflow of two jobs under supervision, the first of which waits for a sign: so a test can do something to it meanwhile."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from quick_run import ROOT
from supervised import HEAD

RULES = """
rule page:
    input: "results/part.txt"
    output: "results/report.html"
    shell: "cat {{input}} > {{output}}"
rule part:
    output: "results/part.txt"
    log: "results/part.log"
    resources: mem_mb={mem_mb}
    script: "part.py"
"""

PART = """
import os, sys, time
sys.path.insert(0, {library!r})
from pathlib import Path
from anatomy.progress.counting import Progress
from anatomy.runs.screen.reports import report_path
from anatomy.runs.job import job
with job("part", snakemake.log[0], reports=report_path(Path("results"), "part", ()), rule="part", mem_mb=900) as run:
    run.say("before")
    with Progress("steps", 3, whole=True) as progress:
        progress.advance()
        Path("started").write_text(str(os.getpid()))
        while not Path("go").exists():
            time.sleep(0.02)
        deadline = time.monotonic() + 20  # the run looks at its jobs once a second: this one stays until it was seen
        logs = Path(".snakemake/log")
        while time.monotonic() < deadline and not any("progress:" in log.read_text() for log in logs.glob("*.log")):
            time.sleep(0.05)
        for number in range(200):
            run.say(f"after {{number}}")
    {then}
    Path(snakemake.output[0]).write_text("made")
"""

LONGEST = 120.0
"""Seconds until a test gives up waiting; nothing is measured by it."""


def make_waiting_study(folder: Path, then: str = "pass", mem_mb: int = 900) -> Path:
    """Write the workflow.

    Args:
        then: Python that the job runs after the sign.
        mem_mb: memory that it asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Snakefile").write_text(HEAD + RULES.format(mem_mb=mem_mb))
    (folder / "part.py").write_text(PART.format(library=str(ROOT / "workflow"), then=then))
    return folder


def command(*arguments: str) -> list[str]:
    """Snakemake's call, in the study's folder."""
    return [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "rules", *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Without a profile, on a terminal that can renew a line."""
    kept = {name: value for name, value in os.environ.items() if name not in ("SNAKEMAKE_PROFILE", "COLUMNS")}
    return {**kept, "TERM": "xterm", **variables}


def wait_for(path: Path) -> None:
    """Until a file is there.

    Raises:
        TimeoutError: it does not come.
    """
    deadline = time.monotonic() + LONGEST
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.02)


def snakemake_log(folder: Path) -> str:
    """All that Snakemake's own logs hold."""
    return "\n".join(path.read_text() for path in sorted((folder / ".snakemake" / "log").glob("*.log")))


def check_whole(folder: Path) -> None:
    """The run went on to its end, and logs hold what a terminal could not take."""
    assert (folder / "results" / "report.html").read_text() == "made"
    log = (folder / "results" / "part.log").read_text()
    assert "before" in log and all(f"after {number}\n" in log for number in range(200))
    assert "finished: 2 jobs" in snakemake_log(folder) and "progress: 0 of 2 jobs" in snakemake_log(folder)
