"""Which first answer tokens mean refusal: derived from a model's own answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anatomy.errors import DataError
from anatomy.statistics.intervals import wilson_interval

CONFIDENCE = 0.95
"""Of the intervals that decide whether a token begins too many compliances."""

PUBLISHED = {"": ("I",), "qwen": ("I", "As")}
"""Words whose first token begins a refusal, by how a model's type begins. In the models' own tokens they are those of the refusal
metric of Arditi et al. 2024: Llama-3 {40} and Qwen {40, 2121}, Gemma {235285}, Llama-2 {306} and Yi {59597}."""


@dataclass(frozen=True)
class RefusalTokens:
    """Refusal tokens and the evidence for them.

    Attributes:
        outcome: ``found``, or ``none found`` (no refusals, or refusals begin as compliances do): what depends on the
            tokens is then not testable on this model.
        tokens: ids, most frequent first.
        common_prefix: ids that every answer begins with; the metric is read after them.
        refusal_counts: how often each token follows the prefix in refusals.
        compliance_counts: the same for compliances.
        refusals: number of refusals.
        compliances: number of compliances.
    """

    outcome: Literal["found", "none found"]
    tokens: tuple[int, ...]
    common_prefix: tuple[int, ...]
    refusal_counts: dict[int, int]
    compliance_counts: dict[int, int]
    refusals: int
    compliances: int

    @property
    def coverage(self) -> float:
        """Share of refusals that begin with one of the tokens."""
        return sum(self.refusal_counts.get(token, 0) for token in self.tokens) / max(self.refusals, 1)


def derive_refusal_tokens(
    answers: Sequence[Sequence[int]], refused: Sequence[bool], *, least_refusal_share: float, most_compliance_share: float
) -> RefusalTokens:
    """Tokens that begin refusals but not compliances, from a model's own answers on training and validation prompts.

    The limit for compliances is decided by an interval at the number at hand: a token goes where it surely begins more of them.
    Two of 79 compliances that begin with "I", as 31 of 33 refusals do, say nothing against it.

    Ours; Arditi et al. 2024 (appendix B) chose theirs by looking at answers. If all answers begin with the same tokens
    (a style opener, an empty reasoning span), the token after this common prefix counts.

    Args:
        answers: token ids of each answer, special end tokens included or not.
        refused: whether each answer refuses.
        least_refusal_share: a token must begin at least this share of refusals.
        most_compliance_share: and not surely more than this share of compliances; and surely more refusals than compliances.

    Raises:
        DataError: answers and flags do not match.
    """
    if len(answers) != len(refused):
        raise DataError(
            found=f"{len(refused)} flags for {len(answers)} answers", expected="one flag an answer", where="refusal tokens"
        )
    prefix = common_prefix([answer for answer in answers if answer])
    counts: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    for answer, flag in zip(answers, refused, strict=True):
        if len(answer) > len(prefix):
            counts[bool(flag)][answer[len(prefix)]] += 1
    refusals, compliances = sum(map(bool, refused)), sum(not flag for flag in refused)
    tokens = [
        token
        for token, count in sorted(counts[True].items(), key=lambda item: (-item[1], item[0]))
        if count >= least_refusal_share * refusals
        and _tells(count, refusals, counts[False][token], compliances, most_compliance_share)
    ]
    return RefusalTokens(
        outcome="found" if tokens else "none found",
        tokens=tuple(tokens),
        common_prefix=prefix,
        refusal_counts=dict(counts[True]),
        compliance_counts=dict(counts[False]),
        refusals=refusals,
        compliances=compliances,
    )


def _tells(refused: int, refusals: int, complied: int, compliances: int, most: float) -> bool:
    """Whether a token tells refusals from compliances, by Wilson intervals of both shares."""
    if complied == 0:
        return True
    low = wilson_interval(complied, compliances, CONFIDENCE).low
    return low <= most and wilson_interval(refused, refusals, CONFIDENCE).low > complied / compliances


def published_words(model_type: str) -> tuple[str, ...]:
    """The paper's words for a type of model, such as ``qwen2``; those of most models where it says nothing of this one."""
    return PUBLISHED[max((start for start in PUBLISHED if model_type.startswith(start)), key=len)]


def first_tokens(tokenizer: Any, words: Sequence[str]) -> tuple[int, ...]:
    """The token that an answer begins with if it begins with a word, once each, in the order of the words.

    Raises:
        DataError: a word has no tokens.
    """
    found = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    if empty := [word for word, ids in zip(words, found, strict=True) if not ids]:
        raise DataError(found=f"no token for {empty[0]!r}", expected="a tokenizer that knows the letters", where="refusal tokens")
    return tuple(dict.fromkeys(ids[0] for ids in found))


def common_prefix(answers: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Longest run of tokens that all answers begin with, leaving each at least one token; empty below two answers."""
    if len(answers) < 2:
        return ()
    longest = min(map(len, answers)) - 1
    shared = 0
    while shared < longest and len({answer[shared] for answer in answers}) == 1:
        shared += 1
    return tuple(answers[0][:shared])
