"""Imports that cost as little as they can: half of a short job is spent in them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_sklearn() -> Iterator[None]:
    """Hide scikit-learn from what is imported inside, unless it is there already.

    transformers imports it for a curve of assisted generation: a second in each of a run's many short jobs.
    """
    if "sklearn" in sys.modules:
        yield
        return
    sys.modules["sklearn"] = None
    try:
        yield
    finally:
        del sys.modules["sklearn"]


def collect_rarely() -> None:
    """Let Python look for unreachable cycles a hundred times less often than it would.

    By default it does so over and over while vLLM or transformers make the hundreds of thousands of objects that they are: a
    quarter of their import. What a job computes with is freed by reference counts, without a collection.
    """
    gc.set_threshold(100_000, 50, 100)


def imports_are_done() -> None:
    """Take what has been imported so far out of all later collections: it stays, and each walk over it costs half a second."""
    gc.freeze()
