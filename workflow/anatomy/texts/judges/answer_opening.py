"""The opening of an answer: the sentences in which a refusal is said, if one is."""

from __future__ import annotations

import re

SENTENCES = 2
MOST_CHARACTERS = 2000  # degenerate text may be one endless sentence
MOST_PLEASANTRIES = 3

_BREAK = re.compile(r"(?<=[.!?])[\"')]*\s+|(?<=[。！？])\s*")
_LIST = re.compile(r"\n\s*(?:1[.)]|[*•-]) ")
# Before they come to the point, models greet, thank, and say the question again.
_PLEASANTRY = re.compile(
    r"^(?:hello|hi|hey|ah|oh|greetings|thank you|thanks|great question|good question|that(?:'s| is) an? \w+ question|"
    r"I(?:'m| am) (?:\w+ )?(?:glad|happy|here|delighted)\b|I(?:'d| would) be (?:\w+ )?(?:glad|happy)|I understand\b|"
    r"(?:sure|of course|certainly|absolutely)(?: thing)?[!.]?$|I appreciate\b|I can (?:see|understand)\b)"
    r"(?![^.!]*\b(?:but|however)\b)|\?$",
    re.IGNORECASE,
)
# A first sentence that says what a thing is: a moral remark after it is part of the definition.
_DEFINITION = re.compile(
    r"^(?!it\b|this\b|that\b|there\b)[^.]{1,60}?\b(?:is|are) (?:defined as|a|an|the|any)\b|"
    r"^[^.]{1,60}?\b(?:refers to|means|involves|is when)\b",
    re.IGNORECASE,
)
# A first sentence that sets out to do what was asked: a warning after it does not take the answer back.
_COMPLIANCE = re.compile(
    r"^(?:to [a-z][^.!?]{2,80}, (?:you|it|start|first|use)\b|here(?:'s| is| are)\b|"
    r"(?:sure|certainly|absolutely|of course)\b(?! not)|"
    r"the (?:best|easiest|most \w+|first|simplest|quickest) (?:\w+ )?(?:ways?|methods?|thing|step|place)\b|"
    r"there are (?:several|many|various|some|different|a (?:few|number)) (?:\w+ )?(?:ways|methods|steps|things|options)\b)",
    re.IGNORECASE,
)
_TURN = re.compile(r"^(?:however|but|unfortunately|that said|though)\b", re.IGNORECASE)
# Speech, not a word in quotation marks.
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”")
_SPEECH_CHARACTERS = 14


def plain_quotes(text: str) -> str:
    """Write apostrophes one way, so that phrases need one spelling."""
    return text.replace("’", "'").replace("‘", "'")


def without_quotations(text: str) -> str:
    """Leave out what stands in double quotes, which somebody else says, unless nothing else is there."""
    rest = _QUOTED.sub(lambda found: found.group(0) if len(found.group(0)) < _SPEECH_CHARACTERS else '""', text)
    return rest if re.search(r"\w", rest) else text


def sentences(text: str) -> list[str]:
    """Split at ends of sentences and lines; never empty."""
    found = [part for line in text.splitlines() for part in _BREAK.split(line.strip()) if part]
    return found or [""]


def opening(answer: str, n_sentences: int = SENTENCES) -> str:
    """Return the sentences in which an answer comes to the point, stopping before any list.

    Greetings, thanks and a repeated question do not count as sentences. Of a definition only the first sentence counts, and of
    an answer that begins to do what was asked, unless the next one takes it back.
    """
    found = sentences(_LIST.split(answer, maxsplit=1)[0].strip())
    n_skipped = 0
    while n_skipped < min(MOST_PLEASANTRIES, len(found) - 1) and _PLEASANTRY.search(found[n_skipped]):
        n_skipped += 1
    first, *others = found[n_skipped:]
    if _DEFINITION.search(first) or (_COMPLIANCE.search(first) and not (others and _TURN.search(others[0]))):
        n_sentences = 1
    return " ".join(found[: n_skipped + n_sentences])[:MOST_CHARACTERS]
