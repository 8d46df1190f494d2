"""Final hidden states of a model on given answers, at the positions that predict their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import DataError, ModelError
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel

TOLERANCE = 1e-2
"""Largest difference of logits, relative to the largest of them, that rounding explains."""


@dataclass(frozen=True)
class Read:
    """What a model computes at the positions that predict one answer.

    Attributes:
        row: place of the answer in the list that was given.
        final: states after the last norm, which the output head multiplies, in the model's own dtype.
        early: the residual stream at a block's input, each position scaled to a root mean square of 1; None where not asked for.
    """

    row: int
    final: Float[Tensor, "token d_model"]
    early: Float[Tensor, "token d_model"] | None


@torch.inference_mode()
def answer_states(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    token_budget: int,
    *,
    layer: int | None = None,
) -> Iterator[Read]:
    """States of every answer, teacher-forced: its tokens follow the prompt as they are.

    Args:
        prompts: rendered prompts as token ids; none is empty.
        answers: token ids that follow each.
        token_budget: tokens in one forward pass, padding counted.
        layer: block whose input is read too.

    Yields:
        One ``Read`` an answer, in the order of the batches.

    Raises:
        DataError: an answer or a prompt without tokens.
        ModelError: the model's logits are not its head times these states (a cap or a scale stands behind the head).
    """
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if not prompt or not answer:
            raise DataError(
                found="no tokens in the " + ("prompt" if not prompt else "answer"),
                expected="a prompt and an answer of at least one token each",
                where=f"answer {row} that {loaded.folder.name} reads",
                remedy="leave empty answers out",
            )
    whole = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    checked = False
    for batch in batches(whole, token_budget, loaded.pad_token_id, loaded.device, side="right"):
        found = loaded.model.base_model(**batch.inputs(), use_cache=False, output_hidden_states=layer is not None)
        if not checked:
            _require_linear(loaded, batch.inputs(), found.last_hidden_state)
            checked = True
        for place, row in enumerate(batch.rows):
            first = len(prompts[row]) - 1
            span = slice(first, first + len(answers[row]))
            early = None
            if layer is not None:
                stream = found.hidden_states[layer][place, span].float()
                early = (stream / stream.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)).cpu()
            yield Read(row, found.last_hidden_state[place, span].cpu(), early)


def _require_linear(loaded: LoadedModel, inputs: dict[str, Tensor], states: Tensor) -> None:
    own = loaded.model(**inputs, use_cache=False, logits_to_keep=1).logits[:, -1].float()
    ours = loaded.model.get_output_embeddings()(states[:, -1]).float()
    far = float((own - ours).abs().max() / own.abs().max().clamp(min=1e-12))
    if not far <= TOLERANCE:
        raise ModelError(
            found=f"logits that are not the head times the last hidden state (they differ by {far:.2g} of the largest)",
            expected="a linear output head",
            where=str(loaded.folder),
            remedy="a residual on the head cannot be distilled for models that cap or scale their logits behind it",
        )
