"""What matrices read at response positions: scores by weight and input (Wanda), and the spaces that outputs lie in (ActSVD)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from anatomy.interventions.pruning.ranking import ScoreOf
from anatomy.models.activations.answers import Forced
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted

Moments = dict[str, Float64[Tensor, "_ _"]]
"""Sum over positions of ``x x^T``, x the input of a matrix, by its name."""


Sums = dict[str, Float64[Tensor, " _"]]
"""Sum over positions of the squares of a matrix' inputs, column by column, by its name."""


def input_squares(loaded: LoadedModel, names: Iterable[str], texts: Sequence[Forced]) -> Sums:
    """Squares of the inputs of matrices, summed over the positions that predict a response's tokens; one pass for all."""
    return _summed(loaded, names, texts, lambda x: x.square().sum(0))


def input_moments(loaded: LoadedModel, names: Iterable[str], texts: Sequence[Forced]) -> Moments:
    """Second moments of the inputs of matrices, over the positions that predict a response's tokens.

    One pass serves all matrices that are named. A matrix of n columns takes 8 n^2 bytes, 1.6 GB in the MLP of an 8 B model: name
    the matrices of one block at a time.
    """
    return _summed(loaded, names, texts, lambda x: x.T @ x)


@torch.no_grad()
def _summed(
    loaded: LoadedModel, names: Iterable[str], texts: Sequence[Forced], of: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    keep = slice(0, 0)

    def reading(name: str) -> Callable[[torch.nn.Module, tuple[Tensor, ...]], None]:
        def read(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
            part = of(inputs[0][0, keep].double())
            found[name] = found[name] + part if name in found else part

        return read

    hooks = [loaded.model.get_submodule(name).register_forward_pre_hook(reading(name)) for name in names]
    try:
        for text in counted(texts, "texts read", len(texts)):
            keep = slice(len(text.read) - len(text.answer), len(text.read))
            loaded.model.base_model(input_ids=torch.tensor([text.read], device=loaded.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def wanda_score(matrices: Mapping[str, torch.nn.Parameter], squares: Sums) -> ScoreOf:
    """``|W_ij| ||X_j||_2`` (arXiv 2402.05162 after Wanda): a weight times the length of its input over response positions."""
    return lambda name: matrices[name].detach().float().abs() * squares[name].sqrt().float()


def output_space(
    weight: Float32[Tensor, "rows columns"], moment: Float64[Tensor, "columns columns"], rank: int
) -> Float64[Tensor, "rows rank"]:
    """Orthonormal basis of the ``rank`` directions in which outputs ``W X`` are largest (ActSVD, arXiv 2402.05162).

    They are the first left singular vectors of ``W X``, as eigenvectors of ``W X X^T W^T``. Of rank 0 there is no column.
    """
    wide = weight.detach().double()
    return torch.linalg.eigh(wide @ moment @ wide.T).eigenvectors[:, len(wide) - rank :]


def space_overlap(one: Float64[Tensor, "rows rank"], two: Float64[Tensor, "rows rank"]) -> float:
    """``||U^T V||_F^2 / r``: 1 for one space, about r / rows for two random ones."""
    return float((one.T @ two).square().sum()) / one.shape[1]
