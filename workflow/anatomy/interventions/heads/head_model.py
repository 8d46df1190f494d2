"""What is trained: a residual of full rank or of low rank beside a matrix that stays, with its gradient in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor


@dataclass
class FullHead:
    """``logits = M x`` with M = W + D: the sum is trained, so that one product a step gives the logits.

    Args:
        start: W in float32; zeros where other logits are given as an offset.
        matrix: M.
    """

    start: Float32[Tensor, "vocabulary feature"]
    matrix: Float32[Tensor, "vocabulary feature"]

    @classmethod
    def of(cls, start: Float32[Tensor, "vocabulary feature"]) -> FullHead:
        """A head that begins as W."""
        return cls(start, start.clone())

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What the optimizer changes."""
        return {"matrix": self.matrix}

    def logits(self, x: Float32[Tensor, "row feature"]) -> Float32[Tensor, "row vocabulary"]:
        """Logits of rows of features."""
        return x @ self.matrix.T

    def backward(self, x: Float32[Tensor, "row feature"], gradient: Float32[Tensor, "row vocabulary"]) -> None:
        """Set gradients of the parameters from the loss's gradient in the logits."""
        if self.matrix.grad is None:
            self.matrix.grad = torch.empty_like(self.matrix)
        torch.mm(gradient.T, x, out=self.matrix.grad)

    def residual(self) -> Float32[Tensor, "vocabulary feature"]:
        """D."""
        return self.matrix - self.start


@dataclass
class LowRankHead:
    """``logits = W x + B A x``; B begins as zeros and A as noise of unit output, as in LoRA (Hu et al. 2021, section 4.1)."""

    start: Float32[Tensor, "vocabulary feature"]
    a: Float32[Tensor, "rank feature"]
    b: Float32[Tensor, "vocabulary rank"]

    @classmethod
    def of(cls, start: Float32[Tensor, "vocabulary feature"], rank: int, generator: torch.Generator) -> LowRankHead:
        """A head that begins as W."""
        noise = torch.randn(rank, start.shape[1], generator=generator) / start.shape[1] ** 0.5
        return cls(start, noise, torch.zeros(start.shape[0], rank))

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What the optimizer changes."""
        return {"a": self.a, "b": self.b}

    def logits(self, x: Float32[Tensor, "row feature"]) -> Float32[Tensor, "row vocabulary"]:
        """Logits of rows of features."""
        return torch.addmm(x @ self.start.T, x @ self.a.T, self.b.T)

    def backward(self, x: Float32[Tensor, "row feature"], gradient: Float32[Tensor, "row vocabulary"]) -> None:
        """Set gradients of the parameters from the loss's gradient in the logits."""
        self.b.grad = gradient.T @ (x @ self.a.T)
        self.a.grad = (gradient @ self.b).T @ x

    def residual(self) -> tuple[Float[Tensor, "rank feature"], Float[Tensor, "vocabulary rank"]]:
        """(A, B), of which the residual is B A."""
        return self.a, self.b
