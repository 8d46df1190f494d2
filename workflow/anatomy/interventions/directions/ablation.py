"""Candidates ablated one beside the other in the batch dimension."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.interventions.directions.divergence import counted_columns
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.interventions.directions.shared_prefix import FILL, logits_after, prefix_cache, rows_of, split_prefix
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import SITES, modifying
from anatomy.models.activations.means import check_finite
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted as counting


@torch.no_grad()
def ablated_metric(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    units: Float[Tensor, "candidate d_model"],
    metric: RefusalMetric,
    token_budget: int,
) -> Float64[Tensor, "candidate prompt"]:
    """Refusal metric at the last token of each prompt while each unit vector is ablated everywhere."""
    found = torch.zeros(len(units), len(prompts), dtype=torch.float64)
    prefix, rests = split_prefix(loaded, prompts, [1] * len(prompts))
    for group, cache in _prefix_caches(loaded, prefix, units, token_budget):
        for batch in batches(rests, token_budget, loaded.pad_token_id, loaded.device, fill=FILL):
            for chunk in candidate_chunks(loaded, batch, len(units[group]), token_budget):
                logits = _ablated_logits(loaded, len(prefix), cache, batch, units[group], chunk, 1)[:, -1]
                found[group][chunk, list(batch.rows)] = metric(logits).view(-1, len(batch.rows))
    return found


@torch.no_grad()
def ablated_divergence(
    loaded: LoadedModel,
    runs: Sequence[Sequence[int]],
    counted: Sequence[int],
    units: Float[Tensor, "candidate d_model"],
    token_budget: int,
) -> Float64[Tensor, "candidate run"]:
    """Mean KL(original || ablated) over the last ``counted`` predictions of each run.

    Raises:
        NumericsError: the unedited model gives NaN or infinity.
    """
    found = torch.zeros(len(units), len(runs), dtype=torch.float64)
    prefix, rests = split_prefix(loaded, runs, counted)
    plain = prefix_cache(loaded, prefix, 1)
    for group, cache in _prefix_caches(loaded, prefix, units, token_budget):
        for batch in batches(rests, token_budget, loaded.pad_token_id, loaded.device, fill=FILL):
            counts = torch.tensor([counted[row] for row in batch.rows])
            keep = int(counts.max())
            counts_here = counted_columns(counts)
            original = logits_after(loaded, rows_of(plain, slice(0, 1), len(batch.rows)), len(prefix), batch, keep)
            read = original[counts_here.to(original.device)]
            check_finite(read, _flat(batch, counts), "logits of the unedited model", None)
            for chunk in candidate_chunks(loaded, batch, len(units[group]), token_budget, keep):
                edited = _ablated_logits(loaded, len(prefix), cache, batch, units[group], chunk, keep)
                # One candidate at a time: fp64 copies of all logits would outweigh everything else.
                for offset, one in enumerate(edited.split(len(batch.rows))):
                    divergence = kl_divergence(original, one).cpu().masked_fill(~counts_here, 0.0)
                    found[group.start + chunk.start + offset, list(batch.rows)] = divergence.sum(1) / counts
    return found


def _prefix_caches(
    loaded: LoadedModel, prefix: Sequence[int], units: Float[Tensor, "candidate d_model"], token_budget: int
) -> Iterator[tuple[slice, Any]]:
    """Groups of candidates that fit a batch of prefixes, and keys and values of the prefix under each, computed once."""
    size = max(1, token_budget // len(prefix)) if prefix else len(units)
    groups = [slice(start, min(start + size, len(units))) for start in range(0, len(units), size)]
    for group in counting(groups, "directions", len(units), _length):
        with _ablating(loaded.model, units[group], 1):
            cache = prefix_cache(loaded, prefix, len(units[group]))
        yield group, cache


def _ablated_logits(
    loaded: LoadedModel,
    length: int,
    cache: Any,
    batch: PromptBatch,
    units: Float[Tensor, "candidate d_model"],
    chunk: slice,
    keep: int,
) -> Float[Tensor, "candidate_row keep vocabulary"]:
    """Logits under the candidates of ``chunk``, rows c * prompts .. (c + 1) * prompts under its candidate c.

    Args:
        length: tokens of the prefix.
        cache: its keys and values, a row a candidate of ``units``.
    """
    prompts, chosen = len(batch.rows), units[chunk]
    with _ablating(loaded.model, chosen, prompts):
        return logits_after(loaded, rows_of(cache, chunk, prompts), length, batch.repeated(len(chosen)), keep)


LOGITS = 2**25
"""Most logits of a pass: in fp64 and with their copies about a gigabyte. Where prompts are short and a vocabulary is large, this
bounds a pass, and not its tokens."""


def candidate_chunks(
    loaded: LoadedModel, batch: PromptBatch, candidates: int, token_budget: int, keep: int = 1
) -> Iterator[slice]:
    """Slices of candidates that fit beside each other with this batch of prompts.

    Args:
        keep: predictions of each prompt.
    """
    vocabulary = int(loaded.model.get_output_embeddings().weight.shape[0])
    logits = len(batch.rows) * keep * vocabulary
    size = max(1, min(token_budget // batch.input_ids.numel(), LOGITS // logits))
    chunks = [slice(start, min(start + size, candidates)) for start in range(0, candidates, size)]
    yield from counting(chunks, "directions beside each other", candidates, _length)


def _length(span: slice) -> int:
    return span.stop - span.start


@contextmanager
def _ablating(model: nn.Module, units: Float[Tensor, "candidate d_model"], prompts: int) -> Iterator[None]:
    """Ablate candidate c everywhere in rows c * prompts .. (c + 1) * prompts."""
    vectors = units.repeat_interleave(prompts, 0)[:, None]

    def change(x: Tensor) -> Tensor:
        stream = x.float()
        return (stream - (stream * vectors).sum(-1, keepdim=True) * vectors).to(x.dtype)

    layers = range(len(decoder_blocks(model)))
    with modifying(model, {(site, layer): change for site in SITES for layer in layers}):
        yield


def _flat(batch: PromptBatch, counts: Tensor) -> PromptBatch:
    """The batch with a row for each counted prediction, so that a message can name the prompt."""
    rows = tuple(row for row, count in zip(batch.rows, counts.tolist(), strict=True) for _ in range(count))
    return PromptBatch(rows, batch.input_ids, batch.attention_mask, batch.position_ids)
