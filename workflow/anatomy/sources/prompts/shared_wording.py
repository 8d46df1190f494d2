"""What most prompts of a set begin or end with, which says nothing about which of them are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from anatomy.sources.prompts.wording import normal_wording

LEAST_LETTERS = 40
"""Shorter beginnings are left: at the similarity of .8 a shared text of p letters makes two prompts near-duplicates that
differ in a word of f letters where p >= 8 (f + 4), 40 letters for a single one."""
LEAST_PROMPTS, LEAST_SHARE = 20, 0.5
"""A form of words is a set's own, and no mark of a few near-duplicates, if so many prompts have it."""


@dataclass(frozen=True)
class SharedWording:
    """Words, in normal wording, that so many prompts begin or end with; empty for none."""

    beginning: tuple[str, ...] = ()
    end: tuple[str, ...] = ()

    def taken_off(self, prompt: str) -> str:
        """The normal wording of a prompt without what it shares; whole where nothing else is left."""
        whole = tuple(normal_wording(prompt).split())
        words = whole[_run(whole, self.beginning) :]
        words = words[: len(words) - _run(words[::-1], self.end[::-1])]
        return " ".join(words or whole)

    def note(self) -> str | None:
        """What a reader should know of it; None where nothing is shared."""
        parts = [f"{verb} '{_short(words)}'" for verb, words in (("begin with", self.beginning), ("end with", self.end)) if words]
        return (
            f"most prompts {' and '.join(parts)}: that part does not count when near-duplicates are looked for" if parts else None
        )


def shared_wording(prompts: Sequence[str]) -> SharedWording:
    """Find what at least half of the prompts (and at least 20 different ones) begin and end with, 40 letters or more.

    A preamble of 160 letters makes prompts near-duplicates that ask different things; all of a set would be one group.
    The cost is linear in the length of the prompts.
    """
    different = {tuple(normal_wording(prompt).split()) for prompt in prompts}
    least = max(LEAST_PROMPTS, ceil(LEAST_SHARE * len(different)))
    beginning = _beginning(different, least)
    end = _beginning({words[_run(words, beginning) :][::-1] for words in different}, least)
    return SharedWording(beginning, end[::-1])


def _beginning(texts: set[tuple[str, ...]], least: int) -> tuple[str, ...]:
    shared: list[str] = []
    while True:
        words = Counter(text[len(shared)] for text in texts if len(text) > len(shared))
        word, number = max(words.items(), key=lambda one: (one[1], one[0]), default=("", 0))
        if number < least:
            return tuple(shared) if len(" ".join(shared)) >= LEAST_LETTERS else ()
        texts = {text for text in texts if len(text) > len(shared) and text[len(shared)] == word}
        shared.append(word)


def _run(words: tuple[str, ...], shared: tuple[str, ...]) -> int:
    """How many words a prompt has in common with the shared beginning; 0 if they are too few to matter."""
    run = next(
        (n for n, (one, other) in enumerate(zip(words, shared, strict=False)) if one != other), min(len(words), len(shared))
    )
    return run if len(" ".join(words[:run])) >= LEAST_LETTERS else 0


def _short(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    return text if len(text) <= LEAST_LETTERS else f"{text[:LEAST_LETTERS]}…"
