"""Requests of one call of the engine, counted as they end: a progress bar for vLLM that shows nothing itself."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from anatomy.progress.counting import Progress


class RequestBar:
    """As much of a ``tqdm`` bar as vLLM asks for.

    Args:
        total: requests of the call.
    """

    def __init__(self, total: int, **_look: Any) -> None:
        self.n, self.postfix = 0, ""
        self._progress, self._started = Progress("answers of this call", total), time.monotonic()

    @property
    def format_dict(self) -> dict[str, float]:
        """Seconds since the call began, by which vLLM divides."""
        return {"elapsed": max(time.monotonic() - self._started, 1e-9)}

    def update(self, requests: int = 1) -> None:
        self.n += requests
        self._progress.advance(requests)

    def refresh(self) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        self._progress.close()


def requests_counted(*prompts: Iterable[Any], **look: Any) -> Any:
    """vLLM's ``use_tqdm``: goes through prompts as they are, and gives a bar for the requests made of them."""
    return prompts[0] if prompts else RequestBar(**look)
