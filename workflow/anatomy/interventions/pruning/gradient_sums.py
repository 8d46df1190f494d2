"""Sums of the loss' gradients over examples, for every scored matrix in one pass; each gradient is freed once it is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.pruning.block_parts import Part, backward, matrices_in, parts_of
from anatomy.interventions.pruning.saved_sums import PartFile, PartSums, Saving, SumsOfParts
from anatomy.models.activations.answers import Forced
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import NOT_FINITE, LoadedModel, not_finite
from anatomy.progress.counting import counted
from anatomy.store.digest import digest


@dataclass(frozen=True)
class GradientSums:
    """Gradients of the mean loss of each example's response tokens, summed over examples.

    Attributes:
        sums: float32, of each matrix' shape; of absolute values where that was asked for. Some may lie on disk until they are
            asked for: those of a model in two bytes a weight, whose sums are twice as large as itself (``block_parts``).
        losses: each example's loss, nats a token.
    """

    sums: Mapping[str, Float32[Tensor, "rows columns"]]
    losses: tuple[float, ...]


def gradient_sums(
    loaded: LoadedModel,
    matrices: Mapping[str, nn.Parameter],
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
        saving: where sums are kept meanwhile; a scoring that was killed goes on from there, to the same bits. Without it all
            sums are in memory at once.

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
    scoring = _Scoring(loaded, texts, ids, absolute, saving)
    sums, losses = SumsOfParts({}, {}), list[float]()
    leaving: list[Tensor] = []
    with _recomputing(loaded, recompute):
        for part in parts_of(loaded, matrices, texts[0]) if saving else [Part(0, loaded.num_layers)]:
            found = scoring.of(part, matrices_in(loaded, matrices, part), leaving)
            losses, leaving = losses or found.losses, found.entering
            if saving and part.first:
                sums.disk.update({name: (saving.file(part), one.device) for name, one in found.sums.items()})
            else:
                sums.memory.update(found.sums)
            del found  # the next part's sums take its place
    if not any(bool(one.any()) for one in sums.values()):
        raise NumericsError(
            found=f"gradients that are 0 in every scored matrix, of {len(texts)} answers",
            expected="answers whose loss depends on the weights",
            where="the scored set",
            remedy="look at the answers and at the model's output head: no weight would be ranked above another",
        )
    return GradientSums(sums, tuple(losses))


@dataclass(frozen=True)
class _Scoring:
    """One set of examples, whose gradients are summed part by part. Attributes are as in ``gradient_sums``."""

    loaded: LoadedModel
    texts: Sequence[Forced]
    ids: Sequence[str]
    absolute: bool
    saving: Saving | None

    def of(self, part: Part, own: Mapping[str, nn.Parameter], leaving: Sequence[Tensor]) -> PartSums:
        """Sums of a part, from where a scoring that was killed had come to. Those of an upper part are on disk at the end.

        Args:
            own: the part's matrices.
            leaving: each example's gradient by the stream that leaves the part; empty for the part that ends with the loss.
        """
        found = PartSums({name: torch.zeros(weight.shape, device=weight.device) for name, weight in own.items()})
        file = self._file(part)
        if file is not None:
            file.restore(found)
        left = range(found.counted, len(self.texts))
        whole = part == Part(0, self.loaded.num_layers)
        what = "scored answers" if whole else f"scored answers, blocks {part.first} to {part.end - 1}"
        sound, saved, pause = found.counted, time.monotonic(), self.saving.pause(0.0) if self.saving else 0.0
        with torch.enable_grad():
            with _learning(self.loaded, own, lambda name: self._adding(found.sums[name])):
                for example in counted(left, what, len(left)):
                    loss, entering = backward(self.loaded, part, self.texts[example], leaving[example] if leaving else None)
                    found.losses += [] if loss is None else [loss]
                    found.entering += [] if entering is None else [entering]
                    found.counted += 1
                    if file and self.saving and (began := time.monotonic()) - saved >= pause:
                        if _not_finite(found.sums):
                            break
                        file.save(found)
                        sound, saved = found.counted, time.monotonic()
                        pause = self.saving.pause(saved - began)
            if broken := _not_finite(found.sums):
                self._refuse(part, own, leaving, range(sound, found.counted), broken)
        if file and part.first and left:
            file.save(found)
        return found

    def _file(self, part: Part) -> PartFile | None:
        if self.saving is None:
            return None
        asked = digest([[text.prompt, text.answer] for text in self.texts])
        return PartFile(self.saving.file(part), (self.saving.key, asked, self.absolute, part.first, part.end))

    def _adding(self, sums: Tensor) -> Callable[[Tensor], None]:
        """Adds a matrix' gradient to its sum, and frees it."""

        def add(weight: Tensor) -> None:
            gradient, weight.grad = weight.grad, None
            assert gradient is not None
            sums.add_(gradient.abs_() if self.absolute else gradient)

        return add

    def _refuse(
        self, part: Part, own: Mapping[str, nn.Parameter], leaving: Sequence[Tensor], since: range, broken: str
    ) -> NoReturn:
        """Refuse sums that are no numbers. Their examples are gone through again, with a look at each gradient.

        Args:
            since: examples that are in the sums since they were last seen to be finite.
            broken: a matrix with such a sum.
        """
        example = since.start

        def looking(name: str) -> Callable[[Tensor], None]:
            def look(weight: Tensor) -> None:
                gradient, weight.grad = weight.grad, None
                assert gradient is not None
                if not gradient.isfinite().all():
                    named = self.ids[example]
                    raise _no_number(self.loaded, f"a gradient of {name} that is NaN or infinite, at example {named}", named)

            return look

        with _learning(self.loaded, own, looking):
            for example in since:
                backward(self.loaded, part, self.texts[example], leaving[example] if leaving else None)
        raise _no_number(self.loaded, f"a sum of gradients of {broken} that is NaN or infinite", self.ids[since[-1]])


def _not_finite(sums: Mapping[str, Tensor]) -> str | None:
    """Name of the first matrix whose sum is no number; NaN and infinity remain in what is added up."""
    return next((name for name, one in sums.items() if not one.sum().isfinite() and not one.isfinite().all()), None)


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
    loaded: LoadedModel, matrices: Mapping[str, nn.Parameter], counting: Callable[[str], Callable[[Tensor], None]]
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
