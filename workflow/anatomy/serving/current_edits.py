"""What edits an engine is under at the moment, and the way from one stack of edits to the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anatomy.errors import ConfigError
from anatomy.serving.serving_modes import Abilities, Fallback, ServingMode, choose_mode, no_adapter_because

if TYPE_CHECKING:
    from anatomy.serving.adapters import AdapterFolder
    from anatomy.serving.reload import Reloader


class CurrentEdits:
    """The edits of one engine.

    Args:
        where: the engine's model, for messages.
        abilities: what the engine can do.
        weights: swaps tensors.
        folder: writes adapters.
        fall_back: told when edits are served in another way than they were made for.
    """

    def __init__(
        self, where: Path, abilities: Abilities, weights: Reloader, folder: AdapterFolder, fall_back: Callable[[Fallback], None]
    ) -> None:
        self._where, self._abilities, self._weights, self._folder = where, abilities, weights, folder
        self._fall_back, self._sweeping = fall_back, False
        self._kinds: list[str] = []

    @property
    def reloaded(self) -> bool:
        """Whether the body of a reload is running, so that base prompts are meant for the edited weights."""
        return "reload" in self._kinds

    def way(self, edits: Sequence[Any]) -> ServingMode:
        """How the engine serves a stack of edits."""
        return choose_mode(edits, self._abilities)

    @contextmanager
    def under(self, edits: Sequence[Any], in_place: bool = False) -> Iterator[Path | None]:
        """See ``Engine.under``."""
        from anatomy.interventions.edits.low_rank import LowRankEdit

        way = self.way(edits)
        if in_place and way.kind == "adapter":
            way = ServingMode("reload", "asked for in place")
        self._refuse(way)
        if way.kind == "reload" and not in_place and all(isinstance(edit, LowRankEdit) for edit in edits):
            self._fall_back(Fallback("adapter", "reload", no_adapter_because(edits, self._abilities)))
        self._kinds.append(way.kind)
        try:
            if way.kind == "reload":
                self._weights.switch(edits)
                yield None
            else:
                self._weights.restore()
                yield self._folder.path(edits) if way.kind == "adapter" else None
        finally:
            self._kinds.pop()
            if not self._sweeping:
                self._weights.restore()

    @contextmanager
    def sweep(self) -> Iterator[None]:
        """See ``Engine.sweep``."""
        outer, self._sweeping = self._sweeping, True
        try:
            yield
        finally:
            self._sweeping = outer
            if not outer:
                self._weights.restore()

    def settle(self) -> None:
        """The originals back, unless edited weights are what is asked."""
        if not self.reloaded:
            self._weights.restore()

    def _refuse(self, way: ServingMode) -> None:
        if way.kind in ("hooks", "reload and hooks", "transformers"):
            raise ConfigError(
                found=way.reason,
                expected="edits of weights, which this engine serves",
                where=f"{self._where}, way {way.kind}",
                remedy="ask with interventions on each request (anatomy.serving.engine_hooks), inside `under` of the edits of "
                "weights in place; or serve the stack through transformers (anatomy.interventions.edits.stack)",
            )
        if self.reloaded or (way.kind == "reload" and self._kinds):
            raise ConfigError(
                found=f"edits served by {way.kind} inside edits served by {self._kinds[-1]}",
                expected="one after the other, or one stack of edits",
                where="Engine.under",
            )


class Fallbacks:
    """What was served in another way than asked, each once, said aloud."""

    def __init__(self, where: Path, told: Callable[[Fallback], None] | None) -> None:
        self.found: list[Fallback] = []
        self._where, self._told = where, told

    def __call__(self, fallback: Fallback) -> None:
        if fallback not in self.found:
            self.found.append(fallback)
            logging.getLogger("anatomy").warning("%s: %s", self._where, fallback)
            if self._told is not None:
                self._told(fallback)
