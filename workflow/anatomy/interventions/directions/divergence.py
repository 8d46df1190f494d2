"""How far an edit moves next-token distributions along forced answers."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anatomy.errors import DataError


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
