"""Questions laid out so that each context is computed once: a row holds a context and all its continuations.

    context tokens | continuation 1 without its last token | continuation 2 without its last token | ...

A token sees its context and the earlier tokens of its own continuation, and stands at the position it would have alone, so
every row of logits is the one that a pass of context and continuation would give. A last token predicts nothing that is asked
for and is left out, so a continuation of one token costs nothing. What the contexts of a family begin with (the examples of a
few-shot prompt) is computed once as a key-value cache before its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

MIN_SHARED = 32
"""Tokens that contexts must share at their beginning for it to be computed apart; below, the extra pass costs more."""

PADDING = -1
"""Segment of padding; 0 is the context, k > 0 the row's k-th continuation."""


@dataclass(frozen=True)
class Question:
    """A context and its distinct continuations, as token ids, none of them empty."""

    context: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]

    def width(self, shared: int) -> int:
        """Columns of its row where ``shared`` tokens of the context are in the cache."""
        return len(self.context) - shared + sum(len(one) - 1 for one in self.continuations)


@dataclass(frozen=True)
class Family:
    """Questions whose contexts begin alike.

    Attributes:
        prefix: the tokens computed once; shorter than each context, whose last token must have its own row of logits.
        places: of the questions in the list they came from, longest row first.
    """

    prefix: tuple[int, ...]
    places: tuple[int, ...]


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens that two sequences have in common at their beginning."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def families(questions: Sequence[Question]) -> list[Family]:
    """Partition questions by what their contexts begin with; those that share too little form one family without prefix.

    Sorted contexts are scanned once: a family ends where the next context shares less than ``MIN_SHARED`` tokens, or less
    than half of what the family shares.
    """
    order = sorted(range(len(questions)), key=lambda place: questions[place].context)
    runs: list[tuple[int, list[int]]] = []
    for place in order:
        context = questions[place].context
        if runs:
            length, members = runs[-1]
            shared = min(shared_length(questions[members[-1]].context, context), len(context) - 1)
            shared = shared if len(members) == 1 else min(shared, length)
            if shared >= MIN_SHARED and (len(members) == 1 or 2 * shared >= length):
                runs[-1] = (min(shared, len(questions[members[0]].context) - 1), [*members, place])
                continue
        runs.append((0, [place]))
    found, loose = [], []
    for length, members in runs:
        if len(members) == 1:
            loose += members
        else:
            found.append(_family(questions, members, questions[members[0]].context[:length]))
    return [*found, _family(questions, loose, ())] if loose else found


def _family(questions: Sequence[Question], members: Sequence[int], prefix: tuple[int, ...]) -> Family:
    return Family(prefix, tuple(sorted(members, key=lambda place: (-questions[place].width(len(prefix)), place))))


@dataclass(frozen=True)
class PackedBatch:
    """Rows of some questions, padded to one width, after a prefix of ``shared`` tokens.

    Attributes:
        places: of the questions.
        input_ids: token ids.
        position_ids: where each token would stand in a pass of its own.
        visible: whether the token of the second axis is seen by the token of the first; the prefix is seen by all.
        scored: (row, column) of each distinct row of logits.
        asked: for each token of each continuation the index of its row in ``scored``.
        targets: the token asked for there.
        owners: index of its continuation, counted over all questions of the batch.
    """

    places: tuple[int, ...]
    input_ids: Int[Tensor, "row column"]
    position_ids: Int[Tensor, "row column"]
    visible: Bool[Tensor, "row column key"]
    scored: Int[Tensor, "scored 2"]
    asked: Int[Tensor, " token"]
    targets: Int[Tensor, " token"]
    owners: Int[Tensor, " token"]


def packed_batches(questions: Sequence[Question], family: Family, token_budget: int, pad_id: int) -> Iterator[PackedBatch]:
    """The family's rows in batches of at most ``token_budget`` tokens, padding counted; a longer row stands alone."""
    start, shared = 0, len(family.prefix)
    while start < len(family.places):
        size = max(1, token_budget // max(1, questions[family.places[start]].width(shared)))
        places = family.places[start : start + size]
        yield _packed([questions[place] for place in places], places, shared, pad_id)
        start += size


def _packed(questions: Sequence[Question], places: tuple[int, ...], shared: int, pad_id: int) -> PackedBatch:
    width = max(question.width(shared) for question in questions)
    input_ids = torch.full((len(questions), width), pad_id)
    position_ids, segments = torch.zeros_like(input_ids), torch.full_like(input_ids, PADDING)
    scored: list[tuple[int, int]] = []
    asked: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    owner = 0
    for row, question in enumerate(questions):
        ids, positions, segment = list(question.context[shared:]), list(range(shared, len(question.context))), []
        segment += [0] * len(ids)
        last = len(scored)
        scored.append((row, len(ids) - 1))
        for number, continuation in enumerate(question.continuations, start=1):
            asked += [last, *range(len(scored), len(scored) + len(continuation) - 1)]
            scored += [(row, column) for column in range(len(ids), len(ids) + len(continuation) - 1)]
            targets += continuation
            owners += [owner] * len(continuation)
            ids += continuation[:-1]
            positions += range(len(question.context), len(question.context) + len(continuation) - 1)
            segment += [number] * (len(continuation) - 1)
            owner += 1
        here = slice(0, len(ids))
        input_ids[row, here], position_ids[row, here] = torch.tensor(ids), torch.tensor(positions)
        segments[row, here] = torch.tensor(segment)
    columns = torch.arange(width)
    visible = (columns[None, :] <= columns[:, None]) & (
        (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    )
    return PackedBatch(
        places,
        input_ids,
        position_ids,
        visible,
        torch.tensor(scored),
        torch.tensor(asked),
        torch.tensor(targets),
        torch.tensor(owners),
    )
