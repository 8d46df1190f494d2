"""An audit with prompts: the original is opened once, for its direction and for every state that is asked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from anatomy.audit.behaviour import Wanted, audit_behaviour
from anatomy.audit.directions import Reference
from anatomy.audit.measured import Measured
from anatomy.audit.prompts import asked_of
from anatomy.audit.refusal_direction import with_draws
from anatomy.audit.weights import WeightsAudit, audit_weights, beside
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.machine.devices import device_name
from anatomy.models.machine.formats import resolved
from anatomy.models.rendering import Rendering, template_positions
from anatomy.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from anatomy.audit.questions import Questions


def asked_audit(
    original: Checkpoint,
    edited: Checkpoint,
    references: Sequence[Reference],
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> tuple[WeightsAudit, list[Measured], tuple[str, ...]]:
    """Both halves.

    Args:
        references: directions that were handed over; without one of refusal, the original's own is taken from the pairs.
        options: of the command line.
        say: receives lines of progress.

    Returns:
        What the weights say, what the models did, and notes on the pairs. Where no tensor changed, nothing is opened or asked.

    Raises:
        AnatomyError: as ``audit_weights``, ``asked_of``, ``load_model``.
    """
    asked = asked_of(options.pairs, options.prompts, options.near_duplicate, options.columns)
    rendering = Rendering(template=options.kind == "aligned", date=options.date)
    template_positions(load_tokenizer(original.folder), rendering)  # which says if prompts cannot be put to it
    wanted = Wanted(options.tokens, min(options.kl_tokens, options.tokens), options.controls, _questions(options))
    say(f"comparing {len(original.names())} tensors")
    audit = audit_weights(original, edited, factors=True)  # first, while no model fills the memory
    if not audit.changed:
        return audit, [], asked.notes
    say(f"{audit.likely}; opening {original.folder}")
    loaded = load_model(original.folder, getattr(torch, resolved(options.dtype)), device_name())
    audit = beside(audit, with_draws(references, loaded, asked.fit, rendering))
    return audit, audit_behaviour(loaded, audit, asked, rendering, wanted, say), asked.notes


def _questions(options: argparse.Namespace) -> Questions | None:
    """Items of the benchmarks that the command names, read before anything is computed."""
    if options.benchmarks is None:
        return None
    from anatomy.audit.questions import read_questions  # here, because lm-eval takes seconds to import

    return read_questions(options.benchmarks, options.tasks or (), options.items, options.shots)
