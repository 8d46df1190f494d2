from contextlib import nullcontext

import pytest
import torch

from anatomy.errors import DataError
from anatomy.interventions.directions.divergence import counted_columns, forced_runs
from anatomy.interventions.directions.metrics import kl_divergence
from anatomy.interventions.directions.prompt_scores import PromptScores
from anatomy.interventions.directions.scores import score_candidates
from anatomy.models.activations.batching import batches
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening

ANSWERS = [[11, 12, *range(20, 20 + length)] for length in (3, 1, 2, 4, 2)]
OPTIONS = dict(common_prefix=[11, 12], token_budget=120)


def prompt_divergences(loaded, prompts, editing, *, common_prefix, answers, token_budget):
    """KL(original || edited) of each prompt, averaged over the predictions of its answer's tokens after the prefix."""
    runs, counted = forced_runs(prompts, list(common_prefix), answers)
    found = torch.zeros(len(runs), dtype=torch.float64)
    for batch in batches(runs, token_budget, loaded.pad_token_id, loaded.device):
        counts = torch.tensor([counted[row] for row in batch.rows])
        with torch.no_grad():
            original = loaded.model(**batch.inputs(), logits_to_keep=int(counts.max())).logits
            with editing():
                edited = loaded.model(**batch.inputs(), logits_to_keep=int(counts.max())).logits
        divergence = kl_divergence(original, edited).masked_fill(~counted_columns(counts), 0.0)
        found[list(batch.rows)] = divergence.sum(1) / counts
    return found


def test_mean_over_prompts_is_the_grids_kl(tiny, directions, harmful, harmless):
    ablate = Intervention("ablate", (0, 1, 2, 3), directions.unit(-1, 2).expand(4, 1, -1), None, 1.0, SITES, "all")
    found = prompt_divergences(tiny, harmless, lambda: intervening(tiny.model, [ablate]), answers=ANSWERS, **OPTIONS)
    table = score_candidates(
        PromptScores.of(tiny, directions, harmful, harmless, [30], harmless_answers=ANSWERS, epsilon=0.0, **OPTIONS)
    )
    expected = table.set_index(["position", "layer"]).loc[(-1, 2), "kl"]
    assert found.mean().item() == pytest.approx(expected, abs=1e-6)
    assert (found > 0).all()


def test_nothing_edited_diverges_by_nothing(tiny, harmless):
    assert prompt_divergences(tiny, harmless, nullcontext, answers=None, **OPTIONS).abs().max() < 1e-12


def test_forced_runs_stop_before_the_last_answer_token():
    assert forced_runs([[1, 2]], [9], [[9, 5, 6]]) == ([[1, 2, 9, 5]], [2])
    assert forced_runs([[1, 2]], [9], [[9]]) == ([[1, 2, 9]], [1])
    assert forced_runs([[1, 2]], [9], None) == ([[1, 2, 9]], [1])
    with pytest.raises(DataError, match="answer 0"):
        forced_runs([[1, 2]], [9], [[8, 5]])


def test_one_answer_a_prompt(tiny, harmless):
    with pytest.raises(ValueError, match="zip"):
        prompt_divergences(tiny, harmless, nullcontext, answers=ANSWERS[:2], **OPTIONS)
    assert torch.isfinite(prompt_divergences(tiny, harmless, nullcontext, answers=ANSWERS, **OPTIONS)).all()
