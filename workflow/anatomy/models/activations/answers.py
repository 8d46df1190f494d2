"""Sums of the residual stream over the positions that predict a given answer, streamed and token-weighted.

Teacher forcing: a model reads a prompt and an answer, its own or another's. The positions that predict the answer's n tokens
are the last token of the prompt and the answer's first n - 1 (PASTA: from index len(prompt) - 1, len(generation) positions).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from anatomy.errors import DataError
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import reading
from anatomy.models.activations.means import check_finite
from anatomy.models.loading import LoadedModel

FIRST, ALL = -1, 0
"""Positions of an answer's sums: ``FIRST`` is the prompt's last token, which predicts the first token of the answer; ``ALL``
stands for every position that predicts a token of it, and is no single place."""

POSITIONS = (FIRST, ALL)


@dataclass(frozen=True)
class Forced:
    """A prompt and the answer that the model is forced to read after it, as token ids; the answer has at least one token."""

    prompt: list[int]
    answer: list[int]

    @property
    def read(self) -> list[int]:
        """What the model reads: the last token of the answer predicts nothing that is wanted."""
        return [*self.prompt, *self.answer[:-1]]


@dataclass(frozen=True)
class AnswerSums:
    """Weighted sums over texts, accumulated in fp64.

    Attributes:
        layers: layer l is the input of block l; L is the output of the last block.
        total: sum over texts of weight times the sum over the text's positions; one row a weight column.
        tokens: sum over texts of weight times the number of positions, so that ``total / tokens`` is a token-weighted mean.
        sketch: sum over positions of independent standard normal numbers times the activation, one row a draw
            (position ``ALL``): draws from the second moments of the activations.
        draws: sum of those normal numbers.
    """

    layers: tuple[int, ...]
    total: Float64[Tensor, "weight position layer d_model"]
    tokens: Float64[Tensor, "weight position"]
    sketch: Float64[Tensor, "draw layer d_model"]
    draws: Float64[Tensor, " draw"]

    def mean(self, column: int = 0) -> Float64[Tensor, "position layer d_model"]:
        """Token-weighted mean of one weight column.

        Raises:
            DataError: no text has a weight there.
        """
        if not (self.tokens[column] > 0).all():
            raise DataError(
                found="no tokens",
                expected="at least one text",
                where=f"mean of column {column}",
                remedy="more prefixes, or fewer parts to cut them into",
            )
        return self.total[column] / self.tokens[column][:, None, None]

    def centred_sketch(self) -> Float64[Tensor, "draw layer d_model"]:
        """Draws from the covariance: the sketch without what the mean gives it (column 0 must weigh every text 1)."""
        return self.sketch - self.draws[:, None, None] * self.mean()[POSITIONS.index(ALL)]


@torch.no_grad()
def answer_sums(
    loaded: LoadedModel,
    texts: Sequence[Forced],
    weights: Float[Tensor, "text weight"],
    *,
    token_budget: int,
    draws: int = 0,
    seed: int = 0,
    ids: Sequence[str] | None = None,
) -> AnswerSums:
    """Sums at every layer 0..L, in one pass; the output head never runs and memory does not grow with the texts.

    Args:
        loaded: the model.
        texts: what it reads.
        weights: one column a mean that is wanted: all ones, or 1 where a text belongs to a half or a domain.
        token_budget: most tokens a batch, padding counted.
        draws: rows of the sketch.
        seed: of the sketch; each text's numbers follow from it and the text's place.
        ids: names of the texts for messages.

    Raises:
        DataError: no texts, an empty prompt or answer.
        NumericsError: NaN or infinity at a layer for a text, both named.
    """
    _check(texts, ids)
    layers = tuple(range(loaded.num_layers + 1))
    place = {"dtype": torch.float64, "device": loaded.device}
    total = torch.zeros(weights.shape[1], len(POSITIONS), len(layers), loaded.d_model, **place)
    sketch = torch.zeros(draws, len(layers), loaded.d_model, **place)
    normal = torch.zeros(draws, **place)
    columns = weights.to(**place)
    for batch in batches([text.read for text in texts], token_budget, loaded.pad_token_id, loaded.device):
        answering = answer_mask(batch, texts)
        noise = _noise(batch, texts, answering, draws, seed)
        normal += noise.sum((1, 2))

        def read(layer: int, x: Tensor, batch: PromptBatch = batch, answering: Tensor = answering, noise: Tensor = noise) -> None:
            x = torch.where(answering[..., None], x.double(), 0.0)  # padding may hold anything
            check_finite(x, batch, f"layer {layer}", ids)
            first = x[torch.arange(len(x), device=x.device), answering.to(torch.uint8).argmax(1)]
            sums = torch.stack([first, x.sum(1)])
            total[:, :, layer] += torch.einsum("rw,prd->wpd", columns[list(batch.rows)], sums)
            sketch[:, layer] += torch.einsum("krc,rcd->kd", noise, x)

        with reading(loaded.model, layers, read):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    lengths = torch.tensor([[1.0, len(text.answer)] for text in texts], **place)
    return AnswerSums(layers, total.cpu(), (columns.T @ lengths).cpu(), sketch.cpu(), normal.cpu())


@torch.no_grad()
def span_moments(
    loaded: LoadedModel,
    texts: Sequence[Forced],
    vectors: Float64[Tensor, "layer vector d_model"],
    *,
    token_budget: int,
    ids: Sequence[str] | None = None,
) -> Float64[Tensor, "layer vector vector"]:
    """Mean over answer positions of ``(a . x)(b . x)`` for vectors a, b of each layer: second moments within their span.

    With orthonormal vectors this is what ablating a direction of the span removes, without a matrix of d_model squared.

    Args:
        vectors: of each layer 0..L.

    Raises: as ``answer_sums``.
    """
    _check(texts, ids)
    found = torch.zeros(*vectors.shape[:2], vectors.shape[1], dtype=torch.float64, device=loaded.device)
    vectors = vectors.to(found.device, torch.float64)
    for batch in batches([text.read for text in texts], token_budget, loaded.pad_token_id, loaded.device):
        answering = answer_mask(batch, texts)

        def read(layer: int, x: Tensor, batch: PromptBatch = batch, answering: Tensor = answering) -> None:
            x = torch.where(answering[..., None], x.double(), 0.0)
            check_finite(x, batch, f"layer {layer}", ids)
            along = x.flatten(0, 1) @ vectors[layer].T
            found[layer] += along.T @ along

        with reading(loaded.model, range(len(vectors)), read):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return (found / sum(len(text.answer) for text in texts)).cpu()


def answer_mask(batch: PromptBatch, texts: Sequence[Forced]) -> Bool[Tensor, "row column"]:
    """Columns that predict a token of each row's answer."""
    lengths = torch.tensor([len(texts[row].answer) for row in batch.rows], device=batch.attention_mask.device)
    from_end = batch.attention_mask.flip(1).cumsum(1).flip(1)  # 1 at a row's last token
    return (batch.attention_mask == 1) & (from_end <= lengths[:, None])


def _noise(
    batch: PromptBatch, texts: Sequence[Forced], answering: Tensor, draws: int, seed: int
) -> Float64[Tensor, "draw row column"]:
    """Standard normal numbers at answer positions, 0 elsewhere; from the text's place, never from its batch."""
    noise = torch.zeros(draws, *answering.shape, dtype=torch.float64)
    if draws:
        for index, row in enumerate(batch.rows):
            drawn = torch.randn(
                draws,
                len(texts[row].answer),
                dtype=torch.float64,
                generator=torch.Generator().manual_seed(seed * 1_000_003 + row),
            )
            noise[:, index, answering[index].cpu()] = drawn
    return noise.to(answering.device)


def _check(texts: Sequence[Forced], ids: Sequence[str] | None) -> None:
    if not texts:
        raise DataError(found="no texts", expected="at least one", where="activations over answers")
    for row, text in enumerate(texts):
        if not text.prompt or not text.answer:
            raise DataError(
                found=f"{len(text.prompt)} tokens of prompt and {len(text.answer)} of answer",
                expected="at least one of each",
                where=f"text {ids[row] if ids else row}",
                remedy="leave empty generations out, and count them",
            )
