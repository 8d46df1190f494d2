"""Which tests run in one process, and which are spared a contributor who wants an answer in minutes.

Tests of one file stay together, as do all that need the same costly thing: the quick run of the organism, the study of one's
own, vLLM's engine. Costly lanes come first, so that none is left for the end.
"""

import json
import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

COSTLY = {"finished": "quick run", "own_run": "own study"}
"""Fixtures that run a whole workflow, and the lane of the tests that need them."""

SHARED = {"passes": "passes of PASTA"}
"""Fixtures that take half a minute without a workflow."""

ENGINE = "engine"
"""The lane of tests that start vLLM: an open engine is shared, and closing one breaks any other of its process."""

WORKERS = 4
"""Processes at most: each imports torch, and the costly lanes are no more than this."""


def lane_of(item: pytest.Item) -> str | None:
    """The costly lane that a test asks for; None for one that may run anywhere."""
    for fixture, lane in {**COSTLY, **SHARED}.items():
        if fixture in item.fixturenames:
            return lane
    return ENGINE if item.get_closest_marker("engine") else None


def assign_lanes(items: list[pytest.Item]) -> dict[str, str]:
    """Mark tests that need a whole run as ``workflow``, put costly lanes first, and say which lane each file is in.

    All tests of a file run in one process, which their fixtures count on: a file in which one test asks for a costly lane is
    there as a whole.
    """
    asked: dict[str, set[str]] = {}
    for item in items:
        lane = lane_of(item)
        if lane in COSTLY.values() or item.path.parent.name == "workflow":
            item.add_marker(pytest.mark.workflow)
        asked.setdefault(file_of(item.nodeid), set()).update([lane] if lane else [])
    lanes = [*COSTLY.values(), ENGINE, *SHARED.values()]
    of_file = {file: next((lane for lane in lanes if lane in found), file) for file, found in asked.items()}

    def order(item: pytest.Item) -> int:
        lane = of_file[file_of(item.nodeid)]
        return lanes.index(lane) if lane in lanes else len(lanes) + (not item.get_closest_marker("workflow"))

    items.sort(key=order)
    return of_file


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class LaneScheduling(LoadScopeScheduling):
    """Hands out tests lane by lane.

    xdist's own groups (``--dist loadgroup``) do nothing under this pytest: they rename tests through an attribute it no longer
    has. Here the process that collected first writes the lanes down, and the one that hands them out reads them.
    """

    def __init__(self, config: pytest.Config, log: object, written: Path) -> None:
        super().__init__(config, log)
        self._written, self._lanes = written, None

    def _split_scope(self, nodeid: str) -> str:
        if self._lanes is None:
            self._lanes = json.loads(self._written.read_text())
        return self._lanes[file_of(nodeid)]


def workers(asked: list[str]) -> int:
    """Processes for ``-n auto``: none beside this one where somebody names files to run, else one a core, four at most."""
    named = [one for one in asked if one.partition("::")[0].endswith(".py")]
    return 0 if named else min(WORKERS, len(os.sched_getaffinity(0)))


def threads(processes: int) -> int:
    """What each of the suite's processes computes with, so that together they keep to the cores there are."""
    return max(1, len(os.sched_getaffinity(0)) // processes)
