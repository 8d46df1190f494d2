"""Which tests run in one process, and which are spared a contributor who wants an answer in minutes.

Tests of one file stay together, as do all that need the same costly thing: the quick run of the organism, the study of one's
own, vLLM's engine. Costly lanes come first, so that none is left for the end.
"""

import os

import pytest

COSTLY = {"finished": "quick run", "own_run": "own study"}
"""Fixtures that run a whole workflow, and the lane of the tests that need them."""

WORKERS = 4
"""Processes at most: each imports torch, and the costly lanes are no more than this."""


def lane_of(item: pytest.Item) -> str:
    """The lane of a test; all tests of a lane run in one process, in their order."""
    for fixture, lane in COSTLY.items():
        if fixture in item.fixturenames:
            return lane
    return "engine" if item.get_closest_marker("engine") else item.nodeid.partition("::")[0]


def assign_lanes(items: list[pytest.Item]) -> None:
    """Mark each test with its lane, tests that need a whole run as ``workflow``, and put costly lanes first."""
    order = {lane: number for number, lane in enumerate([*COSTLY.values(), "engine"])}
    for item in items:
        lane = lane_of(item)
        item.add_marker(pytest.mark.xdist_group(lane))
        if lane in COSTLY.values():
            item.add_marker(pytest.mark.workflow)
    items.sort(key=lambda item: order.get(lane_of(item), len(order) + (not item.get_closest_marker("workflow"))))


def workers(asked: list[str]) -> int:
    """Processes for ``-n auto``: none beside this one where somebody names files to run, else one a core, four at most."""
    named = [one for one in asked if one.partition("::")[0].endswith(".py")]
    return 0 if named else min(WORKERS, len(os.sched_getaffinity(0)))
