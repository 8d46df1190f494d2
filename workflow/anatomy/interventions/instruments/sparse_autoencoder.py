"""A sparse autoencoder on one layer's stream: each activation as a sum of a few features of a large dictionary.

TopK (Gao et al. 2024, arXiv 2406.04093): ``z = TopK(relu(W_e (x - b) + b_e))``, ``x' = W_d z + b``, mean squared error, decoder
rows at unit norm, and an auxiliary loss by which features that have stopped firing learn the error that is left. A few
thousand activations make a small dictionary: what it finds is described by its fidelity, which stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from anatomy.errors import ModelError, NumericsError
from anatomy.interventions.instruments.autoencoder_file import FILE, autoencoder_shape
from anatomy.progress.counting import counted

AUXILIARY, FEATURES = 1 / 32, 32
"""Weight of the auxiliary loss, and how many silent features take part in it."""

SILENT = 100
"""Steps without firing after which a feature counts as silent."""


@dataclass(frozen=True)
class SparseTraining:
    """How an autoencoder is trained.

    Attributes:
        features: size of the dictionary.
        active: features that may fire on one activation.
        learning_rate: of Adam.
        steps: how many.
        batch: activations a step.
        seed: of the first decoder and of the order of activations.
    """

    features: int
    active: int
    learning_rate: float
    steps: int
    batch: int
    seed: int


@dataclass(frozen=True)
class SparseAutoencoder:
    """A dictionary of features.

    Attributes:
        encoder, decoder: a row a feature; rows of a trained decoder have unit norm.
        encoder_bias, bias: of features, and the activation that no feature explains.
        active: how many features may fire at once.
    """

    encoder: Float[Tensor, "feature d_model"]
    encoder_bias: Float[Tensor, " feature"]
    decoder: Float[Tensor, "feature d_model"]
    bias: Float[Tensor, " d_model"]
    active: int

    def encode(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row feature"]:
        """How strongly each feature fires; zero but for the strongest few."""
        whole = ((x - self.bias) @ self.encoder.T + self.encoder_bias).relu()
        best = whole.topk(self.active, dim=-1)
        return torch.zeros_like(whole).scatter(-1, best.indices, best.values)

    def decode(self, fired: Float[Tensor, "*row feature"]) -> Float[Tensor, "*row d_model"]:
        """The activation that features stand for."""
        return fired @ self.decoder + self.bias

    def __call__(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row d_model"]:
        """The reconstruction."""
        return self.decode(self.encode(x))

    def to(self, device: torch.device) -> SparseAutoencoder:
        """The same on a device."""
        encoder, decoder = self.encoder.to(device), self.decoder.to(device)
        return SparseAutoencoder(encoder, self.encoder_bias.to(device), decoder, self.bias.to(device), self.active)


def train_autoencoder(x: Float[Tensor, "row d_model"], options: SparseTraining) -> SparseAutoencoder:
    """Train on activations in fp32, scaled to a mean square of one coordinate while it trains.

    Raises:
        NumericsError: activations that do not vary, or a loss that is no number.
    """
    generator = torch.Generator().manual_seed(options.seed)
    middle = x.mean(0)
    scale = (x - middle).square().mean().sqrt()
    if not 0 < scale.item() < float("inf"):
        raise NumericsError(
            found=f"activations of spread {scale.item()}",
            expected="finite ones that vary",
            where="a sparse autoencoder",
            remedy="choose another layer: at the first one prompts may not have differed yet",
        )
    rows = ((x - middle) / scale).to(x.device)
    decoder = torch.nn.functional.normalize(torch.randn(options.features, x.shape[1], generator=generator), dim=1).to(x.device)
    encoder, encoder_bias, bias = decoder.clone(), torch.zeros(options.features, device=x.device), torch.zeros_like(middle)
    weights = [part.requires_grad_(True) for part in (encoder, encoder_bias, decoder, bias)]
    coder = SparseAutoencoder(encoder, encoder_bias, decoder, bias, options.active)
    optimiser = torch.optim.Adam(weights, lr=options.learning_rate)
    quiet = torch.zeros(options.features, dtype=torch.long, device=x.device)
    with torch.enable_grad():
        for _ in counted(range(options.steps), "steps of the autoencoder", options.steps):
            batch = rows[torch.randint(len(rows), (options.batch,), generator=generator).to(x.device)]
            loss, fired = _loss(coder, batch, quiet >= SILENT)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            quiet = torch.where(fired, 0, quiet + 1)
            with torch.no_grad():
                decoder /= decoder.norm(dim=1, keepdim=True).clamp(min=1e-8)
    if not torch.isfinite(loss):
        raise NumericsError(
            found=f"a loss of {loss.item()}",
            expected="a finite one",
            where="a sparse autoencoder",
            remedy="lower features.learning_rate",
        )
    # In the stream's own unit: f((x - m) / s) = W_e (x - m - s b) / s + b_e, times s.
    learnt = (encoder.detach(), (encoder_bias * scale).detach(), decoder.detach(), (middle + scale * bias).detach())
    return SparseAutoencoder(*learnt, active=options.active)


def _loss(coder: SparseAutoencoder, x: Tensor, silent: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error with the auxiliary term, and which features fired."""
    fired = coder.encode(x)
    error = x - coder.decode(fired)
    loss = error.square().mean()
    if silent.any():
        sleeping = ((x - coder.bias) @ coder.encoder.T + coder.encoder_bias).relu() * silent
        best = sleeping.topk(min(FEATURES, int(silent.sum())), dim=-1)
        kept = torch.zeros_like(sleeping).scatter(-1, best.indices, best.values)
        loss = loss + AUXILIARY * (error.detach() - kept @ coder.decoder).square().mean()
    return loss, (fired.detach() > 0).any(0)


def load_autoencoder(path: Path, d_model: int, active: int) -> SparseAutoencoder:
    """An autoencoder from a safetensors file with tensors ``FILE``, for a stream of ``d_model``; in float32.

    Raises:
        ModelError: as ``autoencoder_shape``, another width than the model's, or fewer features than may fire at once.
        NumericsError: numbers that are NaN or infinite.
    """
    features, width = autoencoder_shape(path)
    if width != d_model:
        raise ModelError(
            found=f"an autoencoder of {features} features for a stream of width {width}",
            expected=f"one for this model's stream of width {d_model}",
            where=str(path),
            remedy="features.file has to be of this very model and layer; leave it out to train one",
        )
    if active > features:
        raise ModelError(
            found=f"{active} features that may fire at once, of {features}",
            expected="no more than there are",
            where=str(path),
            remedy="lower features.active to what the autoencoder was trained with",
        )
    tensors = load_file(path)
    encoder, encoder_bias, decoder, bias = (tensors[name].float() for name in FILE)
    if broken := [name for name in FILE if not torch.isfinite(tensors[name].float()).all()]:
        raise NumericsError(
            found=f"NaN or infinity in {', '.join(broken)}",
            expected="finite numbers",
            where=str(path),
            remedy="name another file, or leave features.file out to train one",
        )
    return SparseAutoencoder(encoder, encoder_bias, decoder, bias, active)
