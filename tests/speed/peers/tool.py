"""What a tool is to the benchmark: what it needs, what it is known to offer, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speed.peers.budget import CANDIDATES
from speed.peers.given import Given
from speed.peers.programs.marks import PICKED, SEARCH, result_in
from speed.peers.watched import Cost, Line, line_of, watch

FEATURES = (
    "a number's interval",
    "controls",
    "edits as data",
    "benchmarks",
    "resume",
    "removes",
    "amplifies",
    "licence",
)
"""Rows of the table of what each has."""


@dataclass(frozen=True)
class Place:
    """Where a tool runs.

    Attributes:
        python: its interpreter.
        environment: variables of its process.
        checkout: folder with the source of a tool that is no package, or None.
    """

    python: Path
    environment: dict[str, str]
    checkout: Path | None = None

    def watch(self, command: list[str | Path], given: Given, answers: str = "") -> list[Line]:
        """Run one of its commands in the folder that it was handed."""
        return watch(command, cwd=given.folder, environment=self.environment, answers=answers)


@dataclass(frozen=True)
class Ran:
    """A run of a tool until it had picked its best edit.

    Attributes:
        search: of trying the candidates alone.
        picked: of everything before the pick was known: imports, loading, directions, search, what confirms the pick.
        whole: of the whole command, where more than the pick is measured: for ours, controls and score.
        candidates: how many were tried.
        told: what the tool's program says itself.
    """

    search: Cost
    picked: Cost
    whole: Cost | None = None
    candidates: int = CANDIDATES
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Attributes:
        name: as users know it.
        version: release, or commit of a checkout.
        judged_by: what a candidate is judged by, which decides what it costs.
        run: runs it on what it is given.
        requirements: of its environment; none for ours.
        features: by ``FEATURES``, in words.
        ours: whether the program scores its own edit in memory, since an edit to measure is not written.
        needs_checkout: whether its source must be named on the command line.
    """

    name: str
    version: str
    judged_by: str
    run: Callable[[Given, Place], Ran]
    features: dict[str, str]
    requirements: tuple[str, ...] = ()
    ours: bool = False
    needs_checkout: bool = False


def run_ours(program: str, given: Given, place: Place, *more: str) -> Ran:
    """A program of ours, in a process of its own like the others."""
    command = [place.python, "-m", f"speed.peers.programs.{program}", given.organism.results, str(given.organism.seed), *more]
    return ran_program(place.watch(command, given), f"speed.peers.programs.{program}")


def ran_program(lines: list[Line], where: str) -> Ran:
    """What a program with our marks (``programs.marks``) printed."""
    search, picked = line_of(lines, SEARCH, where).at, line_of(lines, PICKED, where).at
    whole = line_of(lines, "^peers: result ", where).at
    told = result_in([line.text for line in lines])
    return Ran(picked - search, picked, whole, told["candidates"], told)
