"""Edits of weights applied to a model in memory, and taken back bit for bit: the reference for every other way."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.low_rank import Factors
from anatomy.interventions.edits.weight_edit import WeightEdit, edited_weight, touched
from anatomy.models.checkpoint import HEAD
from anatomy.models.experts import loaded_tensor
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import is_embedding, stored_transposed


@contextmanager
def applied(loaded: LoadedModel, *edits: WeightEdit) -> Iterator[LoadedModel]:
    """Run the ``with`` body on the edited model: a stack in order, computed in fp32 and cast to the model's dtype once.

    Originals are kept and copied back at the end, whatever happens in the body; subtracting an edit would leave rounding
    behind. Contexts nest, each casting once. A head that is tied to the embedding has a matrix of its own in the body.

    Raises:
        EditError: an edit made for another model, a matrix that the model lacks or has in another shape, or a tied embedding.
        NumericsError: a number that the model's dtype cannot hold.
    """
    for edit in edits:
        if edit.card.model_digest != loaded.digest:
            raise EditError(
                found=f"an edit for model {edit.card.model_digest[:12]}",
                expected=f"model {loaded.digest[:12]}",
                where=str(loaded.folder),
                remedy="build the edit from this model's own weights",
            )
    changes = {name: lambda weight, name=name: edited_weight(name, weight, edits, weight.dtype) for name in touched(edits)}
    with ExitStack() as contexts:
        if HEAD in changes:
            contexts.enter_context(own_head(loaded))
        targets = {name: _target(loaded, name, edit.shape(name)) for edit in edits for name in edit.tensors}
        contexts.enter_context(_changed(targets, changes))
        yield loaded


@contextmanager
def own_head(loaded: LoadedModel) -> Iterator[None]:
    """In the ``with`` body a head that is the embedding has a matrix of its own, a copy; after it both are one again.

    Where a model caps its logits (Gemma 2: c tanh(l / c)), the head's matrix stands before the cap.
    """
    head, embedding = loaded.model.get_output_embeddings(), loaded.model.get_input_embeddings()
    shared = head.weight
    if shared is not embedding.weight:
        yield
        return
    head.weight = torch.nn.Parameter(shared.detach().clone(), requires_grad=shared.requires_grad)
    try:
        yield
    finally:
        head.weight = shared


@contextmanager
def applied_factors(loaded: LoadedModel, factors: dict[str, Factors]) -> Iterator[LoadedModel]:
    """Run the ``with`` body on ``W + B A``, as ``applied`` does.

    The factors must come from this model's own weights: only ``applied`` can check that.

    Raises:
        EditError: a matrix that the model lacks, of another shape, or tied to the output head.
    """
    targets, changes = {}, {}
    for name, (a, b) in factors.items():
        shape = (a.shape[1], b.shape[0]) if stored_transposed(name) else (b.shape[0], a.shape[1])
        targets[name] = _target(loaded, f"{name}.weight", shape)
        changes[name] = lambda weight, name=name, a=a, b=b: weight.float() + _delta(name, a, b).to(weight.device)
    with _changed(targets, changes):
        yield loaded


def _delta(name: str, a: Tensor, b: Tensor) -> Tensor:
    delta = b @ a
    return delta.T if stored_transposed(name) else delta


@contextmanager
def changed_tensors(loaded: LoadedModel, changes: Mapping[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Run the ``with`` body with any tensors of the model changed, each by its own function; originals are copied back.

    A tensor that is tied to another one changes with it: part them first (``own_head``) where that is not meant.

    Raises:
        EditError: a name that the model in memory does not have.
    """
    found = {name: loaded_tensor(loaded.model, name) for name in changes}
    parameters = {name: tensor for name, tensor in found.items() if tensor is not None}
    if absent := sorted(set(changes) - set(parameters)):
        raise EditError(
            found=f"no tensor {absent[0]} in memory",
            expected="the names of the file",
            where=str(loaded.folder),
            remedy="this architecture is computed under other names than it is stored with; its tensors cannot be changed here",
        )
    with _changed(parameters, changes):
        yield


@contextmanager
def _changed(targets: Mapping[str, Tensor], changes: Mapping[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    originals: dict[str, Tensor] = {}
    try:
        with torch.no_grad():
            for name, change in changes.items():
                originals[name] = targets[name].detach().clone()
                targets[name].copy_(change(targets[name]))
        yield
    finally:
        with torch.no_grad():
            for name, original in originals.items():
                targets[name].copy_(original)


def _target(loaded: LoadedModel, tensor: str, shape: tuple[int, ...]) -> Tensor:
    name = tensor.removesuffix(".weight")
    weight = loaded_tensor(loaded.model, tensor)
    if weight is None or tuple(weight.shape) != tuple(shape):
        raise EditError(
            found=f"{name} of shape {None if weight is None else tuple(weight.shape)}",
            expected=f"shape {tuple(shape)}",
            where=str(loaded.folder),
        )
    head, embedding = loaded.model.get_output_embeddings(), loaded.model.get_input_embeddings()
    if head is not None and head.weight is embedding.weight and weight is head.weight:
        raise EditError(
            found=f"{name} tied to the {'output head' if is_embedding(name) else 'token embedding'}",
            expected="a matrix of its own",
            where=str(loaded.folder),
            remedy="write an untied copy (anatomy.interventions.export.untied.write_untied) and study that",
        )
    return weight
