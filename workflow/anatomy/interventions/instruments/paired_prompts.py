"""Clean and corrupt prompts of equal length, so that each column of one run stands beside its counterpart in the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.errors import DataError


@dataclass(frozen=True)
class PairedPrompts:
    """A prompt that shows the behaviour and one that does not.

    Attributes:
        id: of the clean prompt.
        corrupt_id: of the other one.
        group: of the clean prompt, for intervals over groups.
        clean: token ids of the rendered prompt that shows the behaviour.
        corrupt: as many token ids of the one that does not.
    """

    id: str
    corrupt_id: str
    group: str
    clean: tuple[int, ...]
    corrupt: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.clean) != len(self.corrupt):
            raise DataError(
                found=f"{len(self.clean)} tokens in {self.id} and {len(self.corrupt)} in {self.corrupt_id}",
                expected="as many tokens in both, so that positions correspond",
                where="a pair of prompts for patching",
                remedy="let the workflow pair prompts of equal length (pair_by_length), or write the pair so that it is one",
            )
        if not self.clean:
            raise DataError(
                found=f"no tokens in {self.id} nor in {self.corrupt_id}",
                expected="at least one token in both",
                where="a pair of prompts for patching",
                remedy="leave prompts without text out",
            )

    @property
    def length(self) -> int:
        """Tokens of each side."""
        return len(self.clean)

    @property
    def alike(self) -> int:
        """Tokens that both sides begin with, such as a template's: causal runs of the two are the same there."""
        differ = (place for place, (one, other) in enumerate(zip(self.clean, self.corrupt, strict=True)) if one != other)
        return next(differ, self.length)


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt: its id, its group, its tokens, and the name that ties it to its counterpart, where it has one."""

    id: str
    group: str
    tokens: tuple[int, ...]
    pair: str | None = None


def pair_by_length(clean: Sequence[Prompt], corrupt: Sequence[Prompt], most: int) -> tuple[list[PairedPrompts], int]:
    """Pair prompts of equal length, each used once: those that are tied to one another first, then those most alike.

    Nothing is cut or padded to make a pair.

    Args:
        clean: prompts that show the behaviour.
        corrupt: prompts that do not.
        most: how many pairs are wanted; evenly over what could be paired, in the order of ``clean``.

    Returns:
        The pairs, and how many clean prompts have no counterpart of their length.

    Raises:
        DataError: no two prompts have the same length.
    """
    by_length: dict[int, list[Prompt]] = defaultdict(list)
    for prompt in corrupt:
        by_length[len(prompt.tokens)].append(prompt)
    found = []
    for prompt in clean:
        rest = by_length[len(prompt.tokens)]
        if rest:
            best = max(rest, key=lambda other: (_tied(prompt, other), _alike(prompt.tokens, other.tokens)))
            rest.remove(best)
            found.append(PairedPrompts(prompt.id, best.id, prompt.group, prompt.tokens, best.tokens))
    if not found:
        lengths = [sorted({len(prompt.tokens) for prompt in side}) for side in (clean, corrupt)]
        raise DataError(
            found=f"clean prompts of {_range(lengths[0])} tokens and corrupt ones of {_range(lengths[1])}, none of equal length",
            expected="at least one clean and one corrupt prompt with as many tokens once rendered",
            where="prompts for patching",
            remedy="add prompts whose two sides are worded alike; they are never cut or padded to fit",
        )
    kept = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in kept], len(clean) - len(found)


def _tied(one: Prompt, other: Prompt) -> bool:
    return one.pair is not None and one.pair == other.pair


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Columns in which both have the same token."""
    return sum(a == b for a, b in zip(one, other, strict=True))


def _range(lengths: Sequence[int]) -> str:
    return "no" if not lengths else f"{lengths[0]} to {lengths[-1]}"
