"""Causal scores of every candidate: does ablating it bypass refusal, does adding it induce refusal, what else moves."""

import pandas as pd
import torch

from anatomy.interventions.directions.prompt_scores import CRITERIA, Criterion, PromptScores
from anatomy.progress.counting import counted


def score_candidates(scorer: PromptScores, *, divergence: bool = True) -> pd.DataFrame:
    """Bypass, induce and KL of every candidate on all validation prompts (Arditi et al. 2024, section 2.3 and appendix C).

    - bypass: mean refusal metric on harmful prompts while ``r_hat`` is ablated at block input, attention output and MLP
      output of all blocks, all positions;
    - induce: mean refusal metric on harmless prompts while ``r`` (not normalised) is added to its own block's input,
      all positions;
    - kl: mean KL(original || ablated) on harmless prompts. The authors' code adds 1e-6 to probabilities in the logarithms; ours
      does not.

    Args:
        scorer: the model, its candidates and the prompts.
        divergence: whether KL is computed, a third of the work; else it is NaN.

    Returns:
        One row a cell: ``position, layer, bypass, induce, kl``; NaN where the direction has zero norm.

    Raises:
        NumericsError: the unedited model gives NaN or infinity.
    """
    cells, at = scorer.cells(), scorer.directions
    means: dict[Criterion, torch.Tensor] = {"kl": torch.full((len(cells),), float("nan"))}
    wanted: tuple[Criterion, ...] = ("bypass", "kl", "induce") if divergence else ("bypass", "induce")
    for criterion in counted(wanted, "scores of directions", len(wanted)):
        means[criterion] = scorer.score(criterion, cells, range(scorer.prompts(criterion))).mean(1)
    found = {cell: tuple(means[name][i].item() for name in CRITERIA) for i, cell in enumerate(cells)}
    nothing = (float("nan"),) * 3
    rows = [(position, layer, *found.get((position, layer), nothing)) for position in at.positions for layer in at.layers]
    return pd.DataFrame(rows, columns=["position", "layer", *CRITERIA])
