"""Perplexity of continuations after their prefixes, under a model that wrote none of them or under the base: a check of quality.

Detector scores fall when text gets worse, so no fall is reported without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from anatomy.models.activations.batching import batches
from anatomy.models.scorer import Scorer
from anatomy.models.vocabulary import require_rows


@torch.inference_mode()
def continuation_nats(
    scorer: Scorer, prefixes: Sequence[str], texts: Sequence[str], token_budget: int, max_tokens: int = 1024
) -> Float[np.ndarray, " text"]:
    """Mean negative log-likelihood a token of each text after its prefix, in nats; the perplexity is its exponential.

    Texts are stripped and stand one space after their prefix. Log-probabilities in fp32, sums in fp64.

    Args:
        prefixes: plain text in front, such as the base's prompt; empty for none, then the first token is not scored.
        max_tokens: of prefix and text together; what is beyond is not read.

    Returns:
        NaN for an empty text, for one that begins beyond the limit, and for sums that are not finite.
    """
    tokenizer = scorer.tokenizer
    fronts = [list(tokenizer(prefix.rstrip())["input_ids"]) if prefix.strip() else [] for prefix in prefixes]
    rests = [
        list(tokenizer((" " if front else "") + text.strip(), add_special_tokens=False)["input_ids"]) if text.strip() else []
        for front, text in zip(fronts, texts, strict=True)
    ]
    # A prefix's end token would end the text that is to go on.
    fronts = [front[:-1] if front[-1:] == [tokenizer.eos_token_id] else front for front in fronts]
    whole = [(front + rest)[:max_tokens] for front, rest in zip(fronts, rests, strict=True)]
    require_rows(tokenizer, whole, texts)
    starts = [max(len(front), 1) for front in fronts]
    found = np.full(len(texts), np.nan)
    kept = [place for place, ids in enumerate(whole) if rests[place] and len(ids) > starts[place]]
    for batch in batches([whole[place] for place in kept], token_budget, scorer.pad_token_id, scorer.device, "right"):
        logits = scorer.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        for row, number in enumerate(batch.rows):
            place = kept[number]
            ids = batch.input_ids[row, starts[place] : len(whole[place])]
            logs = logits[row, starts[place] - 1 : len(whole[place]) - 1].float().log_softmax(-1)
            mean = -float(logs.gather(-1, ids[:, None]).double().mean())
            found[place] = mean if np.isfinite(mean) else np.nan
    return found
