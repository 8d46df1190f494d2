"""An edited model beside the original one, of which it shares every tensor that the edit leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

from anatomy.interventions.edits.stack import Part, under_stack, weights_and_hooks
from anatomy.interventions.edits.weight_edit import touched
from anatomy.models.loading import LoadedModel


@contextmanager
def edited_beside(loaded: LoadedModel, parts: Sequence[Part]) -> Iterator[LoadedModel]:
    """Run the ``with`` body with a second model under a stack of edits, while the first stays as it is.

    Memory holds the tensors that the stack changes twice, and everything else once.

    Raises:
        EditError: as ``under_stack``.
        NumericsError: as there.
    """
    weights, _ = weights_and_hooks(parts)
    changed = set(touched(weights))
    kept = [tensor for name, tensor in loaded.model.named_parameters() if name not in changed]
    # What stands in the memo under its id counts as copied already, so that the copy refers to it.
    memo = {id(tensor): tensor for tensor in chain(kept, loaded.model.buffers())}
    second = replace(loaded, model=copy.deepcopy(loaded.model, memo))
    with under_stack(second, parts):
        yield second
