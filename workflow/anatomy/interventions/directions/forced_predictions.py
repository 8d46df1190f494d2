"""What a model predicts along answers that it is forced to read, and how far those predictions lie from another model's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.divergence import counted_columns
from anatomy.interventions.directions.metrics import kl_divergence
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def forced_predictions(
    loaded: LoadedModel, runs: Sequence[Sequence[int]], counts: Sequence[int], token_budget: int
) -> list[Float[Tensor, "_prediction vocabulary"]]:
    """Logits of the last predictions of each run, the first of them that of the answer's first token.

    Args:
        runs: rendered prompts, each with all of its answer but the last token (``divergence.forced_runs``).
        counts: of each run, how many of its last predictions are wanted.
        token_budget: most tokens of a batch, padding counted.
    """
    found: dict[int, Tensor] = {}
    for batch in batches([list(run) for run in runs], token_budget, loaded.pad_token_id, loaded.device):
        wanted = torch.tensor([counts[row] for row in batch.rows])
        logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=int(wanted.max())).logits
        for row, own, kept in zip(batch.rows, logits, counted_columns(wanted), strict=True):
            found[row] = own[kept.to(own.device)].clone()
    return [found[row] for row in range(len(runs))]


def prediction_divergences(
    original: Sequence[Float[Tensor, "_prediction vocabulary"]], edited: Sequence[Float[Tensor, "prediction vocabulary"]]
) -> list[Float64[Tensor, " _prediction"]]:
    """``KL(original || edited)`` in nats of every prediction of every run.

    The first of a run is the divergence at the first token of the answer; the mean of a run that over all its forced tokens.

    Raises:
        DataError: the two are not of the same runs.
    """
    if [len(one) for one in original] != [len(one) for one in edited]:
        raise DataError(
            found=f"predictions of {len(edited)} runs",
            expected=f"those of the same {len(original)} runs, as many of each",
            where="divergence along forced answers",
        )
    return [kl_divergence(before, after).cpu() for before, after in zip(original, edited, strict=True)]
