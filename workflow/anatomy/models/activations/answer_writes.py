"""What each attention head and MLP writes on average while an answer is predicted.

A write is linear in the input of its matrix, so its mean is the matrix times the mean input; a head's part is its slice of
columns of ``o_proj``. A bias that is added besides belongs to no head and is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from anatomy.models.activations.answers import Forced, answer_mask
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.means import check_finite
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import matrix_of
from anatomy.models.writers import Writer, residual_writers, sites_with_inputs


@dataclass(frozen=True)
class MeanWrite:
    """Mean of what one part adds to the residual stream.

    Attributes:
        layer: 0-based block.
        site: ``o_proj`` or ``down_proj``.
        head: 0-based head; -1 for an MLP.
        vector: token-weighted mean of its write, before a post-norm where there is one.
        post_norm: a norm rescales the write before it reaches the stream, so that the vector is only its direction.
    """

    layer: int
    site: str
    head: int
    vector: Float64[Tensor, " d_model"]
    post_norm: bool


@torch.no_grad()
def mean_answer_writes(
    loaded: LoadedModel, texts: Sequence[Forced], *, token_budget: int, ids: Sequence[str] | None = None
) -> list[MeanWrite]:
    """Mean write of every head and MLP over the positions that predict answers; one pass, no output head.

    In a mixture of experts attention's heads alone: its experts have no input of their own at each token.

    Raises: as ``answer_sums``; ``EditError`` as ``residual_writers``.
    """
    writers = residual_writers(loaded.model, sites=sites_with_inputs(loaded.model))
    sums: dict[str, Tensor] = {}
    for batch in batches([text.read for text in texts], token_budget, loaded.pad_token_id, loaded.device):
        answering = answer_mask(batch, texts)

        def adding(name: str, batch: PromptBatch = batch, answering: Tensor = answering) -> Callable[[nn.Module, tuple], None]:
            def hook(_module: nn.Module, args: tuple) -> None:
                u = torch.where(answering[..., None], args[0].double(), 0.0)
                check_finite(u, batch, name, ids)
                sums[name] = sums.get(name, 0.0) + u.sum((0, 1))

            return hook

        handles = [loaded.model.get_submodule(writer.name).register_forward_pre_hook(adding(writer.name)) for writer in writers]
        try:
            loaded.model.base_model(**batch.inputs(), use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
    tokens = sum(len(text.answer) for text in texts)
    return [part for writer in writers for part in _parts(loaded, writer, sums[writer.name] / tokens)]


def _parts(loaded: LoadedModel, writer: Writer, mean: Float64[Tensor, " d_in"]) -> list[MeanWrite]:
    weight = matrix_of(loaded.model.get_submodule(writer.name)).double()
    if writer.site != "o_proj":
        return [MeanWrite(writer.layer, writer.site, -1, (weight @ mean).cpu(), writer.post_norm)]
    heads = loaded.model.config.get_text_config().num_attention_heads
    vectors = torch.einsum("dhk,hk->hd", weight.unflatten(1, (heads, -1)), mean.unflatten(0, (heads, -1))).cpu()
    return [MeanWrite(writer.layer, writer.site, head, vector, writer.post_norm) for head, vector in enumerate(vectors)]
