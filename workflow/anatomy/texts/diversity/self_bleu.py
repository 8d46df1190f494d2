"""Self-BLEU (Zhu et al. 2018, arXiv 1802.01886, section 3): BLEU of each text with the others of its set as references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from anatomy.texts.continuations.words import words


def self_bleu_scores(texts: Sequence[str], *, order: int = 4, references: int = 100, seed: int = 0) -> Float[np.ndarray, " text"]:
    """BLEU of each text in [0, 1]; lower is more diverse. NaN for a text without words.

    sacrebleu's sentence BLEU with exponential smoothing and effective order, on the words of
    ``anatomy.texts.continuations.words``.

    Args:
        references: most other texts that serve as references, drawn for each text where there are more: the cost is quadratic.
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(max_ngram_order=order, effective_order=True, tokenize="none")
    spoken = [" ".join(words(text)) for text in texts]
    draw = np.random.default_rng(seed)
    found = np.full(len(texts), np.nan)
    for place, text in enumerate(spoken):
        others = [other for number, other in enumerate(spoken) if number != place and other]
        if len(others) > references:
            others = [others[k] for k in draw.choice(len(others), references, replace=False)]
        if text and others:
            found[place] = metric.sentence_score(text, others).score / 100
    return found
