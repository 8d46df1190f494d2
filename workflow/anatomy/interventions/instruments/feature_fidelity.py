"""How much of a model a sparse autoencoder keeps: of the stream, and of what the model predicts from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from anatomy.interventions.instruments.sparse_autoencoder import SparseAutoencoder
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import modifying, reading
from anatomy.models.activations.means import check_finite
from anatomy.models.loading import LoadedModel


class Fidelity(TypedDict):
    """Of held-out activations.

    Attributes:
        active: features that fire, mean over activations (L0).
        explained: share of the variance that the reconstruction has.
        alive: share of features that fire at all.
        tokens: activations.
    """

    active: float
    explained: float
    alive: float
    tokens: int


@torch.no_grad()
def token_streams(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], layer: int, token_budget: int, ids: Sequence[str]
) -> list[Float[Tensor, "token d_model"]]:
    """Input of a block at every token of each text but the first, in fp32 on the CPU.

    The first token is left out: in many models its stream is a hundred times as long as any other's.

    Raises:
        NumericsError: NaN or infinity, text named.
    """
    found: dict[int, Tensor] = {}
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):

        def read(_layer: int, x: Tensor, batch=batch) -> None:  # type: ignore[no-untyped-def]
            x = torch.where(batch.attention_mask[..., None] == 1, x.float(), 0.0)
            check_finite(x, batch, f"layer {layer}", ids)
            for place, row in enumerate(batch.rows):
                found[row] = x[place][batch.attention_mask[place] == 1][1:].cpu()

        with reading(loaded.model, [layer], read):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return [found[row] for row in range(len(token_ids))]


@torch.no_grad()
def fidelity(coder: SparseAutoencoder, x: Float[Tensor, "token d_model"]) -> Fidelity:
    """L0, explained variance and living features on activations that it was not trained on."""
    fired = coder.encode(x)
    left = (x - coder.decode(fired)).double().square().sum()
    whole = (x - x.mean(0)).double().square().sum()
    return {
        "active": (fired > 0).sum(-1).double().mean().item(),
        "explained": (1 - left / whole).item(),
        "alive": (fired > 0).any(0).double().mean().item(),
        "tokens": len(x),
    }


@torch.no_grad()
def spliced_losses(
    loaded: LoadedModel,
    coder: SparseAutoencoder,
    layer: int,
    middle: Float[Tensor, " d_model"],
    token_ids: Sequence[Sequence[int]],
    begins: Sequence[int],
    ids: Sequence[str],
    token_budget: int,
) -> pd.DataFrame:
    """Mean loss a token of each text's answer with the stream as it is, as the autoencoder rebuilds it, and as its mean.

    The first token's stream stays as it is, as it does in training; all others are replaced, the prompt's too.

    Args:
        middle: mean activation at the layer.
        begins: place of the first token of each text that is predicted: what stands before is the same in many texts, such as a
            template, and no part of what is held out.

    Returns:
        Columns ``id, clean, spliced, mean``, in nats; no row for a text without such tokens. The loss recovered is ``(mean -
        spliced) / (mean - clean)``.
    """
    placed = coder.to(loaded.device)
    changes: dict[str, Callable[[Tensor], Tensor] | None] = {
        "clean": None,
        "spliced": lambda x: placed(x.float()).to(x.dtype),
        "mean": lambda x: middle.to(x).expand_as(x),
    }
    parts = []
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        rows: dict[str, object] = {"id": [ids[row] for row in batch.rows]}
        counted = _counted(batch, begins)
        first = ((batch.attention_mask.cumsum(1) == 1) & (batch.attention_mask == 1))[..., None]
        for name, change in changes.items():
            if change is None:
                rows[name] = _losses(loaded, batch, counted).tolist()
                continue

            def kept(x: Tensor, change=change, first=first) -> Tensor:  # type: ignore[no-untyped-def]
                return torch.where(first, x, change(x))

            with modifying(loaded.model, {("block_input", layer): kept}):
                rows[name] = _losses(loaded, batch, counted).tolist()
        parts.append(pd.DataFrame(rows)[counted.any(1).tolist()])
    return pd.concat(parts, ignore_index=True)


def _counted(batch: PromptBatch, begins: Sequence[int]) -> Bool[Tensor, "row column"]:
    """At which columns the next token is one whose loss counts: a text's from ``begins`` on, the third one at the earliest."""
    place = batch.attention_mask.cumsum(1)[:, 1:] - 1
    first = torch.tensor([max(2, begins[row]) for row in batch.rows], device=place.device)[:, None]
    return (place >= first) & (batch.attention_mask[:, 1:] == 1)


def _losses(loaded: LoadedModel, batch: PromptBatch, counted: Bool[Tensor, "row column"]) -> Float64[Tensor, " row"]:
    """Mean negative log-likelihood of each row's tokens that count."""
    logits = loaded.model(**batch.inputs(), use_cache=False).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.input_ids[:, 1:], reduction="none")
    return (losses * counted).sum(1).double() / counted.sum(1).clamp(min=1)
