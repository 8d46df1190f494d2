"""Edited tensors swapped into a running engine by vLLM's ``reload_weights``, and the originals back, with proof.

What goes wrong in silence otherwise: cached keys and values of the old weights answer prompts longer than a block unless the
prefix cache is reset; a matrix that vLLM fuses with others (q, k and v; gate and up; experts) is built anew from what is
passed, the rest of it uninitialised memory, so that the others go along; and patched parameters do nothing on the CPU, where
matrices are packed away after loading (of which experts need to be reminded: ``packed_experts``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from anatomy.errors import EngineError
from anatomy.interventions.edits.weight_edit import WeightEdit, check_stack, edited_weight, stack_digest, touched
from anatomy.models.checkpoint import HEAD, Checkpoint
from anatomy.models.experts import experts_of, siblings
from anatomy.serving.own_head import use_head
from anatomy.serving.packed_experts import pack_again
from anatomy.serving.proof import TOLERANCE, Ask, Fingerprint, cached_tokens, probe_prompts, take_fingerprint

if TYPE_CHECKING:
    from torch import Tensor


class Reloader:
    """The weights of one engine: originals, or under one stack of edits.

    Args:
        llm: vLLM's engine.
        checkpoint: what it serves.
        dtype: its number format, as torch names it.
        max_model_len: its context.
        device: ``cpu`` or ``cuda``.
        ask: runs prompts on the engine as it is.
        poison: told why, when the engine can no longer be trusted.

    Attributes:
        reloads: how often weights were passed to the engine.
        proofs: how often the originals were proved to be back.
    """

    def __init__(
        self,
        llm: Any,
        checkpoint: Checkpoint,
        dtype: str,
        max_model_len: int,
        device: str,
        ask: Ask,
        poison: Callable[[str], None],
    ) -> None:
        self._llm, self._checkpoint, self._dtype, self._device = llm, checkpoint, dtype, device
        self._ask, self._poison = ask, poison
        self._before: Fingerprint | None = None
        self._prompts = probe_prompts(checkpoint.text_config["vocab_size"], max_model_len)
        self._originals: dict[str, str] = {}
        self._touched: tuple[str, ...] = ()
        self._current, self._failed, self.reloads, self.proofs = stack_digest(()), False, 0, 0

    @property
    def edited(self) -> bool:
        """Whether the weights are not the originals."""
        return bool(self._touched)

    def switch(self, edits: Sequence[WeightEdit]) -> None:
        """Put the weights under a stack of edits; what the last stack touched and this one does not goes back.

        Raises:
            EditError: the stack does not fit the model; nothing has changed then.
            NumericsError: a number that the dtype cannot hold; likewise.
            EngineError: the reload failed half-way, or the prefix cache could not be emptied. The engine is of no use any more.
        """
        check_stack(edits, self._checkpoint)
        if stack_digest(edits) == self._current:
            return
        if self._before is None:
            self._before = self._fingerprint()
        wanted = tuple(touched(edits))
        if self._dtype == "float16":  # the one dtype that finite numbers can overflow: asked before anything changes
            for name in wanted:
                self._tensor(name, edits)
        self._put([*wanted, *(name for name in self._touched if name not in wanted)], edits)
        self._current, self._touched = stack_digest(edits), wanted

    def restore(self) -> None:
        """The originals back, and proof of it.

        Raises:
            EngineError: the engine does not answer as before. It is of no use any more.
        """
        if not self.edited or self._failed:  # after a failure nothing is answered, so nothing has to go back
            return
        if self._before is None:
            raise self._broken("the originals were never asked")
        self._put(self._touched, ())
        self._current, self._touched = stack_digest(()), ()
        self.proofs += 1
        if differs := self._fingerprint().differs(self._before, TOLERANCE[self._device]):
            raise self._broken(f"{differs} differ from before the first reload")

    def _fingerprint(self) -> Fingerprint:
        return take_fingerprint(self._ask, self._prompts, self._llm.apply_model)

    def _tensor(self, name: str, edits: Sequence[WeightEdit]) -> Tensor:
        """The tensor to pass. An original must still be what it was when it was first read."""
        import torch

        original, known = self._checkpoint.tensor(self._checkpoint.source(name)), self._originals.get(name)
        if known is None:
            self._originals[name] = _digest(original)
        elif name not in touched(edits) and _digest(original) != known:
            raise EngineError(
                found=f"another {name} than was read before",
                expected="the checkpoint that is served",
                where=str(self._checkpoint.folder),
                remedy="leave the folder alone while it is served",
            )
        dtype = getattr(torch, self._dtype)
        return edited_weight(name, original.to(dtype), edits, dtype)

    def _put(self, names: Sequence[str], edits: Sequence[WeightEdit]) -> None:
        """Some tensors under a stack: reloaded, but for a head that the engine shares with its embedding."""
        tied = [name for name in names if self._checkpoint.source(name) != name]
        if stored := [name for name in names if name not in tied]:
            self._reload(self._with_siblings(stored), edits)
        if not tied:
            return
        self.reloads += 1
        weight = self._tensor(HEAD, edits) if HEAD in touched(edits) else None
        try:
            self._llm.apply_model(partial(use_head, weight=weight))
        except BaseException as error:
            self._broken(f"the output head could not be changed: {type(error).__name__}")
            raise

    def _reload(self, names: Iterable[str], edits: Sequence[WeightEdit]) -> None:
        self.reloads += 1
        passed = []

        def tensors() -> Iterator[tuple[str, Tensor]]:
            for name in names:
                passed.append(name)
                yield self._checkpoint.stored_name(name), self._tensor(name, edits)

        names = list(names)
        try:
            if self._device == "cpu" and (packed := experts_of(map(self._checkpoint.stored_name, names))):
                self._llm.apply_model(partial(pack_again, experts=packed))
            self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors()})
            emptied = self._llm.reset_prefix_cache()
        except BaseException as error:
            self._broken(f"a reload stopped at {passed[-1:]}: {type(error).__name__}")
            raise
        if not emptied:
            raise self._broken("the prefix cache could not be emptied: requests are still running")
        if kept := cached_tokens(self._ask, self._prompts[1]):
            raise self._broken(f"{kept} tokens of a prompt still come from the prefix cache of other weights")

    def _with_siblings(self, names: Iterable[str]) -> list[str]:
        """The tensors and those that vLLM fuses with them."""
        return with_siblings(names, self._llm.apply_model(packed_modules)[0], set(self._checkpoint.names()))

    def _broken(self, reason: str) -> EngineError:
        self._failed = True
        self._poison(reason)
        return EngineError(
            found=reason,
            expected="the model as it was before the edit",
            where=str(self._checkpoint.folder),
            remedy="answers since the last proof cannot be trusted; start the engine again",
        )


def packed_modules(model: Any) -> dict[str, list[str]]:
    """vLLM's own list of the matrices that its class keeps as one."""
    return dict(getattr(model, "packed_modules_mapping", None) or {})


def with_siblings(names: Iterable[str], packed: Mapping[str, Sequence[str]], known: set[str]) -> list[str]:
    """Names of tensors, each followed by those that are fused with it and that the checkpoint has."""
    found: dict[str, None] = {}
    for name in names:
        found[name] = None
        found.update(dict.fromkeys(siblings(name, known)))
        module, _, kind = name.rpartition(".")
        parent, _, site = module.rpartition(".")
        for parts in packed.values():
            if site in parts:
                found.update(dict.fromkeys(one for part in parts if (one := f"{parent}.{part}.{kind}") in known))
    return list(found)


def _digest(tensor: Tensor) -> str:
    import torch

    return hashlib.sha256(tensor.contiguous().view(-1).view(torch.uint8).numpy()).hexdigest()
