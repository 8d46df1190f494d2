"""What two models say of a text's tokens: everything that Binoculars and the curvature detectors are made of.

With ``q`` the reference's next-token distribution and ``l(v) = log p(v)`` the scorer's log-probabilities, at each position t:

    logprob_t  = l(x_t)        expected_t = sum_v q(v) l(v)        variance_t = sum_v q(v) (l(v) - expected_t)^2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.models.activations.batching import batches
from anatomy.models.scorer import Scorer
from anatomy.models.vocabulary import require_rows
from anatomy.texts.detectors.detection import EMPTY, NOT_FINITE, SHORT

ROWS = 256
"""Positions whose distributions are held at once."""


@dataclass(frozen=True)
class Reading:
    """How texts are read.

    Attributes:
        token_budget: tokens a batch, padding counted.
        max_tokens: longer texts are read up to here (512 in Binoculars and PASTA).
        min_tokens: texts with fewer scored tokens are excluded as short: their scores are noise.
        beginning: put the tokenizer's beginning token, or else its end token, in front, so that the first word is scored too. The
            published detectors score from the second token on; for texts of a dozen tokens that loses too much.
        leading_space: read the text with a space in front, as it stood after its prefix.
    """

    token_budget: int
    max_tokens: int = 512
    min_tokens: int = 16
    beginning: bool = False
    leading_space: bool = False


@dataclass(frozen=True)
class PairStatistics:
    """Sums over a text's scored tokens, fp64, in nats.

    Attributes:
        n_tokens: tokens scored.
        logprob: sum of the scorer's log-probabilities of the tokens.
        expected: sum of what the scorer would give tokens drawn from the reference.
        variance: sum of the variances of that.
        after: the expected log-probability after the last token, which no token answers to.
        excluded: why there are no sums; empty where there are.
    """

    n_tokens: int
    logprob: float = 0.0
    expected: float = 0.0
    variance: float = 0.0
    after: float = 0.0
    excluded: str = ""


@dataclass(frozen=True)
class ScorerPair:
    """A reference (observer, sampling model) and a scorer (performer, scoring model) that share a tokenizer.

    Raises:
        ModelError: tokenizers that differ.
    """

    reference: Scorer
    scorer: Scorer

    def __post_init__(self) -> None:
        if self.reference is not self.scorer and self.reference.tokenizer.get_vocab() != self.scorer.tokenizer.get_vocab():
            raise ModelError(
                found="two tokenizers that differ",
                expected="scorers that share one",
                where="a pair of scorers",
                remedy="take both scorers from one family",
            )

    @property
    def digest(self) -> list[str]:
        """What the pair's scores depend on."""
        return [self.reference.digest, self.scorer.digest]


@torch.inference_mode()
def pair_statistics(pair: ScorerPair, texts: Sequence[str], reading: Reading) -> list[PairStatistics]:
    """Statistics of each text, in order.

    Logits are taken in the models' dtype, log-probabilities in fp32, sums in fp64. A text whose sums are not finite is excluded
    by name, so that it can be counted and never averaged.
    """
    encoded = [encode(pair.scorer.tokenizer, text, reading) for text in texts]
    require_rows(pair.scorer.tokenizer, encoded, texts)
    found = [
        PairStatistics(max(len(ids) - 1, 0), excluded=SHORT if len(ids) - 1 < reading.min_tokens else "")
        if text.strip()
        else PairStatistics(0, excluded=EMPTY)
        for ids, text in zip(encoded, texts, strict=True)
    ]
    kept = [place for place, one in enumerate(found) if not one.excluded]
    pad = pair.scorer.pad_token_id
    # Padding on the right of a causal model changes nothing before it.
    for batch in batches([encoded[place] for place in kept], reading.token_budget, pad, pair.scorer.device, "right"):
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        scored = pair.scorer.model(**inputs).logits
        same = pair.reference is pair.scorer
        referred = scored if same else pair.reference.model(**{k: v.to(pair.reference.device) for k, v in inputs.items()}).logits
        for row, number in enumerate(batch.rows):
            length = int(batch.attention_mask[row].sum())
            found[kept[number]] = _sums(
                scored[row, :length], referred[row, :length].to(scored.device), batch.input_ids[row, :length]
            )
    return found


def encode(tokenizer: Any, text: str, reading: Reading) -> list[int]:
    """A text's tokens as scorers read them."""
    body = (" " if reading.leading_space else "") + text.strip()
    ids = list(tokenizer(body, add_special_tokens=False)["input_ids"])
    if reading.beginning:
        front = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        ids = [front, *ids]
    return ids[: reading.max_tokens]


def _sums(
    scored: Float[Tensor, "token vocabulary"], referred: Float[Tensor, "token other"], ids: Int[Tensor, " token"]
) -> PairStatistics:
    # Vocabularies of one tokenizer may be padded to different widths; what lies beyond is no token.
    width = min(scored.shape[-1], referred.shape[-1])
    expected, variance, logprob = [], [], []
    for start in range(0, len(ids), ROWS):
        logs = scored[start : start + ROWS, :width].float().log_softmax(-1)
        chances = referred[start : start + ROWS, :width].float().softmax(-1)
        # A probability of 0 times a log-probability of minus infinity is 0, not NaN.
        mean = torch.where(chances > 0, chances * logs, 0.0).sum(-1, dtype=torch.float64)
        spread = torch.where(chances > 0, chances * (logs - mean[:, None].float()) ** 2, 0.0).sum(-1, dtype=torch.float64)
        following = ids[start + 1 : start + ROWS + 1]
        logprob.append(logs[: len(following)].gather(-1, following[:, None])[:, 0].double())
        expected.append(mean)
        variance.append(spread)
    means, spreads = torch.cat(expected), torch.cat(variance)
    sums = (float(torch.cat(logprob).sum()), float(means[:-1].sum()), float(spreads[:-1].sum()), float(means[-1]))
    if not np.isfinite(sums).all():
        return PairStatistics(len(ids) - 1, excluded=NOT_FINITE)
    return PairStatistics(len(ids) - 1, *sums)
