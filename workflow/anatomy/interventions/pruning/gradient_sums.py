"""Sums of the loss' gradients over examples, for every scored matrix in one pass; each gradient is freed once it is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from anatomy.errors import DataError, NumericsError
from anatomy.models.activations.answers import Forced
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import NOT_FINITE, LoadedModel, not_finite
from anatomy.progress.counting import counted
from anatomy.store.digest import digest
from anatomy.store.files import write_aside

SAVE_SECONDS = 60.0
"""Between two savings of the sums: a killed scoring loses at most so much."""


@dataclass(frozen=True)
class GradientSums:
    """Gradients of the mean loss of each example's response tokens, summed over examples.

    Attributes:
        sums: float32, of each matrix' shape; of absolute values where that was asked for.
        losses: each example's loss, nats a token.
    """

    sums: dict[str, Float32[Tensor, "rows columns"]]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Saving:
    """Where a scoring keeps what it has summed up so far.

    Attributes:
        path: of the file; it is left to the caller to remove.
        key: what decides the sums besides matrices and examples, such as the model's digest.
        seconds: between two savings.
    """

    path: Path
    key: str
    seconds: float = SAVE_SECONDS


def response_loss(loaded: LoadedModel, text: Forced) -> Float32[Tensor, ""]:
    """Mean of ``-log p(token | what is before it)`` over the response's tokens alone, nats, in float32."""
    ids = torch.tensor([text.read], device=loaded.device)
    logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=len(text.answer)).logits[0]
    return cross_entropy(logits[-len(text.answer) :].float(), torch.tensor(text.answer, device=loaded.device))


@torch.no_grad()
def response_losses(loaded: LoadedModel, texts: Sequence[Forced]) -> Float32[Tensor, " text"]:
    """Loss of each response, as ``response_loss``."""
    return torch.stack([response_loss(loaded, text) for text in counted(texts, "answers read", len(texts))]).cpu()


def gradient_sums(
    loaded: LoadedModel,
    matrices: Mapping[str, torch.nn.Parameter],
    texts: Sequence[Forced],
    ids: Sequence[str],
    *,
    absolute: bool,
    recompute: bool = False,
    saving: Saving | None = None,
) -> GradientSums:
    """Sum each matrix' gradients over examples, one example at a time (arXiv 2604.09544: ``sum_z dl(z)/dW``).

    Args:
        matrices: what is scored, by name (``scored_matrices``).
        texts: prompts with the responses whose tokens make the loss.
        ids: names of the examples, for messages.
        absolute: sum absolute values instead, one example's at a time: ``sum_z |dl(z)/dW|``.
        recompute: compute activations again in the backward pass instead of keeping them (gradient checkpointing).
        saving: where sums are kept meanwhile; a scoring that was killed goes on from there, to the same bits.

    Raises:
        DataError: no examples, or one without a response.
        NumericsError: a gradient is not finite (the matrix and the example are named), or all of them are 0.
    """
    if not texts or not all(text.prompt and text.answer for text in texts):
        raise DataError(
            found="no examples" if not texts else "an example without a prompt or a response",
            expected="prompts, each with a response of at least one token",
            where="the scored set",
        )
    sums = {name: torch.zeros(weight.shape, device=weight.device) for name, weight in matrices.items()}
    asked = digest([[text.prompt, text.answer] for text in texts])
    losses = _restored(saving, asked, absolute, sums) if saving else []
    example = len(losses)

    def counting(name: str) -> Callable[[Tensor], None]:
        def count(weight: Tensor) -> None:
            gradient, weight.grad = weight.grad, None
            assert gradient is not None
            if not gradient.sum(dtype=torch.float32).isfinite() and not gradient.isfinite().all():
                raise _no_number(loaded, f"a gradient of {name} that is NaN or infinite, at example {ids[example]}", ids[example])
            sums[name].add_(gradient.abs_() if absolute else gradient)

        return count

    saved = time.monotonic()
    with torch.enable_grad(), _learning(loaded, matrices, counting), _recomputing(loaded, recompute):
        for example in counted(range(len(losses), len(texts)), "scored answers", len(texts) - len(losses)):
            loss = response_loss(loaded, texts[example])
            loss.backward()
            losses.append(float(loss.detach()))
            if saving and time.monotonic() - saved >= saving.seconds:
                _save(saving, asked, absolute, sums, losses)
                saved = time.monotonic()
    if not any(bool(one.any()) for one in sums.values()):
        raise NumericsError(
            found=f"gradients that are 0 in every scored matrix, of {len(texts)} answers",
            expected="answers whose loss depends on the weights",
            where="the scored set",
            remedy="look at the answers and at the model's output head: no weight would be ranked above another",
        )
    return GradientSums(sums, tuple(losses))


def _no_number(loaded: LoadedModel, found: str, example: str) -> NumericsError:
    """What is said of a gradient that is no number: a weight that is none comes first, for every gradient is then none."""
    broken = not_finite(loaded.model)
    return NumericsError(
        found=found if broken is None else f"{found}: {broken[0]} has weights that are NaN or infinite",
        expected="finite gradients of every scored matrix" if broken is None else "finite weights",
        where=f"the scored set, example {example}",
        remedy="score in float32 or bfloat16, or look at that example's answer" if broken is None else NOT_FINITE,
    )


@contextmanager
def _learning(
    loaded: LoadedModel, matrices: Mapping[str, torch.nn.Parameter], counting: Callable[[str], Callable[[Tensor], None]]
) -> Iterator[None]:
    """Only the scored matrices get gradients, each of which is counted and freed as soon as it is whole."""
    before = {parameter: parameter.requires_grad for parameter in loaded.model.parameters()}
    loaded.model.requires_grad_(False)
    hooks = []
    try:
        for name, weight in matrices.items():
            weight.requires_grad_(True)
            hooks.append(weight.register_post_accumulate_grad_hook(counting(name)))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)
            parameter.grad = None


@contextmanager
def _recomputing(loaded: LoadedModel, wanted: bool) -> Iterator[None]:
    """Blocks that compute their activations again. Blocks alone are told that they train: their dropout stays off."""
    if not wanted:
        yield
        return
    blocks = [block.module for block in decoder_blocks(loaded.model)]
    loaded.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for block in blocks:
        block.training = True
    try:
        yield
    finally:
        for block in blocks:
            block.training = False
        loaded.model.gradient_checkpointing_disable()


def _save(saving: Saving, asked: str, absolute: bool, sums: Mapping[str, Tensor], losses: Sequence[float]) -> None:
    said = {"key": [saving.key, asked, absolute], "losses": list(losses)}
    tensors = {name: one.cpu().contiguous() for name, one in sums.items()}
    write_aside(saving.path, lambda aside: save_file(tensors, aside, {"scoring": json.dumps(said)}))


def _restored(saving: Saving, asked: str, absolute: bool, sums: dict[str, Tensor]) -> list[float]:
    """Losses of the examples that are counted already, whose sums are put in place; none where nothing fits."""
    try:
        with safe_open(saving.path, framework="pt") as stream:
            said = json.loads((stream.metadata() or {}).get("scoring", "{}"))
            if said.get("key") != [saving.key, asked, absolute] or set(stream.keys()) != set(sums):
                return []
            for name, one in sums.items():
                one.copy_(stream.get_tensor(name))
            return list(said["losses"])
    except (OSError, SafetensorError, json.JSONDecodeError):
        return []
