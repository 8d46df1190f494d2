"""Mean inputs of the writers over one set of prompts, in a pass of their own."""

from collections.abc import Sequence

import torch

from anatomy.models.activations.batching import batches
from anatomy.models.activations.means import check_prompts
from anatomy.models.activations.writer_inputs import WriterInputs
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def mean_writer_inputs(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], *, position: int, token_budget: int, ids: Sequence[str] | None = None
) -> dict[str, torch.Tensor]:
    """``WriterInputs`` of one prompt set in a pass of their own, without the output head.

    Raises: as ``mean_activations``; ``EditError`` as ``residual_writers``.
    """
    check_prompts(token_ids, [position], ids)
    inputs = WriterInputs(loaded, position, ids)
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        with inputs.reading(batch):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return inputs.means()
