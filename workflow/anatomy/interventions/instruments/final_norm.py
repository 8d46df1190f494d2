"""What the final norm makes of a direction of the stream, up to the stream's length, and how the output head reads it then."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.models.activations.starting import stream_logits
from anatomy.models.loading import LoadedModel


@dataclass(frozen=True)
class FinalNorm:
    """The linear part of a final norm: ``J d = gain * d - mean(d) * (gain - of_mean)``, then divided by the stream's length.

    A norm by the root mean square (Llama) scales each coordinate, so that ``of_mean`` is ``gain``; one by the standard deviation
    (LayerNorm, as in GPT-2 and Phi-2) takes the mean over coordinates away first, so that it is 0. A bias is no part of it.

    Attributes:
        gain: factor on each coordinate.
        of_mean: what is left of a direction that is 1 at every coordinate.
    """

    gain: Float[Tensor, " d_model"]
    of_mean: Float[Tensor, " d_model"]

    def made_of(self, directions: Float[Tensor, "*rest d_model"]) -> Float[Tensor, "*rest d_model"]:
        """``J d``: what the norm makes of directions of the stream."""
        return directions * self.gain - directions.mean(-1, keepdim=True) * (self.gain - self.of_mean)

    def read_by(self, readers: Float[Tensor, "*rest d_model"]) -> Float[Tensor, "*rest d_model"]:
        """``J^T r``: the directions of the stream that readers of the norm's output read."""
        return readers * self.gain - (readers * (self.gain - self.of_mean)).mean(-1, keepdim=True)


@torch.no_grad()
def final_norm(loaded: LoadedModel) -> FinalNorm:
    """The final norm of a model, from what it makes of four streams whose coordinates are 1 or -1; in float32 on the CPU.

    Half of what it makes of a stream minus of the opposite one leaves its bias out.
    """
    signs, ones = torch.ones(loaded.d_model), torch.ones(loaded.d_model)
    signs[1::2] = -1.0
    kept: list[Tensor] = []
    handle = loaded.model.get_output_embeddings().register_forward_pre_hook(lambda _module, args: kept.append(args[0]))
    try:
        stream_logits(loaded, torch.stack([signs, -signs, ones, -ones]).to(loaded.device))
    finally:
        handle.remove()
    made = kept[0].reshape(-1, loaded.d_model).float().cpu()
    return FinalNorm((made[0] - made[1]) / 2 * signs, (made[2] - made[3]) / 2)


@torch.no_grad()
def read_by_head(loaded: LoadedModel, directions: Float[Tensor, "direction d_model"]) -> Float[Tensor, "direction vocabulary"]:
    """How much each direction of the stream raises each token's logit, up to the stream's length: ``W_U J d``."""
    weight = loaded.model.get_output_embeddings().weight.float().cpu()
    return final_norm(loaded).made_of(directions.float().cpu()) @ weight.T
