"""Gradient scores of every weight of chosen matrices, each gradient freed once it is counted."""

from collections.abc import Callable, Iterable, Mapping

import torch

from anatomy.errors import NumericsError


def gradient_scores(
    matrices: Mapping[str, torch.nn.Parameter], losses: Iterable[Callable[[], torch.Tensor]], *, absolute: bool
) -> dict[str, torch.Tensor]:
    """Score of each weight, in float32 and of the shape of its matrix (arXiv 2604.09544).

    Signed, ``W * sum_z dl(z)/dW``: strongly negative where zeroing the weight raises the loss. Absolute,
    ``|W| * sum_z |dl(z)/dW|``. ``losses`` gives one example's mean loss over its response tokens at each call.

    Raises:
        NumericsError: a gradient is not finite; the matrix and the example are named.
    """
    sums = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in matrices.items()}
    example = 0

    def count(name: str) -> Callable[[torch.Tensor], None]:
        def counted(weight: torch.Tensor) -> None:
            assert weight.grad is not None
            gradient, weight.grad = weight.grad.float(), None
            if not bool(torch.isfinite(gradient).all()):
                raise NumericsError(
                    found=f"a gradient of {name} that is not finite, at example {example}",
                    expected="finite gradients of every scored matrix",
                    where=f"example {example} of the scored set",
                    remedy="score in float32 or bfloat16, or look at that example's answer",
                )
            sums[name] += gradient.abs() if absolute else gradient

        return counted

    hooks = [weight.register_post_accumulate_grad_hook(count(name)) for name, weight in matrices.items()]
    try:
        for example, loss in enumerate(losses):  # noqa: B007 -- the hooks read it
            loss().backward()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (w.detach().float().abs() if absolute else w.detach().float()) * sums[name] for name, w in matrices.items()}
