"""A stack of edits of any kinds on a model in memory: weights and activations together, the reference for every other way."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.weight_edit import WeightEdit
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.loading import LoadedModel

Part = WeightEdit | Intervention
"""One edit of a stack, built for a model."""


def weights_and_hooks(parts: Sequence[Part]) -> tuple[list[WeightEdit], list[Intervention]]:
    """The two kinds apart, each in its order.

    Nothing is lost by that: an edit of weights changes what a module computes, a hook what comes in or out of one, so that
    one of each commute; two of a kind need not.
    """
    hooks = [part for part in parts if isinstance(part, Intervention)]
    return [part for part in parts if not isinstance(part, Intervention)], hooks


@contextmanager
def under_stack(loaded: LoadedModel, parts: Sequence[Part]) -> Iterator[LoadedModel]:
    """Run the ``with`` body on the model under a stack, first edit first; on the model as it is under an empty one.

    Weights are computed over the whole stack in fp32, cast once, and copied back at the end; hooks are gone then.

    Raises:
        EditError: as ``applied``; an intervention at layers that the model does not have.
        NumericsError: a number that the model's dtype cannot hold.
    """
    weights, hooks = weights_and_hooks(parts)
    with ExitStack() as contexts:
        if weights:
            contexts.enter_context(applied(loaded, *weights))
        if hooks:
            contexts.enter_context(intervening(loaded.model, hooks))
        yield loaded
