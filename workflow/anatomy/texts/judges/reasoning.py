"""Reasoning spans: what a model writes to itself before its answer, which no judge of the answer may read."""

from __future__ import annotations

import re

_OPEN = re.compile(r"<(think|thinking|thought|reasoning)>|\[THINK\]", re.IGNORECASE)
_CLOSE = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]", re.IGNORECASE)


def strip_reasoning(text: str) -> str | None:
    """Return the answer that follows the reasoning, or None where a span was opened and never closed.

    Templates that open the span themselves leave only the closing mark in the completion, so everything up to the last
    closing mark is reasoning whether or not an opening mark is there.
    """
    closed = 0
    for mark in _CLOSE.finditer(text):
        closed = mark.end()
    answer = text[closed:]
    opened = _OPEN.search(answer)
    return None if opened and not answer[: opened.start()].strip() else answer.strip()
