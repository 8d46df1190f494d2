"""Candidates added at their own layer, starting from the stream that the unedited model has there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.interventions.directions.ablation import candidate_chunks
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.directions.shared_prefix import FILL, logits_after, prefix_cache, rows_of, split_prefix
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import modifying, reading
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted


@torch.no_grad()
def added_metric(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    directions: Directions,
    cells: Sequence[tuple[int, int]],
    metric: RefusalMetric,
    token_budget: int,
) -> Float64[Tensor, "candidate prompt"]:
    """Refusal metric at the last token of each prompt while the vector of each (position, layer) is added to its block's input.

    Blocks below the layer see nothing of the addition: they run once a batch and their result is shared. What all prompts
    begin with runs once a candidate.
    """
    found = torch.zeros(len(cells), len(prompts), dtype=torch.float64)
    layers = sorted({layer for _, layer in cells})
    prefix, rests = split_prefix(loaded, prompts, [1] * len(prompts))
    begun: dict[int, Tensor] = {}
    with reading(loaded.model, layers, begun.__setitem__, stop=False):
        plain = prefix_cache(loaded, prefix, 1)
    for batch in batches(rests, token_budget, loaded.pad_token_id, loaded.device, fill=FILL):
        streams: dict[int, Tensor] = {}
        with reading(loaded.model, layers, streams.__setitem__):
            logits_after(loaded, rows_of(plain, slice(0, 1), len(batch.rows)), len(prefix), batch, 1)
        for layer in counted(layers, "layers", len(layers)):
            own = [index for index, cell in enumerate(cells) if cell[1] == layer]
            vectors = torch.stack([directions.vector(*cells[index]) for index in own]).to(loaded.device)
            for chunk in candidate_chunks(loaded, batch, len(own), token_budget):
                cache = None
                if prefix:
                    with _starting(loaded.model, layer, begun[layer], vectors[chunk], 1):
                        cache = prefix_cache(loaded, prefix, len(vectors[chunk]))
                    # The blocks below were skipped; what they hold of the prefix is what every candidate finds there.
                    cache.layers[:layer] = rows_of(plain, slice(0, 1), len(vectors[chunk])).layers[:layer]
                    cache = rows_of(cache, slice(0, len(vectors[chunk])), len(batch.rows))
                with _starting(loaded.model, layer, streams[layer], vectors[chunk], len(batch.rows)):
                    logits = logits_after(loaded, cache, len(prefix), batch.repeated(len(vectors[chunk])), 1)[:, -1]
                scored = metric(logits).view(-1, len(batch.rows))
                found[torch.tensor(own[chunk])[:, None], torch.tensor(batch.rows)] = scored
    return found


@contextmanager
def _starting(
    model: nn.Module,
    layer: int,
    stream: Float[Tensor, "row column d_model"],
    vectors: Float[Tensor, "candidate d_model"],
    prompts: int,
) -> Iterator[None]:
    """Begin a pass at ``layer``, with the known stream there and candidate c added in rows c * prompts .. (c + 1) * prompts.

    The blocks below pass on what they get, and the block at ``layer`` is given the stream instead.
    """
    added = vectors.repeat_interleave(prompts, 0)[:, None]
    start = (stream.repeat(len(vectors), 1, 1).float() + added).to(stream.dtype)
    with _skipping(model, layer), modifying(model, {("block_input", layer): lambda _: start}):
        yield


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
