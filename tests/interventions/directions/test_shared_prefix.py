"""What all prompts begin with is run once a candidate, and changes no score."""

import pytest
import torch

from anatomy.interventions.directions.ablation import ablated_metric
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.directions.shared_prefix import split_prefix
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening

SYSTEM = list(range(40, 64))
PROMPTS = [[*SYSTEM, *range(80, 80 + length), 7] for length in (5, 9, 4, 9, 12)]
METRIC = RefusalMetric((30, 70), 0.0)


def test_prefix_is_the_longest_that_leaves_what_counts(tiny):
    assert split_prefix(tiny, PROMPTS, [1] * 5) == ([*SYSTEM, 80, 81, 82, 83], [ids[28:] for ids in PROMPTS])
    assert split_prefix(tiny, [[1, 2, 3], [1, 2, 3]], [1, 2]) == ([1], [[2, 3], [2, 3]])
    assert split_prefix(tiny, [[1, 2], [3, 4]], [1, 1]) == ([], [[1, 2], [3, 4]])


def test_nothing_is_shared_where_attention_slides_over_less_than_a_prompt(tiny, monkeypatch):
    monkeypatch.setattr(tiny.model.config, "sliding_window", len(PROMPTS[0]), raising=False)
    assert split_prefix(tiny, PROMPTS, [1] * 5)[0] == []
    assert split_prefix(tiny, PROMPTS[2:3], [1])[0] == PROMPTS[2][:-1]


@pytest.mark.parametrize("budget", [1, 90, 5000])
def test_scores_are_those_of_whole_prompts_with_fewer_tokens_run(tiny, budget):
    units = torch.nn.functional.normalize(torch.randn(3, 64, generator=torch.Generator().manual_seed(2)), dim=1)
    expected = []
    for unit in units:
        everywhere = Intervention("ablate", (0, 1, 2, 3), unit.expand(4, 1, -1), None, 1.0, SITES, "all")
        with intervening(tiny.model, [everywhere]), torch.no_grad():
            each = [METRIC(tiny.model(torch.tensor([ids])).logits[:, -1]) for ids in PROMPTS]
        expected.append(torch.cat(each).mean().item())
    run = []
    handle = tiny.model.model.embed_tokens.register_forward_pre_hook(lambda _, args: run.append(args[0].numel()))
    found = ablated_metric(tiny, PROMPTS, units, METRIC, budget)
    handle.remove()
    assert found.mean(1).tolist() == pytest.approx(expected, abs=2e-5)
    if budget == 5000:
        assert sum(run) < len(units) * sum(map(len, PROMPTS))
