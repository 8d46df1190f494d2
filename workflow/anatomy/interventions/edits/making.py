"""How an edit is made from a model by scoring its weights or by training: what a maker is given, and what it gives back.

Scoring looks at activations or gradients and makes a mask (``sparse_edit``). Training fits an adapter (``low_rank_edit``, or
``read_peft_adapter`` where peft trained it) or a residual on the head (``head_edit``). One contract serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import EditError
from anatomy.interventions.edits.saved import SavedEdit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel

Prompts = Callable[[str, str, int], pd.DataFrame]
"""Rows of a prompt set by name, phase and limit: at most so many, always the same ones."""


@dataclass(frozen=True)
class Materials:
    """What a maker works with.

    Attributes:
        opening: opens the model; makers read ``loaded``.
        checkpoint: the same model's files, which edits are built against.
        config: the sections that the rule named.
        subject: the model under study.
        prompts: rows of a prompt set in the phase ``fit`` or ``select``; the test split is for what was made, not for making.
        files: what earlier stages left (completions to train on), by the names of the rule's inputs: every file of each.
        generator: every random choice of the maker's own; torch's global one has the same seed.
        say: receives lines for the job's log.
    """

    opening: Callable[[], LoadedModel]
    checkpoint: Checkpoint
    config: Config
    subject: Subject
    prompts: Prompts
    files: Mapping[str, Sequence[Path]]
    generator: torch.Generator
    say: Callable[[str], None]

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model, in its own dtype, frozen, opened when a maker first asks for it; the maker's to change: nobody uses it
        afterwards."""
        return self.opening()

    def file(self, name: str) -> Path:
        """The file of an input that has one.

        Raises:
            EditError: it has none or several, or there is no input of that name.
        """
        found = self.files.get(name, ())
        if len(found) != 1:
            raise EditError(
                found=f"{len(found)} files called {name!r}" if name in self.files else f"no input called {name!r}",
                expected="one file",
                where=f"what the maker of an edit of {self.subject.id} reads",
                remedy=f"name one file in the rule, or read several by files[{name!r}]; its inputs: {sorted(self.files)}",
            )
        return found[0]


Maker = Callable[[Materials], SavedEdit | None]
"""A paper's way to make an edit: a function of a module, so that its code can be compared. None: none may be kept."""
