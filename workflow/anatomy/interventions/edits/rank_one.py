"""Rank-one edits that write a direction into the residual stream: rank-one safety injection and its variants."""

from collections import Counter
from collections.abc import Mapping

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.inventory import editable_writers
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit, describe, writer_matrix
from anatomy.interventions.edits.spec import LowRankSpec, check_spec, intent, low_rank_spec
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE
from anatomy.models.writers import Writer

MeanInputs = Mapping[str, Float64[Tensor, " _"]]
"""Mean input of each matrix, by name; their lengths differ."""


def build_edit(
    spec: LowRankSpec,
    checkpoint: Checkpoint,
    direction: Float[Tensor, " d_model"],
    *,
    mean_inputs: tuple[MeanInputs, MeanInputs] | None = None,
) -> LowRankEdit:
    """The edit that a concrete spec describes, in fp32; one matrix in memory at a time.

    With s the unit direction, g the sign, W [d_model, d_in] each matrix that writes to the stream:

    - ``row_mean``: ``W + g alpha s wbar^T``, wbar the mean of W's rows (ROSI, section 3). ``alpha`` as given, or from
      the scale-free ``strength`` m, ``alpha_W = m / 100 * ||W||_F / ||wbar||``: ``||Delta||_F`` is m percent of
      ``||W||_F``. The published form has g = 1. Experts of a block count as the one matrix that they are side by side
      (``anatomy.models.experts``), and so have one alpha: the edit is then again one of what the block writes.
    - ``projection``: ``W + g m s s^T W``; scales what W already writes along s. Ours.
    - ``mean_input``: ``W + g m / 100 * ||W||_F s d^T``, d the unit vector along the mean input of harmful minus
      harmless prompts; writes s where the input looks harmful, with the same scale as ``row_mean``. Ours.
    - ``orthogonalize``: ``W - s s^T W`` (Arditi et al. 2024, section 4.1); a measurement. A bias that is added to what W writes
      loses its component too, ``b - s s^T b``, because the formula is about all that is written. The others are about W alone:
      a bias does not depend on the input, and stays.

    Args:
        spec: ``method``, ``strength`` (or ``alpha``), ``sign``, and optionally ``sites`` (default o_proj and down_proj;
            the embedding only by name) and ``layers`` (default all); ``direction`` is kept for the card only.
        checkpoint: what is edited.
        direction: unit vector s.
        mean_inputs: (harmful, harmless) means by matrix name, for ``mean_input``.

    Raises:
        EditError: a spec without meaning, tied embeddings, a direction that does not fit, missing mean inputs.
        NumericsError: zero norm where one divides.
    """
    factors = _built(spec, checkpoint, direction, mean_inputs)
    writers = _chosen_writers(spec, checkpoint)
    names, post_norm = [writer.name for writer in writers], any(writer.post_norm for writer in writers)
    card = describe(spec, intent(spec), checkpoint, names, factors, post_norm=post_norm)
    biased = [writer for writer in writers if writer.bias] if spec["method"] == "orthogonalize" else []
    return LowRankEdit(factors, card, _without(direction.double().cpu(), checkpoint, biased))


def _without(
    s: Float64[Tensor, " d_model"], checkpoint: Checkpoint, writers: list[Writer]
) -> dict[str, Float32[Tensor, " d_model"]]:
    """``-s s^T b`` of each writer's bias; nothing where that is zero."""
    biases = {writer.name: checkpoint.tensor(f"{writer.name}.bias").double() for writer in writers}
    return {name: change.float() for name, bias in biases.items() if (change := -(s @ bias) * s).any()}


def edit_factors(
    spec: LowRankSpec,
    checkpoint: Checkpoint,
    direction: Float[Tensor, " d_model"],
    *,
    mean_inputs: tuple[MeanInputs, MeanInputs] | None = None,
) -> dict[str, Factors]:
    """The factors alone, for screens of hundreds of edits that need no card. Arguments and errors as ``build_edit``.

    Raises:
        EditError: besides, orthogonalisation beside output biases, which are no part of factors.
    """
    if spec["method"] == "orthogonalize" and (biased := [one.name for one in _chosen_writers(spec, checkpoint) if one.bias]):
        raise EditError(
            found=f"output biases, such as {biased[0]}.bias",
            expected="matrices without bias, where an edit is factors alone",
            where=str(checkpoint.folder),
            remedy="build the whole edit (build_edit), or measure with the hook form (ablate): both reach biases too",
        )
    return _built(spec, checkpoint, direction, mean_inputs)


def _built(
    spec: LowRankSpec,
    checkpoint: Checkpoint,
    direction: Float[Tensor, " d_model"],
    mean_inputs: tuple[MeanInputs, MeanInputs] | None,
) -> dict[str, Factors]:
    check_spec(spec)
    spec = low_rank_spec(spec)
    s = _checked_direction(direction, checkpoint)
    writers = _chosen_writers(spec, checkpoint)
    common = _common_alphas(spec, checkpoint, writers)
    return {
        writer.name: _factors(spec, s, writer_matrix(checkpoint, writer), writer, mean_inputs, common.get(_place(writer)))
        for writer in writers
    }


def _place(writer: Writer) -> tuple[int, str]:
    return writer.layer, writer.site


def _common_alphas(spec: LowRankSpec, checkpoint: Checkpoint, writers: list[Writer]) -> dict[tuple[int, str], float]:
    """Alpha of ``row_mean`` for each block and site with several matrices, by layer and site; nothing where alpha is given."""
    if spec["method"] != "row_mean" or "alpha" in spec:
        return {}
    places = Counter(_place(writer) for writer in writers if writer.site != EMBEDDING_SITE)
    squares: dict[tuple[int, str], tuple[float, float]] = {}
    for writer in writers:
        if places[_place(writer)] > 1:
            weight = writer_matrix(checkpoint, writer).double()
            whole, mean = squares.get(_place(writer), (0.0, 0.0))
            squares[_place(writer)] = whole + weight.square().sum().item(), mean + weight.mean(0).square().sum().item()
    return {
        place: spec["strength"] / 100 * whole**0.5 / _above_zero(mean**0.5, "mean of the rows")
        for place, (whole, mean) in squares.items()
    }


def _factors(
    spec: LowRankSpec,
    s: Float32[Tensor, " d_model"],
    weight: Float32[Tensor, "d_model d_in"],
    writer: Writer,
    mean_inputs: tuple[MeanInputs, MeanInputs] | None,
    common: float | None,
) -> Factors:
    sign, method = spec.get("sign", 1), spec["method"]
    if method == "row_mean":
        row_mean = weight.double().mean(0)
        if common is not None:
            return row_mean.float()[None], (sign * common * s)[:, None]
        norm = _above_zero(row_mean.norm().item(), "mean of the rows")
        alpha = spec["alpha"] if "alpha" in spec else spec["strength"] / 100 * weight.double().norm().item() / norm
        return row_mean.float()[None], (sign * alpha * s)[:, None]
    if method == "mean_input":
        difference = _difference(spec, writer, mean_inputs)
        unit = difference / _above_zero(difference.norm().item(), "difference of mean inputs")
        alpha = spec["strength"] / 100 * weight.double().norm().item()
        return unit.float()[None], (sign * alpha * s)[:, None]
    scale = sign * spec["strength"] if method == "projection" else -1.0
    return (s.double() @ weight.double()).float()[None], (scale * s)[:, None]


def _chosen_writers(spec: LowRankSpec, checkpoint: Checkpoint) -> list[Writer]:
    sites, layers = spec.get("sites", list(BLOCK_SITES)), spec.get("layers")
    writers = [
        writer
        for writer in editable_writers(checkpoint, sites)
        if layers is None or writer.layer in layers or writer.site == EMBEDDING_SITE
    ]
    if layers is not None and (outside := sorted(set(layers) - set(range(checkpoint.num_layers)))):
        raise EditError(found=f"layers {outside}", expected=f"layers below {checkpoint.num_layers}", where=f"edit spec {spec}")
    return writers


def _difference(spec: LowRankSpec, writer: Writer, mean_inputs: tuple[MeanInputs, MeanInputs] | None) -> Float64[Tensor, " d_in"]:
    if mean_inputs is None or any(writer.name not in side for side in mean_inputs):
        raise EditError(
            found=f"no mean inputs of {writer.name}",
            expected="mean inputs of harmful and of harmless prompts",
            where=f"edit spec {spec}",
            remedy="extract them with anatomy.models.activations.writer_inputs; not for embeddings, nor for experts, "
            "which read some tokens only",
        )
    harmful, harmless = mean_inputs
    return harmful[writer.name] - harmless[writer.name]


def _checked_direction(direction: Tensor, checkpoint: Checkpoint) -> Float32[Tensor, " d_model"]:
    norm = direction.double().norm().item()
    if direction.shape[0] != checkpoint.d_model or abs(norm - 1.0) > 1e-4:
        raise EditError(
            found=f"a direction of {direction.shape[0]} numbers and norm {norm:.6g}",
            expected=f"a unit vector of {checkpoint.d_model} numbers",
            where=str(checkpoint.folder),
            remedy="take Directions.unit of this model's own directions",
        )
    return direction.to(torch.float32).cpu()


def _above_zero(norm: float, what: str) -> float:
    if not norm > 0.0:
        raise NumericsError(found=f"{what} of norm {norm}", expected="a norm above zero", where="rank-one edit")
    return norm
