"""Steering: what multiples of a direction, added to the stream before one block, do to the refusal metric and to everything else.

``x + c r`` at every token (Turner et al. 2023; Arditi et al. 2024, equation 3; dossier, section 4e). A random direction of the
same length is the control, and negative multiples are the flipped sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import modifying
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def dose_response(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    ids: Sequence[str],
    unit: Float[Tensor, " d_model"],
    layer: int,
    doses: Sequence[float],
    metric: RefusalMetric,
    token_budget: int,
) -> pd.DataFrame:
    """Refusal metric at the last token of each prompt under each dose, and KL(unedited || steered) there in nats.

    Args:
        unit: the direction at unit norm.
        layer: block before which it is added, at every token.
        doses: lengths of what is added, in the stream's own unit.

    Returns:
        Columns ``id, dose, metric, kl``.

    Raises:
        ModelError: a layer that the model does not have.
    """
    if not 0 <= layer < loaded.num_layers:
        raise ModelError(
            found=f"layer {layer}",
            expected=f"layers 0 to {loaded.num_layers - 1}",
            where=str(loaded.folder),
            remedy="correct the layer that is to be steered",
        )
    added, parts = unit.to(loaded.device).float(), []
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        names = [ids[row] for row in batch.rows]
        plain = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1]
        for dose in doses:

            def change(x: Tensor, dose: float = dose) -> Tensor:
                return (x.float() + dose * added).to(x.dtype)

            with modifying(loaded.model, {("block_input", layer): change}):
                logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1]
            rows = {"id": names, "metric": metric(logits).numpy(), "kl": kl_divergence(plain, logits).cpu().numpy()}
            parts.append(pd.DataFrame(rows).assign(dose=dose))
    return pd.concat(parts, ignore_index=True)[["id", "dose", "metric", "kl"]]
