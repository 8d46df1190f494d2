"""Imports that cost as little as they can: half of a short job is spent in them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

RARELY = 100_000
"""Objects made since the last collection that bring on the next one; Python's own number is 700."""


UNUSED = ("sklearn", "scipy")
"""Packages that vLLM and transformers import if they are there, for audio, vision and a curve of assisted generation."""


@contextmanager
def without_unused() -> Iterator[None]:
    """Hide packages from what is imported inside that it can do without, unless they are there already.

    A second and a half in each of a run's many short jobs.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None is import's own mark: not to be had
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def collect_rarely() -> None:
    """Let Python look for unreachable cycles a hundred times less often than it would.

    By default it does so over and over while vLLM or transformers make the hundreds of thousands of objects that they are: a
    quarter of their import. What a job computes with is freed by reference counts, without a collection.
    """
    gc.set_threshold(RARELY, 50, 100)


@contextmanager
def one_collection() -> Iterator[None]:
    """Inside it Python's garbage collector is not called by hand; afterwards it is, once.

    vLLM calls it four times while an engine is closed, over everything that was ever imported: two seconds. In a job that
    collects rarely it is left out, since the process and its memory end soon.
    """
    collect = gc.collect
    gc.collect = lambda generation=2: 0
    try:
        yield
    finally:
        gc.collect = collect
        if gc.get_threshold()[0] < RARELY:
            gc.collect()


def imports_are_done() -> None:
    """Take what has been imported so far out of all later collections: it stays, and each walk over it costs half a second."""
    gc.freeze()
