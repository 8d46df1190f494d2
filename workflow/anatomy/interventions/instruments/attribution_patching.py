"""Attribution patching: what a patch would do to the metric, to first order, from one backward pass.

``(a_clean - a_corrupt) . dm/da``, with the gradient taken in the run that is patched (Nanda 2023; Syed et al. 2023, arXiv
2310.10348; dossier, section 4e). It says something of every place at the price of two passes, and errs where the metric is not
straight between the two activations: saturated attention, and places early in the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.errors import NumericsError
from anatomy.interventions.directions.metrics import refusal_metric
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import Place, Way, require_places
from anatomy.interventions.instruments.run_record import RunRecord, head_count, record_run
from anatomy.models.loading import LoadedModel


def attribution(
    loaded: LoadedModel,
    pair: PairedPrompts,
    places: Sequence[Place],
    refusal_tokens: Sequence[int],
    epsilon: float,
    way: Way,
) -> Float64[Tensor, " place"]:
    """Predicted change of the refusal metric by each patch.

    Raises:
        ModelError: a layer, token or head that is not there.
        NumericsError: a gradient that is NaN or infinite.
    """
    require_places(loaded, pair.length, places)
    clean, corrupt = (torch.tensor([tokens], device=loaded.device) for tokens in (pair.clean, pair.corrupt))
    giving, taking = (clean, corrupt) if way == "denoise" else (corrupt, clean)
    known = record_run(loaded, giving)
    weights = loaded.model.get_input_embeddings()
    try:
        weights.requires_grad_(True)  # the graph begins at the embedding; no other weight needs a gradient
        run = record_run(loaded, taking, gradients=True)
        assert run.logits is not None
        with torch.enable_grad():
            refusal_metric(run.logits, refusal_tokens, epsilon).sum().backward()
    finally:
        weights.requires_grad_(False)
        weights.weight.grad = None
    return torch.tensor([_effect(loaded, known, run, place, pair) for place in places], dtype=torch.float64)


def _effect(loaded: LoadedModel, known: RunRecord, run: RunRecord, place: Place, pair: PairedPrompts) -> float:
    names = {"stream": "streams", "attention": "attention", "mlp": "mlp", "head": "heads"}
    there: Tensor = getattr(known, names[place.part])[place.layer][0]
    here: Tensor = getattr(run, names[place.part])[place.layer]
    slope = here.grad
    if slope is None or not slope.isfinite().all():
        raise NumericsError(
            found="no finite gradient",
            expected="a gradient of the refusal metric at every activation",
            where=f"{place.part} of block {place.layer}, prompts {pair.id} and {pair.corrupt_id}",
            remedy="load the model in float32 (dtype) for this instrument",
        )
    product = (there.double() - here.detach()[0].double()) * slope[0].double()
    if place.column is not None:
        product = product[place.column]
    if place.head is not None:
        width = product.shape[-1] // head_count(loaded.model)
        product = product[..., place.head * width : (place.head + 1) * width]
    return product.sum().item()
