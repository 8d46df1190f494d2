"""One line on how far a long computation is, how fast, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Progress:
    """Counts units and says so after each step.

    Args:
        what: name of the units' computation, the line's first words.
        total: units in all.
        say: receives the lines; None keeps silent.
        clock: seconds, monotonic.
    """

    def __init__(self, what: str, total: int, say: Callable[[str], None] | None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.total, self.done, self.tokens = what, total, 0, 0
        self._say, self._clock, self._started = say, clock, clock()

    def advance(self, units: int, tokens: int = 0) -> None:
        self.done += units
        self.tokens += tokens
        if self._say is not None:
            self._say(self.line())

    def line(self) -> str:
        passed = max(self._clock() - self._started, 1e-9)
        rate = self.done / passed
        parts = [f"{self.what}: {self.done}/{self.total}", f"{rate:.3g}/s"]
        if self.tokens:
            parts.append(f"{self.tokens / passed:.0f} tokens/s")
        left = (self.total - self.done) / rate if rate else float("inf")
        parts.append("done" if self.done >= self.total else f"{duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
