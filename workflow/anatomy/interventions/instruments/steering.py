"""Steering: what a direction, put into the stream before one block or before several, does to refusal and to everything else.

At every token, with a unit vector u and the stream x (dossier, section 4e):

- ``add``: ``x + c u`` (Turner et al. 2023, arXiv 2308.10248; Arditi et al. 2024, equation 3);
- ``clamp``: ``x + (v - u.x) u``, which sets the projection to v (as a feature is clamped in Templeton et al. 2024, "Scaling
  monosemanticity"; v = 0 is Arditi et al.'s ablation at one place);
- ``cap``: ``x + (min(u.x, v) - u.x) u``, which limits the projection from above and leaves what lies below (as activations are
  capped in Lu et al. 2026, arXiv 2601.10387).

A random direction with the same numbers is the control. Of ``add`` and ``clamp`` a negative dose is the flipped sign; ``cap`` by
the flipped direction limits the projection from below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import Change, modifying
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted

SteeringMode = Literal["add", "clamp", "cap"]
COUNTED = "ways of steering"
"""What progress counts within a batch of prompts: a hundred passes may stand behind one text."""


@dataclass(frozen=True)
class Steering:
    """One way of steering.

    Attributes:
        mode: what is done with the projection.
        unit: the direction at unit norm.
        amounts: block to the length that is added, or the value that the projection is set or limited to, in the stream's unit.
    """

    mode: SteeringMode
    unit: Float[Tensor, " d_model"]
    amounts: Mapping[int, float]

    def change(self, layer: int, device: torch.device | str) -> Change:
        """What becomes of the stream before a block, in fp32."""
        unit, amount = self.unit.to(device).float(), self.amounts[layer]

        def changed(x: Tensor) -> Tensor:
            stream = x.float()
            if self.mode == "add":
                return (stream + amount * unit).to(x.dtype)
            along = stream @ unit
            wanted = torch.full_like(along, amount) if self.mode == "clamp" else along.clamp(max=amount)
            return (stream + (wanted - along)[..., None] * unit).to(x.dtype)

        return changed


def _changes(loaded: LoadedModel, steering: Steering) -> dict:
    """Hooks of one way of steering.

    Raises:
        ModelError: a layer that the model does not have.
    """
    for layer in steering.amounts:
        if not 0 <= layer < loaded.num_layers:
            raise ModelError(
                found=f"layer {layer}",
                expected=f"layers 0 to {loaded.num_layers - 1}",
                where=str(loaded.folder),
                remedy="correct the layer that is to be steered",
            )
    return {("block_input", layer): steering.change(layer, loaded.device) for layer in steering.amounts}


@torch.no_grad()
def steered_responses(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    ids: Sequence[str],
    settings: Sequence[Steering],
    metric: RefusalMetric,
    token_budget: int,
) -> pd.DataFrame:
    """Refusal metric at the last token of each prompt under each way of steering, and KL(unedited || steered) there in nats.

    Returns:
        Columns ``id, setting, metric, kl``: ``setting`` is the place in ``settings``, -1 for the unedited model.

    Raises:
        ModelError: a layer that the model does not have.
    """
    hooks, parts = [_changes(loaded, one) for one in settings], []
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        names = [ids[row] for row in batch.rows]
        plain = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1]
        parts.append(pd.DataFrame({"id": names, "metric": metric(plain).numpy(), "kl": 0.0}).assign(setting=-1))
        for number, changes in enumerate(counted(hooks, COUNTED, len(hooks))):
            with modifying(loaded.model, changes):
                logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1]
            rows = {"id": names, "metric": metric(logits).numpy(), "kl": kl_divergence(plain, logits).cpu().numpy()}
            parts.append(pd.DataFrame(rows).assign(setting=number))
    return pd.concat(parts, ignore_index=True)[["id", "setting", "metric", "kl"]]


@torch.no_grad()
def steered_answers(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    lengths: Sequence[int],
    ids: Sequence[str],
    settings: Sequence[Steering],
    token_budget: int,
) -> pd.DataFrame:
    """Loss of the unedited model's own answers under each way of steering, from one forced pass over prompt and answer.

    Perplexity is ``exp`` of the mean of ``nll`` over all tokens (Jelinek et al. 1977).

    Args:
        token_ids: prompts with their answers.
        lengths: tokens of each answer, at the end of its row; at least 1.

    Returns:
        Columns ``id, setting, nll, kl, tokens``: mean negative log-likelihood of the answer's tokens and mean KL(unedited ||
        steered) at them, both in nats a token; ``setting`` as in `steered_responses`.

    Raises:
        ModelError: a layer that the model does not have.
    """
    hooks, parts = [_changes(loaded, one) for one in settings], []
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        counts = [lengths[row] for row in batch.rows]
        keep = max(counts) + 1
        plain = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits
        for number, changes in enumerate(counted([{}, *hooks], COUNTED, len(hooks) + 1), -1):
            logits = plain
            if changes:
                with modifying(loaded.model, changes):
                    logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=keep).logits
            for place, (row, count) in enumerate(zip(batch.rows, counts, strict=True)):
                before, after = (side[place, -count - 1 : -1] for side in (plain, logits))
                said = batch.input_ids[place, -count:]
                likely = after.double().log_softmax(-1).gather(1, said[:, None])
                kl = kl_divergence(before, after).mean().item() if changes else 0.0
                parts.append((ids[row], number, -likely.mean().item(), kl, count))
    return pd.DataFrame(parts, columns=["id", "setting", "nll", "kl", "tokens"])


def dose_response(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    ids: Sequence[str],
    unit: Float[Tensor, " d_model"],
    layer: int,
    doses: Sequence[float],
    metric: RefusalMetric,
    token_budget: int,
    one: float = 1.0,
) -> pd.DataFrame:
    """Refusal metric and KL at the last token of each prompt with each dose of a direction added before one block.

    Args:
        unit: the direction at unit norm.
        layer: block before which it is added, at every token.
        doses: how much is added, each once.
        one: length of a dose of 1, in the stream's own unit; 0 where the two kinds of prompt do not differ along the direction.

    Returns:
        Columns ``id, dose, metric, kl``.

    Raises:
        ModelError: a layer that the model does not have.
    """
    settings = [Steering("add", unit, {layer: dose * one}) for dose in doses]
    rows = steered_responses(loaded, token_ids, ids, settings, metric, token_budget)
    rows = rows[rows["setting"] >= 0].reset_index(drop=True)
    return rows.assign(dose=rows["setting"].map(dict(enumerate(doses))))[["id", "dose", "metric", "kl"]]
