"""The live line of a terminal: how it is emptied, and cut so that it stays one line."""

CLEAR = "\r\x1b[K"
"""Back to the beginning of the line, and empty it: what others write then starts on a clean line."""


def fitted(line: str, columns: int) -> str:
    """A line cut so that it does not wrap: a wrapped line could not be taken back."""
    return line if len(line) < columns else f"{line[: max(0, columns - 2)]}…"
