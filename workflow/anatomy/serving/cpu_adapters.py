"""Adapters on vLLM's CPU backend as two small matrix products a layer, instead of one gathered matrix a token.

vLLM's own CPU code copies each token's factors, ``[token, rank, d_in]`` numbers a matrix, before it multiplies. Here all
adapters' factors are one matrix, every token is multiplied with all of them, and what is not its own is masked to zero: with
8 adapters of rank 1 that is one percent of the layer's own work. A token without an adapter (index -1) gets zeros, where
vLLM's indexing takes the last adapter.

Imported by vLLM, by name (``grouped_adapters``): not before ``prepare_environment``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU


class GroupedAdapters(PunicaWrapperCPU):
    """vLLM's CPU wrapper with another ``add_lora_linear``."""

    _own: Tensor | None = None

    def update_metadata(self, *arguments: Any, **options: Any) -> None:
        super().update_metadata(*arguments, **options)
        self._own = None

    def add_lora_linear(
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: tuple[Tensor, ...],
        lora_b_stacked: tuple[Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        *,
        buffer: Any = None,
        **options: Any,
    ) -> None:
        """``y[t] += scale * B[i] A[i] x[t]`` for the adapter i of each token t, slice by slice; in place.

        Args:
            y: [token, d_out]; the slices stand side by side.
            x: [token, d_in].
            lora_a_stacked: for each slice [adapter, 1, rank, d_in].
            lora_b_stacked: for each slice [adapter, 1, d_slice, rank].
        """
        start = 0
        for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            slots, _, rank, d_in = a.shape
            # Summed in fp32 and rounded once, in whatever dtype.
            inner = x @ a.view(slots * rank, d_in).to(x.dtype).T
            inner *= self._owned(x.shape[0], slots, rank, x.dtype)
            if scale != 1:
                inner *= scale
            out = b.squeeze(1).transpose(1, 2).reshape(slots * rank, b.shape[2])[:, :width]
            y[:, start : start + width].addmm_(inner.to(y.dtype), out.to(y.dtype))
            start += width

    def _owned(self, tokens: int, slots: int, rank: int, dtype: torch.dtype) -> Tensor:
        """1 where a column belongs to the token's adapter: [token, slots * rank]; made once a step."""
        if self._own is None or self._own.shape != (tokens, slots * rank) or self._own.dtype != dtype:
            own = self.token_lora_indices[:, None] == torch.arange(slots)
            self._own = own.repeat_interleave(rank, dim=1).to(dtype)
        return self._own


@contextmanager
def grouped_adapters() -> Iterator[None]:
    """Engines that start inside it compute their adapters so."""
    from vllm.platforms import current_platform

    kind = type(current_platform)
    own = kind.__dict__["get_punica_wrapper"]
    kind.get_punica_wrapper = classmethod(lambda cls: f"{GroupedAdapters.__module__}.{GroupedAdapters.__name__}")
    try:
        yield
    finally:
        kind.get_punica_wrapper = own
