"""Tuned lens: an affine map a layer in front of the logit lens, trained to say what the model says in the end.

Source: Belrose et al. 2023 (arXiv 2303.08112, equation 3): ``x + A_l x + b_l`` minimises KL(final || lens). Untrained, A and b
are 0 and it is the logit lens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anatomy.errors import DataError, NumericsError
from anatomy.models.activations.starting import stream_logits
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted


@dataclass(frozen=True)
class LensTraining:
    """How maps are trained.

    Attributes:
        learning_rate: of Adam.
        epochs: most passes over the rows.
        patience: epochs without a lower held-out divergence after which a layer's training stops.
        batch: rows a step.
        seed: of the order of rows.
    """

    learning_rate: float
    epochs: int
    patience: int
    batch: int
    seed: int


class TunedLens:
    """Affine maps, one a layer; the last layer has none.

    Args:
        weight: A of each layer.
        bias: b of each layer.
        before: held-out divergence of the logit lens, by layer, in nats.
        after: with the map.
    """

    def __init__(
        self,
        weight: Float[Tensor, "layer d_model d_model"],
        bias: Float[Tensor, "layer d_model"],
        before: list[float],
        after: list[float],
    ) -> None:
        self.weight, self.bias, self.before, self.after = weight, bias, before, after

    def __call__(self, layer: int, stream: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """The stream of a layer as the final one would have it."""
        if layer == len(self.weight):
            return stream
        return stream + stream @ self.weight[layer].T + self.bias[layer]


def train_lens(
    loaded: LoadedModel,
    streams: Float[Tensor, "layer row d_model"],
    held_out: Bool[Tensor, " row"],
    training: LensTraining,
    say: Callable[[str], None] = lambda text: None,
) -> TunedLens:
    """Train the map of each layer on rows that are not held out, and keep the one with the least held-out divergence.

    Args:
        streams: before each block and after the last, float32.

    Raises:
        DataError: no row is held out, or every one.
        NumericsError: a divergence that is NaN or infinite.
    """
    count = int(held_out.sum())
    if not 0 < count < len(held_out):
        raise DataError(
            found=f"{count} of {len(held_out)} rows held out",
            expected="some to train maps on, and some to choose them by",
            where="a tuned lens",
            remedy="give prompts of at least two groups, or leave the tuned lens out",
        )
    weights, biases, before, after = [], [], [], []
    for layer in counted(range(len(streams) - 1), "layers", len(streams) - 1):
        weight, bias, first, best = _trained(loaded, streams[layer], streams[-1], held_out, training, layer)
        weights.append(weight)
        biases.append(bias)
        before.append(first)
        after.append(best)
    say(f"tuned lens: held-out divergence {sum(before) / len(before):.3f} to {sum(after) / len(after):.3f} nats a token")
    return TunedLens(torch.stack(weights), torch.stack(biases), before, after)


def _trained(
    loaded: LoadedModel,
    stream: Float[Tensor, "row d_model"],
    final: Float[Tensor, "row d_model"],
    held_out: Bool[Tensor, " row"],
    training: LensTraining,
    layer: int,
) -> tuple[Float[Tensor, "d_model d_model"], Float[Tensor, " d_model"], float, float]:
    width, generator = stream.shape[1], torch.Generator().manual_seed(training.seed)
    weight, bias = torch.zeros(width, width, requires_grad=True), torch.zeros(width, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=training.learning_rate)

    def divergence(rows: Tensor) -> Tensor:
        x = stream[rows]
        with torch.no_grad():
            wanted = stream_logits(loaded, final[rows].to(loaded.device)).float().cpu().log_softmax(-1)
        said = stream_logits(loaded, (x + x @ weight.T + bias).to(loaded.device)).float().cpu().log_softmax(-1)
        return (wanted.exp() * (wanted - said)).sum(-1)

    def held() -> float:
        with torch.no_grad():
            found = (
                torch.cat([divergence(rows) for rows in held_out.nonzero()[:, 0].split(training.batch)]).double().mean().item()
            )
        if not torch.tensor(found).isfinite():
            raise NumericsError(
                found="a divergence that is not finite",
                expected="a finite one",
                where=f"tuned lens of layer {layer}",
                remedy="lower the learning rate of the lens",
            )
        return found

    first = best = held()
    kept, waited = (weight.detach().clone(), bias.detach().clone()), 0
    rows = (~held_out).nonzero()[:, 0]
    for _ in range(training.epochs):
        for chosen in rows[torch.randperm(len(rows), generator=generator)].split(training.batch):
            optimiser.zero_grad()
            divergence(chosen).mean().backward()
            optimiser.step()
        if (now := held()) < best:
            best, kept, waited = now, (weight.detach().clone(), bias.detach().clone()), 0
        else:
            waited += 1
        if waited >= training.patience:
            break
    return *kept, first, best
