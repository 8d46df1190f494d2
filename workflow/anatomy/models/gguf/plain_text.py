"""Whether a converted model predicts plain English: the proof that weights, configuration and tokenizer belong together.

A conversion goes wrong in silence: heads whose rows are in another order, norms that are one too large, text that lacks the token
it should begin with. What is left still knows which words are common, and speaks. So it is asked how well it predicts a
paragraph that was written for this file, in bits a byte, which do not depend on the vocabulary.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypedDict

import torch

from anatomy.errors import ModelError
from anatomy.models.loading import LoadedModel

PARAGRAPH = (
    "The old lighthouse stands at the end of a narrow road that follows the coast. It was built in the last years of the "
    "nineteenth century, after a winter in which several ships had been lost on the rocks. For many decades a keeper lived there "
    "with his family. Every evening he climbed the stairs, cleaned the glass and lit the lamp, and every morning he wrote the "
    "weather and the names of passing ships into a large book. Today the light is switched on by a small computer, and nobody "
    "lives in the house any more. In summer, however, visitors come from the village to see the view. On a clear day they can "
    "look across the bay to the mountains on the other side, and in the afternoon they buy tea and cake in the room where the "
    "keeper used to sleep. The book is still there, under glass, open at the page of the first night."
)
LARGEST_BITS = 1.2
"""Bits a byte above which a model does not predict the paragraph.

Measured: SmolLM2-135M .90, Gemma-3-270M .84, Qwen2.5-Coder-0.5B 1.03. The same three with queries and keys interleaved 1.40,
1.76, 1.40; with norms one too large 7.2, 5.5, 3.9; with random weights 3.3 to 3.9; Gemma without BOS 1.48. Letters by their
frequency alone take 4.1.
"""
LARGEST_COST = 2.0
"""How many times the perplexity may be with the beginning that the file asks for of what it is with the other.

Measured: Gemma-3-270M 8.0 if it had to go without BOS; the three as their files ask .12 to .95.
"""


class PlainText(TypedDict):
    """How a model predicts the paragraph.

    Attributes:
        bits: a byte of it.
        perplexity: a token, with the beginning that the file asks for.
        other_beginning: the same without BOS where the tokenizer writes it, with BOS where it does not; None without a BOS.
    """

    bits: float
    perplexity: float
    other_beginning: float | None


def plain_text(loaded: LoadedModel, *, begins: bool) -> PlainText:
    """Let a model predict the paragraph.

    Args:
        begins: whether texts begin with BOS.
    """
    bos = loaded.tokenizer.bos_token_id
    nats, tokens = _nats(loaded, PARAGRAPH, bos if begins else None)
    other = None if bos is None else _nats(loaded, PARAGRAPH, None if begins else bos)
    return {
        "bits": nats / math.log(2) / len(PARAGRAPH.encode()),
        "perplexity": math.exp(nats / tokens),
        "other_beginning": None if other is None else math.exp(other[0] / other[1]),
    }


def require_plain_text(found: PlainText, path: Path, *, begins: bool) -> None:
    """Refuse a model that does not predict the paragraph.

    Args:
        path: the file that was converted.
        begins: whether texts begin with BOS.

    Raises:
        ModelError: too many bits, or far fewer with the other beginning.
    """
    remedy = (
        "take another conversion of the model, or its safetensors; a model that was not taught English is converted without "
        "this proof where its entry of the configuration says plain_english: false"
    )
    if not found["bits"] <= LARGEST_BITS:
        raise ModelError(
            found=f"{found['bits']:.2f} bits a byte of plain English (perplexity {found['perplexity']:.4g} a token): what came "
            "out of the file is not the model that was put in",
            expected=f"at most {LARGEST_BITS:g}",
            where=str(path),
            remedy=remedy,
        )
    other = found["other_beginning"]
    if other is not None and found["perplexity"] / other > LARGEST_COST:
        ours, theirs = ("with", "without") if begins else ("without", "with")
        raise ModelError(
            found=f"perplexity {found['perplexity']:.4g} on plain English {ours} BOS, as the file asks, and {other:.4g} {theirs}",
            expected=f"no more than {LARGEST_COST:g} times as much",
            where=str(path),
            remedy=remedy,
        )


def _nats(loaded: LoadedModel, text: str, bos: int | None) -> tuple[float, int]:
    """Negative log probability of a text from its second token on, whatever stands before the first; and how many tokens."""
    bare = loaded.tokenizer(text, add_special_tokens=False).input_ids
    ids = torch.tensor([([] if bos is None else [bos]) + bare], device=loaded.device)
    with torch.no_grad():
        log_probabilities = loaded.model(ids).logits[0, :-1].float().log_softmax(-1)
    taken = log_probabilities.gather(1, ids[0, 1:, None])[-(len(bare) - 1) :]
    return -taken.sum().item(), len(taken)
