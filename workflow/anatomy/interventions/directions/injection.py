"""Candidates added at their own layer, starting from the stream that the unedited model has there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.interventions.directions.ablation import candidate_chunks
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.directions.shared_prefix import logits_after, prefix_cache, rows_of, split_prefix
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import reading
from anatomy.models.activations.starting import starting_at
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
    begun = _BegunPrefixes(loaded, prefix, layers)
    for batch in batches(rests, token_budget, loaded.pad_token_id, loaded.device, fill=ADDED_FILL):
        streams: dict[int, Tensor] = {}
        with reading(loaded.model, layers, streams.__setitem__):
            logits_after(loaded, rows_of(begun.plain, slice(0, 1), len(batch.rows)), len(prefix), batch, 1)
        for layer in counted(layers, "layers", len(layers)):
            own = [index for index, cell in enumerate(cells) if cell[1] == layer]
            vectors = torch.stack([directions.vector(*cells[index]) for index in own]).to(loaded.device)
            cache = begun.under(layer, vectors)
            for chunk in candidate_chunks(loaded, batch, len(own), token_budget):
                with _starting(loaded.model, layer, streams[layer], vectors[chunk], len(batch.rows)):
                    rows = rows_of(cache, chunk, len(batch.rows))
                    logits = logits_after(loaded, rows, len(prefix), batch.repeated(len(vectors[chunk])), 1)[:, -1]
                scored = metric(logits).view(-1, len(batch.rows))
                found[torch.tensor(own[chunk])[:, None], torch.tensor(batch.rows)] = scored
    return found


ADDED_FILL = 0.6
"""Shortest prompt of a batch as a share of its longest. Few candidates share a layer, and passes of few rows cost more than
padding does."""

HELD = 2**30
"""Most bytes of prefixes that are kept from batch to batch; beyond them they are run again."""


class _BegunPrefixes:
    """Keys and values of what all prompts begin with, as the unedited model has them and under the candidates of each layer.

    Attributes:
        plain: of the unedited model, one row; None without a prefix.
    """

    def __init__(self, loaded: LoadedModel, prefix: Sequence[int], layers: Sequence[int]) -> None:
        self._loaded, self._prefix = loaded, prefix
        self._streams: dict[int, Tensor] = {}
        self._held: dict[int, Any] = {}
        self._bytes = 0
        with reading(loaded.model, layers, self._streams.__setitem__, stop=False):
            self.plain = prefix_cache(loaded, prefix, 1)

    def under(self, layer: int, vectors: Float[Tensor, "candidate d_model"]) -> Any:
        """A cache with a row a candidate of the layer (all of them, the same ones each time); None without a prefix."""
        if self.plain is None or layer in self._held:
            return self._held.get(layer)
        with _starting(self._loaded.model, layer, self._streams[layer], vectors, 1):
            cache = prefix_cache(self._loaded, self._prefix, len(vectors))
        # The blocks below were skipped; what they hold of the prefix is what every candidate finds there.
        cache.layers[:layer] = rows_of(self.plain, slice(0, 1), len(vectors)).layers[:layer]
        size = sum(part.nbytes for one in cache.layers for part in vars(one).values() if isinstance(part, Tensor))
        if self._bytes + size <= HELD:
            self._bytes += size
            self._held[layer] = cache
        return cache


@contextmanager
def _starting(
    model: nn.Module,
    layer: int,
    stream: Float[Tensor, "row column d_model"],
    vectors: Float[Tensor, "candidate d_model"],
    prompts: int,
) -> Iterator[None]:
    """Begin a pass at ``layer``, with the known stream there and candidate c added in rows c * prompts .. (c + 1) * prompts."""
    added = vectors.repeat_interleave(prompts, 0)[:, None]
    with starting_at(model, layer, (stream.repeat(len(vectors), 1, 1).float() + added).to(stream.dtype)):
        yield
