"""Reading and changing the residual stream while a model runs; every hook is gone when the context ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from anatomy.models.blocks import decoder_blocks
from anatomy.models.sites import StreamSite

SITES: tuple[StreamSite, ...] = ("block_input", "attention_output", "mlp_output")
"""The three at which a direction is ablated from everything (Arditi et al. 2024, section 2.4)."""

Reader = Callable[[int, Tensor], None]
"""Called with (layer, activations [row, column, d_model])."""

Change = Callable[[Tensor], Tensor]
"""Called with activations [row, column, d_model]; gives what replaces them."""


class _Reached(Exception):
    """The last layer of interest has been read."""


@contextmanager
def reading(model: nn.Module, layers: Sequence[int], reader: Reader, *, stop: bool = True) -> Iterator[None]:
    """Give ``reader`` the input of each block in ``layers``; layer L is the last block's output, before the final norm.

    Once the highest layer was read the forward pass is abandoned, and with it the rest of the ``with`` body: put one
    forward call in the body and take nothing from its value. Without ``stop`` the pass goes on to its end.
    """
    blocks = decoder_blocks(model)
    highest = max(layers)

    def read(layer: int, activations: Tensor) -> None:
        reader(layer, activations)
        if stop and layer == highest:
            raise _Reached

    def before(layer: int) -> Callable:
        return lambda _module, args, kwargs: read(layer, _stream(args, kwargs))

    def after(_module: nn.Module, _args: tuple, output: Any) -> None:
        read(len(blocks), _first(output))

    handles = [
        blocks[layer].module.register_forward_pre_hook(before(layer), with_kwargs=True)
        for layer in sorted(set(layers))
        if layer < len(blocks)
    ]
    if highest == len(blocks):
        handles.append(blocks[-1].module.register_forward_hook(after))
    try:
        yield
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def modifying(model: nn.Module, changes: Mapping[tuple[StreamSite, int], Change]) -> Iterator[None]:
    """Replace activations at (site, layer) by what the change makes of them.

    A change gets and gives tensors on the device of the model's first weights, also where a block lies on another GPU.
    """
    blocks, home = decoder_blocks(model), next(model.parameters()).device
    handles = []
    try:
        for (site, layer), change in changes.items():
            if site == "block_input":
                hook = _input_hook(change)
                handles.append(blocks[layer].module.register_forward_pre_hook(hook, with_kwargs=True))
            else:
                block = blocks[layer]
                modules = {"attention_output": block.attention_write, "mlp_output": block.mlp_write, "block_output": block.module}
                handles.append(modules[site].register_forward_hook(_output_hook(_beside(change, home))))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _beside(change: Change, home: torch.device) -> Change:
    return lambda x: change(x) if x.device == home else change(x.to(home)).to(x.device)


def _input_hook(change: Change) -> Callable:
    def hook(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        changed = change(_stream(args, kwargs))
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    return hook


def _output_hook(change: Change) -> Callable:
    def hook(_module: nn.Module, _args: tuple, output: Any) -> Any:
        changed = change(_first(output))
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def _stream(args: tuple, kwargs: dict) -> Tensor:
    return args[0] if args else kwargs["hidden_states"]


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
