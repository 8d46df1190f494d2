"""Where vLLM's modules meet the residual stream, and hooks there that change it.

vLLM's blocks take ``(positions, hidden_states, residual)`` and keep the last sublayer's write apart from the stream: their
input is the sum of the two. Models that vLLM runs through transformers' own code take the stream itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from anatomy.errors import ConfigError
from anatomy.models.blocks import decoder_blocks
from anatomy.serving.hooks.batch import EngineBatch
from anatomy.serving.hooks.changes import Chain, Place

PROVEN = (
    *("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text", "olmo2"),
    *("starcoder2", "phi", "gpt_neox", "gpt2"),
)
"""``model_type`` of the families whose hooked answers were found equal to transformers', token by token (by tests)."""


def refuse_unproven(model_type: str, where: str) -> None:
    """Refuse a family whose module nobody compared (``ConfigError``): a block that adds up its stream otherwise would be
    changed in the wrong place, silently."""
    if model_type not in PROVEN:
        raise ConfigError(
            found=f"activation interventions on a model of type {model_type!r} in vLLM",
            expected=f"one of {list(PROVEN)}",
            where=where,
            remedy="generate with transformers (serving.hooks: transformers), which is slower and right for all",
        )


@contextmanager
def changing(model: nn.Module, chains: Mapping[Place, Chain], begin: Callable[[int], EngineBatch]) -> Iterator[None]:
    """Change the stream at places while vLLM runs the model; every hook is gone when the context ends.

    Args:
        model: vLLM's module of a causal language model.
        chains: what happens at each (site, layer).
        begin: called before each pass with the number of its tokens; gives what they are.
    """
    blocks, current = decoder_blocks(model), _Pass(begin)
    handles = [model.register_forward_pre_hook(current.begin, with_kwargs=True)]
    try:
        for (site, layer), chain in chains.items():
            block = blocks[layer]
            unfused = "residual" in inspect.signature(block.module.forward).parameters
            if site == "block_input":
                hook = _unfused_input(chain, current) if unfused else _plain_input(chain, current)
                handles.append(block.module.register_forward_pre_hook(hook, with_kwargs=True))
            elif site == "block_output":
                hook = _unfused_output(chain, current) if unfused else _output(chain, current)
                handles.append(block.module.register_forward_hook(hook))
            else:
                module = block.attention_write if site == "attention_output" else block.mlp_write
                handles.append(module.register_forward_hook(_output(chain, current)))
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Pass:
    """The pass that is running."""

    def __init__(self, begin: Callable[[int], EngineBatch]) -> None:
        self._begin = begin
        self.batch: EngineBatch

    def begin(self, _module: nn.Module, args: tuple, kwargs: dict) -> None:
        tokens = next(value for value in (kwargs.get("input_ids"), kwargs.get("inputs_embeds"), *args) if value is not None)
        self.batch = self._begin(tokens.shape[0])


def _unfused_input(chain: Chain, current: _Pass) -> Callable:
    def hook(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        names = ("positions", "hidden_states", "residual")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        changed = _both_parts(chain, given["hidden_states"], given["residual"], current.batch)
        if changed is None:
            return None
        replaced = {**given, "hidden_states": changed[0], "residual": changed[1]}
        return (tuple(replaced.pop(name) for name in names[: len(args)]) + args[len(names) :], replaced)

    return hook


def _unfused_output(chain: Chain, current: _Pass) -> Callable:
    def hook(_module: nn.Module, _args: tuple, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None] | None:
        return _both_parts(chain, *output, current.batch)

    return hook


def _both_parts(chain: Chain, write: Tensor, residual: Tensor | None, batch: EngineBatch) -> tuple[Tensor, Tensor | None] | None:
    """What stands for the last write and the stream before it once their sum is changed; None where it is not."""
    changed = chain.apply(write if residual is None else write + residual, batch)
    if changed is None or residual is None:
        return None if changed is None else (changed, None)
    # The whole of a changed stream goes into the residual, so that it is rounded once; other tokens keep both parts and with
    # them the bits they have without hooks.
    untouched = chain.untouched(batch)
    if untouched is None:
        return torch.zeros_like(write), changed
    return write.masked_fill(~untouched, 0.0), torch.where(untouched, residual, changed)


def _plain_input(chain: Chain, current: _Pass) -> Callable:
    def hook(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        changed = _flat(chain, args[0] if args else kwargs["hidden_states"], current)
        if changed is None:
            return None
        return ((changed, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": changed})

    return hook


def _output(chain: Chain, current: _Pass) -> Callable:
    def hook(_module: nn.Module, _args: tuple, output: Any) -> Any:
        changed = _flat(chain, output[0] if isinstance(output, tuple) else output, current)
        if changed is None:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def _flat(chain: Chain, stream: Tensor, current: _Pass) -> Tensor | None:
    """Through transformers' code the tokens of a pass have a batch dimension of one."""
    changed = chain.apply(stream.view(-1, stream.shape[-1]), current.batch)
    return None if changed is None else changed.view(stream.shape)
