"""Causal scores of every candidate: does ablating it bypass refusal, does adding it induce refusal, what else moves."""

from collections.abc import Sequence

import pandas as pd
import torch

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.prompt_scores import Criterion, PromptScores
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted


@torch.no_grad()
def score_candidates(
    loaded: LoadedModel,
    directions: Directions,
    harmful: Sequence[Sequence[int]],
    harmless: Sequence[Sequence[int]],
    refusal_tokens: Sequence[int],
    *,
    common_prefix: Sequence[int],
    harmless_answers: Sequence[Sequence[int]] | None,
    token_budget: int,
    epsilon: float,
    divergence: bool = True,
) -> pd.DataFrame:
    """Bypass, induce and KL of each candidate on validation prompts (Arditi et al. 2024, section 2.3 and appendix C).

    - bypass: mean refusal metric on harmful prompts while ``r_hat`` is ablated at block input, attention output and MLP
      output of all blocks, all positions;
    - induce: mean refusal metric on harmless prompts while ``r`` (not normalised) is added to its own block's input,
      all positions;
    - kl: mean KL(original || ablated) on harmless prompts.

    Args:
        loaded: the model.
        directions: candidates; all their layers are block inputs.
        harmful: rendered harmful prompts.
        harmless: rendered harmless prompts.
        refusal_tokens: ids that begin refusals.
        common_prefix: ids that every answer begins with; teacher-forced; the metric is read after them (paper: none).
        harmless_answers: the model's own answers to the harmless prompts, cut to the tokens to force; each begins with
            the prefix. KL is averaged over the predictions of their tokens after it. None: the paper's one position.
        token_budget: most tokens a batch, padding and candidates counted.
        epsilon: of the metric; 1e-8 in the paper's code.
        divergence: whether KL is computed, a third of the work; else it is NaN.

    Returns:
        One row a cell: ``position, layer, bypass, induce, kl``; NaN where the direction has zero norm.

    Raises:
        DataError: empty sets, an answer that does not begin with the prefix.
        NumericsError: the unedited model gives NaN or infinity.
    """
    scorer = PromptScores.of(
        loaded,
        directions,
        harmful,
        harmless,
        refusal_tokens,
        common_prefix=common_prefix,
        harmless_answers=harmless_answers,
        token_budget=token_budget,
        epsilon=epsilon,
    )
    return mean_scores(scorer, divergence=divergence)


def mean_scores(scorer: PromptScores, *, divergence: bool = True) -> pd.DataFrame:
    """Means over all prompts of every cell's scores, as ``score_candidates``."""
    cells, at = scorer.cells(), scorer.directions
    means: dict[Criterion, torch.Tensor] = {"kl": torch.full((len(cells),), float("nan"))}
    wanted: tuple[Criterion, ...] = ("bypass", "kl", "induce") if divergence else ("bypass", "induce")
    for criterion in counted(wanted, "scores of directions", len(wanted)):
        means[criterion] = scorer.score(criterion, cells, range(scorer.prompts(criterion))).mean(1)
    found = {cell: tuple(means[name][i].item() for name in ("bypass", "induce", "kl")) for i, cell in enumerate(cells)}
    nothing = (float("nan"),) * 3
    rows = [(position, layer, *found.get((position, layer), nothing)) for position in at.positions for layer in at.layers]
    return pd.DataFrame(rows, columns=["position", "layer", "bypass", "induce", "kl"])
