"""How far an edit of weights is from the edit of the residual stream that it stands for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.models.activations.hooks import modifying
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import writing_site
from anatomy.models.sites import EMBEDDING_SITE, StreamSite
from anatomy.models.writers import residual_writers

STREAM_SITES: dict[str, StreamSite] = {"o_proj": "attention_output", "down_proj": "mlp_output"}


@dataclass(frozen=True)
class WriteGap:
    """Two ways to make one edit, compared at the last token of some prompts.

    Attributes:
        effect: largest change of a logit by the weight edit.
        gap: largest difference of a logit between weight edit and stream edit, as a share of ``effect``; rounding where
            ``W u`` itself is added to the stream, and anything where a norm comes between (``EditCard.post_norm``).
    """

    effect: float
    gap: float


@torch.no_grad()
def write_gap(
    loaded: LoadedModel, edit: LowRankEdit, direction: Float[Tensor, " d_model"], token_ids: Sequence[Sequence[int]]
) -> WriteGap:
    """Compare ``W + c s r^T W`` with the stream edit ``y + c s r^T y`` of what each edited sublayer adds to the stream.

    A bias is part of y where the edit reaches it (``orthogonalize``), and is taken off before r reads y where it does not. With s
    the direction, r is s for ``projection`` and ``orthogonalize``, and 1 / d_model in each coordinate for
    ``row_mean``. On models whose sublayers write ``W u`` itself the two are one (ROSI, section 3; Arditi et al. 2024,
    appendix E); behind a post-norm the weight edit reaches the stream only after the norm has rescaled everything.

    Args:
        loaded: the model.
        edit: of ``o_proj`` or ``down_proj``, built along ``direction``.
        direction: unit vector s.
        token_ids: rendered prompts.

    Raises:
        EditError: an edit of another model, of the embedding, or of a method that does not act on what is written.
    """
    changes = _stream_changes(loaded, edit, direction)
    plain = _last_logits(loaded, token_ids)
    with applied(loaded, edit):
        by_weights = _last_logits(loaded, token_ids)
    with modifying(loaded.model, changes):
        by_stream = _last_logits(loaded, token_ids)
    effect = (by_weights - plain).abs().max().item()
    return WriteGap(effect, (by_weights - by_stream).abs().max().item() / effect)


def _stream_changes(
    loaded: LoadedModel, edit: LowRankEdit, direction: Float[Tensor, " d_model"]
) -> Mapping[tuple[StreamSite, int], Callable[[Tensor], Tensor]]:
    readers = {
        "projection": direction,
        "orthogonalize": direction,
        "row_mean": torch.full_like(direction, 1.0 / direction.shape[0]),
    }
    method, sites = edit.card.spec["method"], {str(writing_site(name)) for name in edit.factors}
    if method not in readers or EMBEDDING_SITE in sites:
        raise EditError(
            found=f"method {method!r} at {sorted(sites)}",
            expected=f"one of {sorted(readers)} at {sorted(STREAM_SITES)}",
            where=f"edit {edit.card.spec}",
            remedy="only these act on what a block writes",
        )
    writers = {writer.name: writer for writer in residual_writers(loaded.model, sites=sorted(sites))}
    changes: dict[tuple[StreamSite, int], Callable[[Tensor], Tensor]] = {}
    pushes: dict[tuple[str, int], float] = {}
    for name, (_, b) in edit.factors.items():
        writer = writers[name]
        # B = c s in every low-rank edit along s.
        size = (b[:, 0].double() @ direction.double()).item()
        if abs(pushes.setdefault((writer.site, writer.layer), size) - size) > 1e-5 * abs(size):
            raise EditError(
                found=f"experts of block {writer.layer} that are edited by different amounts",
                expected="one amount, so that the edit is one of what the block writes",
                where=f"edit {edit.card.spec}",
                remedy="give alpha, or a strength, which counts all experts of a block as one matrix",
            )
        kept = writer.bias and method != "orthogonalize" and not writer.post_norm
        constant = (loaded.model.get_submodule(name).bias.float().cpu() @ readers[method].float()).item() if kept else 0.0
        changes[STREAM_SITES[writer.site], writer.layer] = _change(readers[method], size * direction, constant)
    return changes


def _change(reader: Float[Tensor, " d_model"], push: Float[Tensor, " d_model"], constant: float) -> Callable[[Tensor], Tensor]:
    """``y + push (reader^T y - constant)``, the constant being what a bias that stays gives."""

    def change(y: Tensor) -> Tensor:
        stream = y.float()
        return (stream + (stream @ reader.to(stream) - constant)[..., None] * push.to(stream)).to(y.dtype)

    return change


def _last_logits(loaded: LoadedModel, token_ids: Sequence[Sequence[int]]) -> Float[Tensor, "prompt vocabulary"]:
    rows = [
        loaded.model(input_ids=torch.tensor([list(ids)], device=loaded.device), use_cache=False, logits_to_keep=1)
        for ids in token_ids
    ]
    return torch.stack([row.logits[0, -1].float() for row in rows])
