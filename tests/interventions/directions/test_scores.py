import pytest
import torch

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
from anatomy.interventions.directions.prompt_scores import PromptScores
from anatomy.interventions.directions.scores import score_candidates
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening

TOKENS = [30, 70]
OPTIONS = dict(epsilon=1e-8, token_budget=150)


def logits(loaded, ids, keep, interventions):
    with intervening(loaded.model, interventions), torch.no_grad():
        return loaded.model(torch.tensor([ids])).logits[0, -keep:]


def score_prompts(loaded, token_ids):
    """Refusal metric of each prompt in the unedited model, one prompt at a time."""
    scores = [refusal_metric(logits(loaded, ids, 1, []), TOKENS, OPTIONS["epsilon"]).item() for ids in token_ids]
    return torch.tensor(scores, dtype=torch.float64)


def ablate(unit):
    return Intervention("ablate", (0, 1, 2, 3), unit.expand(4, 1, -1), None, 1.0, SITES, "all")


@pytest.fixture(scope="module")
def answers(harmless):
    return [[11, 12, *range(20, 20 + length)] for length in (3, 1, 2, 4, 2)][: len(harmless)]


def test_scores_equal_one_prompt_one_candidate_at_a_time(tiny, directions, harmful, harmless, answers):
    prefix = [11, 12]
    table = score_candidates(
        PromptScores.of(tiny, directions, harmful, harmless, TOKENS, common_prefix=prefix, harmless_answers=answers, **OPTIONS)
    ).set_index(["position", "layer"])
    assert len(table) == 2 * 4
    for cell in [(-2, 1), (-1, 2), (-1, 3)]:
        unit, vector = directions.unit(*cell), directions.vector(*cell)
        bypass = [refusal_metric(logits(tiny, [*p, *prefix], 1, [ablate(unit)])[-1], TOKENS, 1e-8) for p in harmful]
        add = Intervention("add", (cell[1],), vector.view(1, 1, -1), None, 1.0, ("block_input",), "all")
        induce = [refusal_metric(logits(tiny, [*p, *prefix], 1, [add])[-1], TOKENS, 1e-8) for p in harmless]
        kl = []
        for prompt, answer in zip(harmless, answers, strict=True):
            ids, keep = [*prompt, *answer[:-1]], len(answer) - len(prefix)
            kl.append(kl_divergence(logits(tiny, ids, keep, []), logits(tiny, ids, keep, [ablate(unit)])).mean())
        expected = [torch.stack(values).mean().item() for values in (bypass, induce, kl)]
        assert table.loc[cell, ["bypass", "induce", "kl"]].tolist() == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("budget", [1, 60, 5000])
def test_scores_do_not_depend_on_the_budget(tiny, directions, harmful, harmless, answers, budget):
    def run(token_budget):
        return (
            score_candidates(
                PromptScores.of(
                    tiny,
                    directions,
                    harmful,
                    harmless,
                    TOKENS,
                    common_prefix=[11, 12],
                    harmless_answers=answers,
                    epsilon=0.0,
                    token_budget=token_budget,
                )
            )
            .dropna()
            .to_numpy()
        )

    assert abs(run(budget) - run(300)).max() < 1e-5


def test_plain_variant_reads_the_last_prompt_position(tiny, directions, harmful, harmless):
    table = score_candidates(
        PromptScores.of(tiny, directions, harmful, harmless, TOKENS, common_prefix=[], harmless_answers=None, **OPTIONS)
    ).set_index(["position", "layer"])
    unit = directions.unit(-1, 2)
    kl = [kl_divergence(logits(tiny, p, 1, []), logits(tiny, p, 1, [ablate(unit)])).mean() for p in harmless]
    assert table.loc[(-1, 2), "kl"] == pytest.approx(torch.stack(kl).mean().item(), abs=1e-5)


def test_a_direction_the_model_never_uses_changes_nothing(tiny, harmful, harmless):
    """A zero vector scores NaN; a vanishing addition leaves the plain metric."""
    vectors = torch.zeros(1, 2, 64)
    vectors[0, 1, 0] = 1e-20
    candidate = Directions(vectors, (-1,), (0, 2))
    table = score_candidates(
        PromptScores.of(tiny, candidate, harmful, harmless, TOKENS, common_prefix=[], harmless_answers=None, **OPTIONS)
    )
    assert table.loc[0, ["bypass", "induce", "kl"]].isna().all()
    plain = score_prompts(tiny, harmless).mean().item()
    assert table.loc[1, "induce"] == pytest.approx(plain, abs=1e-6)


def test_forward_methods_are_restored(tiny, directions, harmful, harmless):
    before = score_prompts(tiny, harmful)
    score_candidates(
        PromptScores.of(tiny, directions, harmful, harmless, TOKENS, common_prefix=[], harmless_answers=None, **OPTIONS)
    )
    assert torch.equal(score_prompts(tiny, harmful), before)
    assert not any("forward" in vars(block) for block in tiny.model.model.layers)


def test_answers_must_begin_with_the_prefix(tiny, directions, harmful, harmless, answers):
    with pytest.raises(DataError, match="harmless answer 0"):
        score_candidates(
            PromptScores.of(tiny, directions, harmful, harmless, TOKENS, common_prefix=[99], harmless_answers=answers, **OPTIONS)
        )


def test_nan_logits_of_the_unedited_model_are_refused(tiny, directions, harmful, harmless):
    handle = tiny.model.lm_head.register_forward_hook(lambda _m, _a, out: out * torch.nan)
    try:
        with pytest.raises(NumericsError, match="unedited model, prompt"):
            score_candidates(
                PromptScores.of(tiny, directions, harmful, harmless, TOKENS, common_prefix=[], harmless_answers=None, **OPTIONS)
            )
    finally:
        handle.remove()
