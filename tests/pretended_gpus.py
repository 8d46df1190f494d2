"""GPUs that are not there: tensors that say they lie on one, and are computed on the CPU.

What torch refuses of real GPUs is refused here: operations on tensors of two devices, and indices that lie on another GPU. So
code that forgets to move a tensor fails on a machine without any GPU. Speed, kernels and memory are not pretended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default}
INDEXING = {
    aten.index.Tensor,
    aten._unsafe_index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
"""Their indices may lie on the CPU; the values that they put may not."""


class PretendedTensor(torch.Tensor):
    """A tensor that says it lies on a GPU.

    To torch's own code it is one of the ``meta`` device, so that nothing reaches its numbers but through here.
    """

    @staticmethod
    def __new__(cls, held: torch.Tensor, place: torch.device) -> PretendedTensor:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device("meta", place.index),
            requires_grad=held.requires_grad,
        )

    def __init__(self, held: torch.Tensor, place: torch.device) -> None:
        self.held, self.place = held.detach(), place

    @property
    def device(self) -> torch.device:
        return self.place

    @property
    def is_cuda(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{self.held!r} on {self.place}"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self) -> Any:
        raise TypeError(f"can't convert {self.place} device type tensor to numpy: copy it to host memory first")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        with self:  # in inference mode, operations arrive whole that are made of others elsewhere
            parts = func.decompose(*args, **(kwargs or {}))
        if parts is not NotImplemented:
            return parts
        return _computed(func, args, kwargs or {})


@contextmanager
def pretended_gpus() -> Iterator[None]:
    """Let torch take ``cuda:0``, ``cuda:1`` and so on for devices."""
    lift, lazily = torch._C._only_lift_cpu_tensors(), torch.cuda._lazy_init
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.cuda._lazy_init = lambda: None
    torch._C._set_only_lift_cpu_tensors(True)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Mode():
            yield
    finally:
        torch.cuda._lazy_init = lazily
        torch._C._set_only_lift_cpu_tensors(lift)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)


def _computed(func: Any, args: tuple, kwargs: dict) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    places = {tensor.place for tensor in tensors if isinstance(tensor, PretendedTensor)}
    if func not in MOVES:
        _refuse_mixing(func, args, tensors, places)
    place = _place(kwargs["device"]) if kwargs.get("device") is not None else None
    here = {**kwargs, "device": torch.device("cpu")} if place else kwargs
    found = func(*tree_map(_held, args), **tree_map(_held, here))
    if func._schema.is_mutable and not isinstance(found, tuple | list):
        return next((tensor for tensor in tensors if _held(tensor) is found), found)
    place = place or (args[0].place if func in MOVES and isinstance(args[0], PretendedTensor) else next(iter(places), None))
    if place is None or place.type == "cpu":
        return found
    return tree_map(lambda leaf: PretendedTensor(leaf, place) if isinstance(leaf, torch.Tensor) else leaf, found)


def _refuse_mixing(func: Any, args: tuple, tensors: list[torch.Tensor], places: set[torch.device]) -> None:
    """As CUDA does, which takes single numbers from the CPU."""
    if not places:
        return
    if func in INDEXING:
        tensors = [args[0], *([args[2]] if len(args) > 2 else []), *(one for one in args[1] if isinstance(one, PretendedTensor))]
    everywhere = places | {tensor.device for tensor in tensors if not isinstance(tensor, PretendedTensor) and tensor.dim()}
    if len(everywhere) > 1:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, found {sorted(map(str, everywhere))}")


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, PretendedTensor) else leaf


def _place(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    return torch.device("cuda", device.index or 0) if device.type in ("cuda", "meta") else device
