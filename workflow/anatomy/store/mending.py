"""Who may take damaged results away, so that the next run makes them anew: a run's jobs, and nobody who only looks at a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_jobs = 0


def may_mend() -> bool:
    """Whether this process is a job of a run; a notebook, a chat, an audit or an export of directions is none."""
    return _jobs > 0


@contextmanager
def mending() -> Iterator[None]:
    """For a job: what it finds damaged may be removed or set aside."""
    global _jobs
    _jobs += 1
    try:
        yield
    finally:
        _jobs -= 1
