"""Which way an edit is served on a running engine: the cheapest that is right, with the reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anatomy.errors import EditError

if TYPE_CHECKING:
    from anatomy.interventions.edits.weight_edit import WeightEdit

Kind = Literal["base", "adapter", "reload", "hooks", "reload and hooks", "transformers"]

ENGINE_FROM = 50_000_000
"""Parameters from which the engine is worth its start under interventions. Measured on one core: at 1 million transformers is as
fast as vLLM, at 90 million vLLM with hooks writes 1.7 times as many tokens a second."""


@dataclass(frozen=True)
class ServingMode:
    """How a stack of edits is served.

    Attributes:
        kind: ``base`` (nothing to do), ``adapter`` (beside others in one batch), ``reload`` (the touched tensors swapped in
            the engine), ``hooks`` (inside the engine's module), ``reload and hooks`` (both at once), ``transformers`` (not by
            this engine).
        reason: why this way and not a cheaper one.
    """

    kind: Kind
    reason: str


@dataclass(frozen=True)
class Fallback:
    """Something served in another way than asked: a row of the manifest.

    Attributes:
        asked: the feature.
        served: what came instead.
        reason: what the engine lacks.
    """

    asked: str
    served: str
    reason: str

    def __str__(self) -> str:
        return f"{self.asked} asked, {self.served} served: {self.reason}"


@dataclass(frozen=True)
class Abilities:
    """What one engine can do.

    Attributes:
        adapters: whether it was started with adapters.
        lacks_adapters: why it has none although they were asked for; empty where it has, or nobody asked.
        max_rank: highest rank of an adapter.
        target_modules: modules that an adapter may edit.
        hooks: whether interventions on activations can run inside its module.
    """

    adapters: bool
    lacks_adapters: str
    max_rank: int
    target_modules: tuple[str, ...]
    hooks: bool = False


def choose_mode(edits: Sequence[Any], engine: Abilities) -> ServingMode:
    """The cheapest right way.

    An adapter costs its tokens and shares a batch with others; a reload costs the touched tensors twice and a cold prefix
    cache; what the engine cannot do goes to transformers.

    Args:
        edits: weight edits in order, and interventions on activations.

    Raises:
        EditError: something that is no edit.
    """
    from anatomy.interventions.edits.weight_edit import WeightEdit
    from anatomy.models.activations.interventions import Intervention

    strange = [edit for edit in edits if not isinstance(edit, (WeightEdit, Intervention))]
    if strange:
        raise EditError(found=type(strange[0]).__name__, expected="a weight edit or an intervention", where="edits to serve")
    if not edits:
        return ServingMode("base", "no edit")
    hooked = [edit for edit in edits if isinstance(edit, Intervention)]
    if hooked and not engine.hooks:
        return ServingMode("transformers", "interventions on activations, and this engine has no hooks")
    if hooked and len(hooked) < len(edits):
        return ServingMode("reload and hooks", "weights and activations are edited together")
    if hooked:
        return ServingMode("hooks", "interventions on activations")
    against = no_adapter_because(edits, engine)
    return ServingMode("reload", against) if against else ServingMode("adapter", "low rank, within the engine's adapters")


def no_adapter_because(edits: Sequence[WeightEdit], engine: Abilities) -> str:
    """Why a stack of weight edits cannot be an adapter of this engine; empty where it can."""
    from anatomy.interventions.edits.low_rank import LowRankEdit
    from anatomy.models.experts import is_expert

    other = [type(edit).__name__ for edit in edits if not isinstance(edit, LowRankEdit)]
    if other:
        return f"{other[0]} is not of low rank"
    low_rank = [edit for edit in edits if isinstance(edit, LowRankEdit)]
    if any(edit.biases for edit in low_rank):
        return "output biases change too, which are no part of an adapter"
    if any(is_expert(name) for edit in low_rank for name in edit.factors):
        return "experts are edited, and nobody tried adapters of experts"
    rank = sum(edit.rank for edit in low_rank)
    outside = {name.rpartition(".")[2] for edit in low_rank for name in edit.factors} - set(engine.target_modules)
    if not engine.adapters:
        return engine.lacks_adapters or "the engine was started without adapters"
    if rank > engine.max_rank:
        return f"rank {rank} is above the engine's max_lora_rank {engine.max_rank}"
    return f"{min(outside)} is none of the engine's target_modules" if outside else ""
