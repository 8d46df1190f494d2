"""The scheduler's looks at its queue by the clock: one at a time.

Snakemake limits how many jobs start in a second, and so looks at the queue again a second after each look that left jobs waiting.
Every job that ends begins another such chain and none is told that there are others: after 250 jobs it looks 250 times a second,
a third of a core that the jobs then lack.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def one_wakeup_at_a_time() -> Iterator[None]:
    """Within, no look at the queue is put down where one is due by then."""
    from snakemake.scheduling.job_scheduler import JobScheduler

    before = JobScheduler._schedule_reevalutation
    due: dict[int, float] = {}
    lock = threading.Lock()

    def later(scheduler: Any, delay: float) -> None:
        key, at = id(scheduler), time.monotonic() + delay
        with lock:
            if due.get(key, float("inf")) <= at:
                return
            due[key] = at
        timer = threading.Timer(delay, look, (scheduler, key, at))
        timer.daemon = True  # the last one has nothing to wake
        timer.start()

    def look(scheduler: Any, key: int, at: float) -> None:
        with lock:
            if due.get(key) == at:
                del due[key]
        scheduler._open_jobs.release()

    JobScheduler._schedule_reevalutation = later
    try:
        yield
    finally:
        JobScheduler._schedule_reevalutation = before
