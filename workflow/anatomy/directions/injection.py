"""Candidates added at their own layer, starting from the stream that the unedited model has there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.activations.batching import Batch, batches
from anatomy.activations.hooks import modifying, reading
from anatomy.directions.ablation import candidate_chunks
from anatomy.directions.candidates import Directions
from anatomy.directions.metrics import RefusalMetric, last_logits
from anatomy.directions.shared_prefix import FILL
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def added_metric(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    directions: Directions,
    cells: Sequence[tuple[int, int]],
    metric: RefusalMetric,
    token_budget: int,
) -> Float64[Tensor, "candidate"]:
    """Mean refusal metric at the last token while the vector of each (position, layer) is added to its block's input.

    Blocks below the layer see nothing of the addition: they run once a batch and their result is shared.
    """
    total = torch.zeros(len(cells), dtype=torch.float64)
    layers = sorted({layer for _, layer in cells})
    for batch in batches(prompts, token_budget, loaded.pad_token_id, loaded.device, fill=FILL):
        streams: dict[int, Tensor] = {}
        with reading(loaded.model, layers, streams.__setitem__):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
        for layer in layers:
            own = [index for index, cell in enumerate(cells) if cell[1] == layer]
            vectors = torch.stack([directions.vector(*cells[index]) for index in own]).to(loaded.device)
            for chunk in candidate_chunks(batch, len(own), token_budget):
                logits = _logits_with_addition(loaded, batch, layer, streams[layer], vectors[chunk])
                total[own[chunk]] += metric(logits).view(-1, len(batch.rows)).sum(1)
    return total / len(prompts)


def _logits_with_addition(
    loaded: LoadedModel,
    batch: Batch,
    layer: int,
    stream: Float[Tensor, "row column d_model"],
    vectors: Float[Tensor, "candidate d_model"],
) -> Float[Tensor, "candidate_row vocabulary"]:
    times = len(vectors)
    added = vectors.repeat_interleave(len(batch.rows), 0)[:, None]
    start = (stream.repeat(times, 1, 1).float() + added).to(stream.dtype)
    # The blocks below pass on what they get, and the block at ``layer`` is given the known stream instead.
    with _skipping(loaded.model, layer), modifying(loaded.model, {("block_input", layer): lambda _: start}):
        return last_logits(loaded, batch.repeated(times), 1)[:, -1]


@contextmanager
def _skipping(model: nn.Module, layer: int) -> Iterator[None]:
    """Make the blocks below ``layer`` pass their input on."""
    skipped = [block.module for block in decoder_blocks(model)[:layer]]
    for module in skipped:
        module.forward = lambda hidden_states, *_args, **_kwargs: hidden_states
    try:
        yield
    finally:
        for module in skipped:
            del module.forward
