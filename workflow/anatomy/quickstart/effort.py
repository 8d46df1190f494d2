"""How much every paper's study of one's own model asks for, by the size that was chosen."""

from __future__ import annotations

from typing import Any

from anatomy.config.methods import Selection
from anatomy.recipes.effort import Choice, Effort, put
from anatomy.recipes.registry import known

NO_CONTROLS = {"isotropic": 0, "covariance": 0, "shuffled": 0}
ENOUGH_CONTROLS = {"isotropic": 7, "covariance": 6, "shuffled": 6}
EVERYTHING = 100_000
"""More than any set has."""

SHARED: dict[Effort, tuple[Choice, ...]] = {
    "look": (
        Choice("extraction.prompts", 64, "of each side; 128 in the refusal direction's paper, 50 in ROSI's"),
        Choice("extraction.controls", NO_CONTROLS, "19 cost twenty times as much: nothing is ranked among random directions"),
        Choice("selection.prompts", 16, "of each side; 32 in the paper"),
        Choice("selection.headline", [], "no control direction goes through the selection"),
        Choice("evaluation.select_prompts", 16, "of each side, answered under the best candidates"),
        Choice("evaluation.test_prompts", 40, "of each side, answered under the picks"),
        Choice("evaluation.max_new_tokens", 32, "refusals begin early; partial ones that come later are missed"),
        Choice("benchmarks.tasks", [], "they cost more than everything else here"),
    ),
    "standard": (
        Choice("extraction.prompts", 128, "of each side, as in the refusal direction's paper"),
        Choice("extraction.controls", ENOUGH_CONTROLS, "19: the fewest with which a rank can reach p = 0.05"),
        Choice("selection.prompts", 32, "of each side, as in the paper"),
        Choice("evaluation.select_prompts", 64, "of each side: a rise of benign refusals by 0.05 can be excluded"),
        Choice("evaluation.test_prompts", 128, "of each side"),
        Choice("evaluation.max_new_tokens", 64),
        Choice("benchmarks.select_items", 32, "of each task"),
        Choice("benchmarks.test_items", 200, "of each task"),
    ),
    "paper": (
        Choice("extraction.prompts", 128, "of each side (Arditi et al. 2024, section 2.3); 50 in ROSI"),
        Choice("extraction.controls", ENOUGH_CONTROLS, "ours: the papers rank nothing among random directions"),
        Choice("selection.prompts", 32, "of each side (Arditi et al. 2024, section 2.3)"),
        Choice("selection.kl_tokens", 1, "the divergence at the last prompt token, as in the paper"),
        Choice("evaluation.select_prompts", 100, "ours: the papers do not say"),
        Choice("evaluation.test_prompts", 2000, "all that there are"),
        Choice("evaluation.max_new_tokens", 512, "as in the refusal direction's paper; ROSI does not say"),
        Choice("benchmarks.select_items", 200),
        Choice("benchmarks.test_items", EVERYTHING, "all that there are"),
    ),
}
"""Size to options that no paper owns. ``config/paper`` holds the same numbers for ``paper``, with their sources."""


def choose_effort(options: dict[str, Any], effort: Effort, num_layers: int | None, benchmarks: bool) -> dict[str, str]:
    """Write the options of a size into those of a study.

    Args:
        options: of the study; changed.
        num_layers: blocks of the model; None where it is not here yet.
        benchmarks: whether a folder with benchmarks was given; without one their numbers of items say nothing.

    Returns:
        Option to comment.
    """
    share = options.get("selection", {}).get("layer_share", Selection().layer_share)
    own = [choice for paper in known().values() for choice in paper.effort(effort, num_layers, share)]
    shared = [choice for choice in SHARED[effort] if benchmarks or not choice.option.startswith("benchmarks.")]
    return put(options, (*shared, *own))
