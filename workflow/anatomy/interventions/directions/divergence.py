"""How far an edit moves next-token distributions along forced answers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.metrics import kl_divergence, last_logits
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def prompt_divergences(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    editing: Callable[[], AbstractContextManager],
    *,
    common_prefix: Sequence[int],
    answers: Sequence[Sequence[int]] | None,
    token_budget: int,
) -> Float64[Tensor, " prompt"]:
    """KL(original || edited) of each prompt, averaged over the predictions of its answer's tokens after the prefix.

    Args:
        loaded: the model.
        prompts: rendered prompts.
        editing: gives a context in which the model is edited, for example ``lambda: applied(loaded, edit)``.
        common_prefix: ids that every answer begins with.
        answers: the model's own answers, cut to the tokens to force; None: the prediction after the prefix alone.
        token_budget: most tokens a batch, padding counted.

    Raises:
        DataError: an answer that does not begin with the prefix.
    """
    runs, counted = forced_runs(prompts, list(common_prefix), answers)
    found = torch.zeros(len(runs), dtype=torch.float64)
    for batch in batches(runs, token_budget, loaded.pad_token_id, loaded.device):
        counts = torch.tensor([counted[row] for row in batch.rows])
        keep = int(counts.max())
        original = last_logits(loaded, batch, keep)
        with editing():
            edited = last_logits(loaded, batch, keep)
        divergence = kl_divergence(original, edited).cpu().masked_fill(~counted_columns(counts), 0.0)
        found[list(batch.rows)] = divergence.sum(1) / counts
    return found


def counted_columns(counts: Int[Tensor, " row"]) -> Bool[Tensor, "row keep"]:
    """Which of the last ``max(counts)`` columns count: predictions are aligned at the end of each row."""
    return torch.arange(int(counts.max()), 0, -1)[None] <= counts[:, None]


def forced_runs(
    prompts: Sequence[Sequence[int]], prefix: list[int], answers: Sequence[Sequence[int]] | None
) -> tuple[list[list[int]], list[int]]:
    """Token ids to run, and for each prompt how many of its last predictions count.

    Args:
        prompts: rendered prompts.
        prefix: ids that every answer begins with.
        answers: ids to force after each prompt, or None: only the prediction after the prefix counts.

    Raises:
        DataError: an answer that does not begin with the prefix.
    """
    if answers is None:
        return [[*ids, *prefix] for ids in prompts], [1] * len(prompts)
    runs, counted = [], []
    for row, (ids, answer) in enumerate(zip(prompts, answers, strict=True)):
        if list(answer[: len(prefix)]) != prefix:
            raise DataError(
                found=f"answer beginning {list(answer[: len(prefix)])}",
                expected=f"the common prefix {prefix}",
                where=f"harmless answer {row}",
            )
        # The last forced token is only predicted, never read, so it is not run.
        runs.append([*ids, *(answer[:-1] if len(answer) > len(prefix) else prefix)])
        counted.append(max(len(answer) - len(prefix), 1))
    return runs, counted
