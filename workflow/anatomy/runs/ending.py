"""A job's process ends as soon as its work is done.

Python would take apart, object by object, all that vLLM and transformers made when they were imported: two to three seconds in
each of a run's many short jobs, for memory that the kernel takes back anyway.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable


def end_at_once() -> Callable[[], None]:
    """Let this process end without taking its objects apart, after every handler that was registered for its end.

    Only in a process that Snakemake started for a script: a test or a notebook that runs a job lives on, and closes as it likes.

    Returns:
        To be called when the job is done. A process that ends without it, or with an exception after it, has failed (status 1).
    """
    status = [1]
    if not hasattr(sys.modules["__main__"], "snakemake"):
        return lambda: None

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(1 if hasattr(sys, "last_type") else status[0])

    atexit.register(leave)  # handlers run in reverse: this one, registered before anything is imported, is the last
    return lambda: status.__setitem__(0, 0)
