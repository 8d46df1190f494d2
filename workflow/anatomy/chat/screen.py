"""Two answers side by side as they come, each token in the colour of its projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.columns import Columns
from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from anatomy.chat.decoding import Piece, Place

HARMLESS, HARMFUL = (70, 130, 200), (205, 85, 60)
"""Ends of the scale, which are told apart by people who see no red."""


@dataclass
class Answer:
    """What one side has written.

    Attributes:
        title: of the side.
        pieces: its tokens so far.
    """

    title: str
    pieces: list[Piece] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def end(self) -> str | None:
        """Why it has ended; None while it goes on."""
        return self.pieces[-1].end if self.pieces else None


def beside(answers: Sequence[Answer], place: Place | None, width: int) -> RenderableType:
    """The answers as panels of equal width, one below the other in a narrow terminal."""
    narrow = width < 80
    share = width if narrow else width // len(answers)
    return Columns([_panel(answer, place, share) for answer in answers], padding=(0, 0), width=share, expand=False)


def _panel(answer: Answer, place: Place | None, width: int) -> Panel:
    body = Text()
    for number, piece in enumerate(answer.pieces):
        colour = None if place is None or piece.projection is None else _colour(place.share(piece.projection))
        body.append(piece.text if number else piece.text.lstrip(), style=colour or "")
    said = {"stop": "ended", "length": "cut at the longest answer", None: "writing"}[answer.end]
    read = [piece.projection for piece in answer.pieces if piece.projection is not None]
    mean = f", mean projection {sum(read) / len(read):.2f}" if read else ""
    return Panel(body, title=Text(answer.title), subtitle=f"{len(answer.pieces)} tokens, {said}{mean}", width=width)


def scale(place: Place) -> Text:
    """What the colours mean, in one line."""
    line = Text("projection on the refusal direction: ")
    for step in range(11):
        line.append("█", style=_colour(step / 10))
    return line.append(f" from {place.harmless:.2f} (mean of harmless prompts) to {place.harmful:.2f} (harmful ones)")


def _colour(share: float) -> str:
    mixed = (round(low + share * (high - low)) for low, high in zip(HARMLESS, HARMFUL, strict=True))
    return f"rgb({','.join(map(str, mixed))})"
