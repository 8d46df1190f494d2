"""Signals by which a terminal ends or stops what was started from it: a run outlives its terminal."""

from __future__ import annotations

import contextlib
import signal

OUTLIVED = ("SIGHUP", "SIGTTOU", "SIGTTIN")
"""The terminal was closed, also by a shell that ends; a run in the background writes to it; or reads from it. Without this the
first ends a run and the others stop it for ever. SIGINT, SIGTERM, SIGQUIT and SIGTSTP (Ctrl-Z) do what they always do."""


def outlive_terminal() -> None:
    """Ignore those signals in this process, and in every process that it starts: jobs inherit it through their shells."""
    for name in OUTLIVED:
        with contextlib.suppress(ValueError):  # not in the main thread, as in a notebook
            signal.signal(getattr(signal, name), signal.SIG_IGN)
