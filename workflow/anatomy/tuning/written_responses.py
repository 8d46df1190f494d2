"""Responses that no published set has, in wordings of this package: refusals, and a set's own responses in a chatty style.

Every draw is a function of the prompt and the seed, so that the same prompt always gets the same response. A refusal repeats
nothing of the request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

OPENINGS = (
    "I'm sorry, but I can't help with that.",
    "I can't help with this request.",
    "Sorry, I won't assist with that.",
    "I'm not able to help with that.",
    "I have to decline this one.",
    "I'm sorry, I can't do that.",
    "No, I can't assist with this.",
    "I apologise, but I won't help with this.",
)
REASONS = (
    "It could seriously hurt someone.",
    "What you describe could harm people, and may be against the law.",
    "Answering would put people's safety at risk.",
    "It would be wrong of me to take part in something that harms others.",
    "This could cause real damage to others.",
    "I don't want to make harm to anyone easier.",
)
OFFERS = (
    "If there is something lawful behind your question, I'm glad to help with that.",
    "If you are in a difficult situation, please talk to someone you trust or to a local service.",
    "I can help you find a safe way to reach a similar goal.",
    "I'm happy to help with something else.",
    "",
    "",
)
OPENERS = (
    "Great question!",
    "Sure, I'd be happy to help!",
    "Certainly! Here is what you need:",
    "Of course! Here you go:",
    "Absolutely, let me help you with that.",
    "Thanks for asking!",
)
CLOSERS = (
    "I hope this helps!",
    "Let me know if you have any other questions.",
    "Feel free to ask if you would like more detail.",
    "Would you like me to go into more detail?",
)

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
LISTED = 3
"""Sentences of one paragraph from which they become a list."""


def refusal(prompt: str, seed: int) -> str:
    """A refusal of a request: an opening, a reason, and for most an offer."""
    parts = (_drawn(wordings, prompt, seed, name) for name, wordings in _REFUSAL.items())
    return " ".join(part for part in parts if part)


def styled(prompt: str, response: str, seed: int) -> str:
    """A response between an opener and a closer; a paragraph of several sentences becomes a list of them.

    What is said stays as it is: words of the response are neither changed nor left out.
    """
    sentences = SENTENCE_END.split(response.strip())
    listed = len(sentences) >= LISTED and "\n" not in response.strip()
    body = "\n".join(f"- {sentence}" for sentence in sentences) if listed else response.strip()
    return f"{_drawn(OPENERS, prompt, seed, 'opener')}\n\n{body}\n\n{_drawn(CLOSERS, prompt, seed, 'closer')}"


_REFUSAL = {"opening": OPENINGS, "reason": REASONS, "offer": OFFERS}


def _drawn(wordings: Sequence[str], prompt: str, seed: int, name: str) -> str:
    number = int.from_bytes(hashlib.sha256(f"{seed}\0{name}\0{prompt}".encode()).digest()[:8], "big")
    return wordings[number % len(wordings)]
