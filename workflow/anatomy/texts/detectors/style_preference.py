"""ImBD's scorer grown from texts of one's own: a model tuned to prefer machine style over human style.

Style preference optimisation (Chen et al. 2024, arXiv 2412.10432, section 3.2) is direct preference optimisation with the machine
text ``m`` preferred to the human text ``h`` of the same prefix, over the untuned model ``p0``:

    loss = - log sigmoid( beta [ log p(m) / p0(m) - log p(h) / p0(h) ] )

The published adapter is for gpt-neo-2.7B (``open_scorer(adapter=...)``). Where none fits, as on the organism, this tunes one, on
texts of another family or of training prefixes. An instrument: nothing is ever trained against it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from anatomy.errors import DataError, NumericsError
from anatomy.models.activations.batching import padded
from anatomy.models.scorer import Scorer
from anatomy.store.digest import digest
from anatomy.texts.detectors.pair import Reading, encode

BETA, LEARNING_RATE, RANK, EPOCHS = 0.05, 1e-4, 8, 2
"""The released configuration of ImBD; tiny models need a higher learning rate."""


class Tuning(TypedDict, total=False):
    """Options of ``tune_style_preference``."""

    beta: float
    learning_rate: float
    rank: int
    epochs: int
    pairs: int


def tune_style_preference(
    scorer: Scorer,
    human: Sequence[str],
    machine: Sequence[str],
    reading: Reading,
    *,
    seed: int,
    beta: float = BETA,
    learning_rate: float = LEARNING_RATE,
    rank: int = RANK,
    epochs: int = EPOCHS,
    pairs: int = 8,
) -> Scorer:
    """A tuned copy of a scorer; the scorer itself stays as it was.

    Args:
        human, machine: texts in the same order of prefixes; pairs with an empty text are left out.
        reading: how texts are read; as the detector will read them.
        rank: of the LoRA on all linear modules, merged at the end.
        pairs: pairs a step.

    Raises:
        DataError: lists of different length, or no pair.
        NumericsError: a loss that is not finite.
    """
    from peft import LoraConfig, get_peft_model

    if len(human) != len(machine):
        raise DataError(
            found=f"{len(human)} human and {len(machine)} machine texts",
            expected="one of each for every prefix",
            where="style preference",
        )
    kept = [(h, m) for h, m in zip(human, machine, strict=True) if h.strip() and m.strip()]
    if not kept:
        raise DataError(found="no pair of texts", expected="at least one", where="style preference")
    texts = [[encode(scorer.tokenizer, text, reading) for text in side] for side in zip(*kept, strict=True)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(copy.deepcopy(scorer.model), config)
    model.eval()  # no dropout: the preference is all that changes the model
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=learning_rate, weight_decay=0.0)
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(kept)), max(1, len(kept) // pairs)):
            gains = []
            for side in texts:
                ids = [side[row] for row in rows]
                with torch.no_grad():
                    before = text_logprobs(scorer, scorer.model, ids)
                gains.append(text_logprobs(scorer, model, ids) - before)
            loss = -logsigmoid(beta * (gains[1] - gains[0])).mean()
            if not torch.isfinite(loss):
                raise NumericsError(
                    found=f"a loss of {float(loss)}",
                    expected="a finite loss",
                    where="style preference",
                    remedy="lower the learning rate or tune in float32",
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    options = {"beta": beta, "learning_rate": learning_rate, "rank": rank, "epochs": epochs, "pairs": pairs, "seed": seed}
    name = digest({"base": scorer.digest, "texts": kept, **options})
    return Scorer(model.merge_and_unload().eval().requires_grad_(False), scorer.tokenizer, f"{scorer.digest}+{name}")


def text_logprobs(scorer: Scorer, model: torch.nn.Module, ids: Sequence[list[int]]) -> Float[Tensor, " text"]:
    """Sum of the log-probabilities of each text's tokens after its first, nats, fp32."""
    batch = padded(ids, range(len(ids)), scorer.pad_token_id, scorer.device, "right")
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits[:, :-1]
    taken = logits.float().log_softmax(-1).gather(-1, batch.input_ids[:, 1:, None])[..., 0]
    return torch.where(batch.attention_mask[:, 1:] > 0, taken, 0.0).sum(1)
