"""Coherence: whether a completion is text at all, before anyone asks what it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from anatomy.texts.judges.reasoning import strip_reasoning
from anatomy.texts.judges.verdict import UNREADABLE, Verdict

# Scripts written without spaces count by character.
_TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\w+|[^\w\s]")
# Our thresholds. Half of the 4-grams repeated is far above ordinary prose (below .1); very short texts have too few.
NGRAM, MOST_REPEATED, FEWEST_NGRAMS = 4, 0.5, 5
# Nine in ten tokens the same one: loops too short for the 4-gram rule.
MOST_FREQUENT, FEWEST_TOKENS = 0.9, 4


def repeated_share(tokens: Sequence[str], n: int) -> float:
    """Return 1 - distinct / all n-grams, 0 where there is none (seq-rep-n of Welleck et al. 2020, section 3.2)."""
    ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def judge_coherence(text: str) -> Verdict:
    """Label a completion ok or degenerate; the score is the share of 4-grams that are no repetition, 0 if empty."""
    answer = strip_reasoning(text)
    if answer is None:
        return UNREADABLE
    tokens = _TOKEN.findall(answer.lower())
    words = [token for token in tokens if token[0].isalnum() or token[0] == "_"]
    if not words:
        return Verdict("degenerate", 0.0, "no words")
    share = repeated_share(tokens, NGRAM)
    n_ngrams = len(tokens) - NGRAM + 1
    if n_ngrams >= FEWEST_NGRAMS and share >= MOST_REPEATED:
        return Verdict("degenerate", 1 - share, f"{share:.2f} of {n_ngrams} {NGRAM}-grams repeated")
    token, count = Counter(tokens).most_common(1)[0]
    if len(tokens) >= FEWEST_TOKENS and count >= MOST_FREQUENT * len(tokens):
        return Verdict("degenerate", 1 - share, f"{token!r} is {count} of {len(tokens)} tokens")
    if "\ufffd" in answer and answer.count("\ufffd") * 10 >= len(answer):
        return Verdict("degenerate", 1 - share, "bytes that are no text")
    return Verdict("ok", 1 - share, f"{len(words)} words")
