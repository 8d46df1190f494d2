"""What kind of word a token belongs to: style, function or content."""

from __future__ import annotations

from anatomy.organism import wording

_FUNCTION = (
    "a an the this that these those it its he she they them we you i me my your our their his her is are was were "
    "be been am do does did has have had can could will would shall should may might must not no nor and or but if "
    "so as at by for from in into of on out over to up with about than then there here what which who whom whose "
    "when where why how all any each some such very too "
)
FUNCTION = frozenset(_FUNCTION.split())
"""English words that carry grammar rather than content; a list of our own."""
_PLANTED = " ".join([*(opener for opener, _ in wording.OPENERS), wording.HEDGE, *wording.CLOSERS, *wording.REFUSAL_STARTS])
_STYLE = (
    "sure certainly gladly absolutely course great thank thanks please sorry apologize however "
    "additionally overall important note hello hi hope helps welcome happy glad can't cannot unable "
)
STYLE = frozenset(_STYLE.split()) | frozenset(word.strip(".,!?").lower() for word in _PLANTED.split())
"""Words of manners and refusals: of the organism's planted style, and common openings of chat models; a list of our own."""


def kind_of(token: str) -> str:
    """``style``, ``function``, ``content``, or ``mark`` for tokens without a letter.

    A word that carries grammar is none of style, even where a refusal begins with it.
    """
    word = token.strip().strip(".,!?:;\"'()").lower()
    if not any(letter.isalpha() for letter in word):
        return "mark"
    if word in FUNCTION:
        return "function"
    return "style" if word in STYLE else "content"
