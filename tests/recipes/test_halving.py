"""The screen asks many candidates little and few candidates everything, and lists what asking everything would list."""

import numpy as np
import pytest

from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.stages.first_token_answers import Read
from anatomy.recipes.rosi.stages.halving import halve, rounds, standing_against

PROMPTS = 64
RACING, EXHAUSTIVE = (Config.model_validate({"selection": {"search": name}}).selection for name in ("racing", "exhaustive"))


def searched(selection, candidates=72, seed=0):
    """A search of candidates whose effect differs, and how many prompts it asked."""
    draw = np.random.default_rng(seed)
    base = Read(draw.normal(-2, 2, PROMPTS), draw.normal(-6, 1, PROMPTS), np.zeros(PROMPTS))
    effect, cost = draw.uniform(-1, 4, candidates), draw.uniform(0, 4, candidates)
    whole = {
        f"{n}": Read(
            base.harmful + effect[n] + draw.normal(0, 0.5, PROMPTS),
            base.benign + cost[n] + draw.normal(0, 0.5, PROMPTS),
            np.full(PROMPTS, cost[n]),
        )
        for n in range(candidates)
    }
    asked = dict.fromkeys(whole, 0)

    def ask(name, share):
        asked[name] = max(asked[name], round(share * PROMPTS))
        return whole[name].first(asked[name], asked[name])

    standing = standing_against(base)
    found = halve(list(whole), rounds(PROMPTS, selection), ask, standing, 4)
    complete = {name: standing(one) for name, one in found.items() if len(one.harmful) == PROMPTS}
    return max(complete, key=complete.get), {name: standing(one) for name, one in whole.items()}, sum(asked.values())


@pytest.mark.parametrize("seed", range(12))
def test_halving_loses_little_and_asks_a_fraction(seed):
    best, truth, asked = searched(RACING, seed=seed)
    _, _, everything = searched(EXHAUSTIVE, seed=seed)
    assert asked <= everything / 6
    assert max(truth.values())[0] - truth[best][0] <= 0.1


def test_over_many_searches_next_to_nothing_is_lost():
    runs = [searched(RACING, seed=seed)[:2] for seed in range(30)]
    assert np.mean([max(truth.values())[0] - truth[best][0] for best, truth in runs]) <= 0.02
    assert np.mean([max(truth, key=truth.get) == best for best, truth in runs]) >= 0.5


def test_an_exhaustive_screen_asks_every_candidate_everything():
    best, truth, asked = searched(EXHAUSTIVE)
    assert best == max(truth, key=truth.get) and asked == 72 * PROMPTS


@pytest.mark.parametrize("prompts", [2, 4, 5, 16, 17, 64, 200])
def test_rounds_end_with_all_prompts(prompts):
    shares = rounds(prompts, RACING)
    assert shares[-1] == 1.0 and shares == sorted(set(shares))
