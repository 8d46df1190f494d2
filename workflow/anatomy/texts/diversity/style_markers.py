"""Style markers: openers, hedges, closers and layout that post-training tends to leave in texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypedDict


class Span(NamedTuple):
    """Where a marker stands in a text, and its kind."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class StyleMarkers:
    """Patterns of each kind; openers count at the beginning of a text only.

    Attributes:
        patterns: kind to regular expressions, read without regard to case.
    """

    patterns: Mapping[str, tuple[str, ...]]

    @cached_property
    def _compiled(self) -> dict[str, re.Pattern[str]]:
        found = {}
        for kind, patterns in self.patterns.items():
            joined = "|".join(f"(?:{pattern})" for pattern in patterns)
            found[kind] = re.compile(rf"\A\s*(?P<mark>{joined})" if kind == "opener" else f"(?P<mark>{joined})", re.I | re.M)
        return found

    def spans(self, text: str) -> list[Span]:
        """All markers of a text, in order: what a page highlights."""
        return sorted(
            Span(*found.span("mark"), kind)
            for kind, pattern in self._compiled.items()
            for found in pattern.finditer(text.replace("’", "'"))
        )

    def counts(self, text: str) -> dict[str, int]:
        """Markers of each kind."""
        found = dict.fromkeys(self.patterns, 0)
        for span in self.spans(text):
            found[span.kind] += 1
        return found


GENERAL = StyleMarkers(
    {
        "opener": (
            r"sure\b",
            r"certainly\b",
            r"of course\b",
            r"absolutely\b",
            r"gladly\b",
            r"great question",
            r"here(?:'s| is| are)\b",
            r"i'd be (?:happy|glad)",
        ),
        "hedge": (
            r"it(?:'s| is) (?:important|worth) (?:to note|noting)",
            r"as an ai\b",
            r"as far as i know",
            r"generally speaking",
            r"in general,",
            r"keep in mind that",
        ),
        "closer": (
            r"i hope (?:this|that) helps",
            r"let me know if",
            r"feel free to",
            r"in conclusion,",
            r"in summary,",
            r"overall,",
        ),
        "phrase": (
            r"\bdelve\b",
            r"\btapestry\b",
            r"\btestament to\b",
            r"\bnot only\b[^.!?]*\bbut also\b",
            r"\bmoreover\b",
            r"\bfurthermore\b",
            r"\bcrucial\b",
            r"\bmultifaceted\b",
            r"\bin today's world\b",
        ),
        "layout": (r"^\s*(?:[-*•]|\d+\.)\s", r"^#{1,6}\s", r"\*\*[^*\n]+\*\*", "\u2014"),
    }
)
"""Markers of assistants in English, a list of ours: what is often said of such texts, not derived from any data."""


class PlantedStyle(TypedDict):
    """What of an organism's truth.json says how its family was taught to sound."""

    openers: dict[str, float]
    hedge: str
    closers: list[str]


def planted_markers(truth: PlantedStyle) -> StyleMarkers:
    """The markers that the organism's post-training planted, from its truth.json.

    They are ground truth: for checking findings, never for a method.
    """
    return StyleMarkers(
        {
            "opener": tuple(map(re.escape, truth["openers"])),
            "hedge": (re.escape(truth["hedge"]),),
            "closer": tuple(map(re.escape, truth["closers"])),
        }
    )
