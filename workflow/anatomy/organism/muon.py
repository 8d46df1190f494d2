"""Muon in fp32: momentum, orthogonalised by Newton-Schulz, for the matrices of the organism's blocks.

``torch.optim.Muon`` computes the same update in bfloat16 whatever the parameters are, one matrix at a time. A CPU without
bfloat16 instructions then spends a third of a training there; here equal shapes are stacked and nothing is cast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic a X + b (X X^T) X + c (X X^T)^2 X (Jordan et al. 2024), as in ``torch.optim.Muon``."""

EPSILON = 1e-7


def orthogonalised(updates: Float[Tensor, "matrix row column"], steps: int) -> Float[Tensor, "matrix row column"]:
    """Each matrix with its singular values moved to about 1 (between .7 and 1.2 from five steps on), in the input's format.

    Args:
        updates: matrices of one shape.
        steps: of the Newton-Schulz iteration.
    """
    a, b, c = COEFFICIENTS
    tall = updates.shape[1] > updates.shape[2]
    x = updates.mT if tall else updates
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=EPSILON)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay. The rate grows with the root of rows over columns above 1.

    Args:
        params: matrices.
        lr: learning rate.
        momentum: share of the running mean of gradients that stays.
        weight_decay: share of a parameter, times the rate, that each step takes away.
        ns_steps: Newton-Schulz steps.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.1, ns_steps: int = 4
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "ns_steps": ns_steps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                updates = torch.stack([self._momentum(parameter, group["momentum"]) for parameter in parameters])
                rate = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, list(orthogonalised(updates, group["ns_steps"])), alpha=-rate)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """The running mean of a parameter's gradients, one step ahead (Nesterov)."""
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean = state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(mean, momentum)
