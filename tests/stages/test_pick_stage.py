"""From judged shortlists to picks."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages.pick import benchmark_means, pick_all

CONFIG = Config.model_validate({"rosi": {"shortlist": 2}})
METRICS = {"arc": "acc"}
WEAK = next(subject for subject in subjects(CONFIG) if subject.member == "weak")


@pytest.fixture
def select():
    """The second place refuses more, and harms benchmarks in the family ``projection``."""
    names = [family.name for family in families(CONFIG, WEAK)]
    shortlist = {name: [{"edit": name, "place": 1}, {"edit": name, "place": 2}] for name in names}
    variants = pd.DataFrame(
        [
            {"variant": f"{name}-{place}", "family": name, "place": place, "strength": place, "layer": 1}
            for name in names
            for place in (1, 2)
        ]
    )
    judged = []
    for variant, place in [("base", 0), *zip(variants["variant"], variants["place"], strict=True)]:
        for prompt in range(10):
            judged.append((variant, "harmful_requests", prompt < 2 + 3 * place))
            judged.append((variant, "benign_requests", False))
    judgements = pd.DataFrame(
        [{"variant": v, "set": s, "judge": "rules", "label": "full" if r else "none"} for v, s, r in judged]
    )
    samples = pd.DataFrame(
        [
            {"variant": v, "task": "arc", "acc": 0.2 if v == "projection-2" else 0.9, "mc2": np.nan}
            for v in ["base", "projection-1", "projection-2", "row_mean-1", "row_mean-2"]
        ]
    )
    return shortlist, judgements, variants, samples


def test_the_strongest_candidate_that_keeps_benchmarks_is_picked(select):
    selected, table = pick_all(CONFIG, WEAK, *select, METRICS)
    assert selected["row_mean"]["place"] == 2
    assert selected["projection"]["place"] == 1
    assert selected["row_mean~isotropic-0"]["place"] == 2, "controls are held to refusals alone"
    assert table.groupby("family")["picked"].sum().eq(1).all()


def test_tasks_count_equally_and_by_their_own_metric():
    samples = pd.DataFrame({"variant": "base", "task": ["a"] * 9 + ["b"], "acc": [1.0] * 9 + [0.9], "mc2": 0.0})
    assert benchmark_means(samples, {"a": "acc", "b": "mc2"}) == {"base": 0.5}
