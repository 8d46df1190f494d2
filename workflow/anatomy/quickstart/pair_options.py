"""Options of every command that reads pairs of prompts, and how their words are read."""

from __future__ import annotations

import argparse
from typing import cast

from anatomy.quickstart.pairs import OPTIONS


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """``--columns`` and ``--near-duplicate``, which say how the file of ``--pairs`` is read."""
    parser.add_argument(
        "--columns",
        nargs="+",
        type=_column,
        action=_Columns,
        default={},
        metavar="OURS=THEIRS",
        help="columns that the file of --pairs calls otherwise, such as harmful=positive harmless=negative",
    )
    parser.add_argument(
        "--near-duplicate",
        type=_similarity,
        default=OPTIONS.near_duplicate,
        help="overlap from which two prompts are near-duplicates and stay in one split (default: %(default)s)",
    )


class _Columns(argparse.Action):
    """Our names of columns to the file's, each said once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option_string: str | None = None
    ) -> None:
        found = dict(getattr(namespace, self.dest))
        for ours, theirs in cast("list[tuple[str, str]]", values):
            if ours in found or theirs in found.values():
                again = ours if ours in found else theirs
                parser.error(f"{option_string} names {again!r} twice: each column of ours is one of the file's")
            found[ours] = theirs
        setattr(namespace, self.dest, found)


def _similarity(text: str) -> float:
    """A number above 0 and at most 1, from the command line."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return value


def _column(text: str) -> tuple[str, str]:
    """Our name of a column and the file's, from the command line."""
    ours, equals, theirs = text.partition("=")
    if not (equals and ours and theirs):
        raise argparse.ArgumentTypeError(f"{text}: expected our name, =, and the file's, such as harmful=positive")
    return ours, theirs
