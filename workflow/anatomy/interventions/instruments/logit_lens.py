"""Logit lens: what the model would say if each block were its last, ``softmax(W_U norm(x_l))`` (nostalgebraist 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.interventions.instruments.tuned_lens import TunedLens
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import reading
from anatomy.models.activations.means import check_finite, check_prompts, gather
from anatomy.models.activations.starting import stream_logits
from anatomy.models.loading import LoadedModel

ROWS = 64
"""Streams decoded at a time: logits of a large vocabulary are what takes memory."""


@torch.no_grad()
def streams_at(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], positions: Sequence[int], token_budget: int, ids: Sequence[str]
) -> Float[Tensor, "position layer prompt d_model"]:
    """Streams at positions counted from each prompt's end, before each block and after the last, in float32 on the CPU.

    Raises:
        DataError: no prompts, or one shorter than the positions reach.
        NumericsError: NaN or infinity, prompt and layer named.
    """
    check_prompts(token_ids, positions, ids)
    found = torch.empty(len(positions), loaded.num_layers + 1, len(token_ids), loaded.d_model)
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):

        def read(layer: int, activations: Tensor, batch=batch) -> None:  # type: ignore[no-untyped-def]
            x = gather(activations, batch, positions)
            check_finite(x, batch, f"layer {layer}", ids)
            found[:, layer, list(batch.rows)] = x.float().cpu().transpose(0, 1)

        with reading(loaded.model, range(loaded.num_layers + 1), read):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return found


def last_streams(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], token_budget: int, ids: Sequence[str]
) -> Float[Tensor, "layer prompt d_model"]:
    """Stream at the last token of each prompt (``streams_at``)."""
    return streams_at(loaded, token_ids, [-1], token_budget, ids)[0]


@torch.no_grad()
def lens_table(
    loaded: LoadedModel,
    streams: Float[Tensor, "layer prompt d_model"],
    ids: Sequence[str],
    tokens: Sequence[int],
    random_tokens: Sequence[int],
    epsilon: float,
    maps: TunedLens | None = None,
    openers: Sequence[int] = (),
) -> pd.DataFrame:
    """What each layer would answer: a row a prompt and layer.

    Args:
        tokens: refusal tokens.
        random_tokens: as many drawn at random: the control.
        maps: a tuned lens; None for the logit lens.
        openers: tokens that other answers begin with; without any their columns are NaN.

    Returns:
        Columns ``id, layer, lens, metric, agrees, kl``: the refusal metric, whether the likeliest token is the final one, and
        KL(final || lens) in nats. And ``probability`` of refusal tokens and ``rank`` of the likeliest of them (1: of all tokens);
        the same as ``opener_probability, opener_rank`` and ``random_probability, random_rank`` of the others, and as
        ``answer_probability, answer_rank`` of the one token that the model's own answer to the prompt begins with.
    """
    finals, parts = _logits(loaded, streams[-1]), []
    said = finals.argmax(-1)
    for layer in range(len(streams)):
        carried = streams[layer] if maps is None else maps(layer, streams[layer])
        logits = finals if layer == len(streams) - 1 else _logits(loaded, carried)
        rows = {
            "id": list(ids),
            "layer": layer,
            "lens": "logit" if maps is None else "tuned",
            "metric": refusal_metric(logits, tokens, epsilon).numpy(),
            "agrees": (logits.argmax(-1) == said).numpy(),
            "kl": kl_divergence(finals, logits).numpy(),
        }
        probabilities = logits.double().softmax(-1)
        for kind, chosen in (("", tokens), ("opener_", openers), ("random_", random_tokens)):
            columns = torch.tensor(list(chosen), dtype=torch.long).expand(len(logits), -1)
            rows |= _standing(logits, probabilities, columns, kind)
        parts.append(pd.DataFrame(rows | _standing(logits, probabilities, said[:, None], "answer_")))
    return pd.concat(parts, ignore_index=True)


def _standing(
    logits: Float[Tensor, "prompt vocabulary"],
    probabilities: Float[Tensor, "prompt vocabulary"],
    tokens: Int[Tensor, "prompt token"],
    kind: str,
) -> dict[str, ndarray]:
    """Summed probability of each prompt's tokens, and the rank of the likeliest of them; NaN without tokens."""
    if tokens.shape[1] == 0:
        return {f"{kind}{column}": np.full(len(logits), np.nan) for column in ("probability", "rank")}
    best = logits.gather(1, tokens).max(1).values
    return {
        f"{kind}probability": probabilities.gather(1, tokens).sum(1).numpy(),
        f"{kind}rank": (1 + (logits > best[:, None]).sum(1)).numpy(),
    }


@torch.no_grad()
def likeliest(loaded: LoadedModel, streams: Float[Tensor, "prompt d_model"]) -> list[int]:
    """The token that the model would say next after each final stream."""
    return _logits(loaded, streams).argmax(-1).tolist()


def _logits(loaded: LoadedModel, streams: Float[Tensor, "prompt d_model"]) -> Float[Tensor, "prompt vocabulary"]:
    parts = [stream_logits(loaded, part.to(loaded.device)).float().cpu() for part in streams.split(ROWS)]
    return torch.cat(parts)
